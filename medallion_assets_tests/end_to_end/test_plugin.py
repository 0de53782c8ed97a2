"""A source of another package, found by its entry point: in the grammar, in the schema for editors, in a run."""

import json
import sys
from pathlib import Path

import polars as pl
import pytest

from medallion_assets.intent import tagged
from medallion_assets.intent.source import Database, Python
from medallion_assets.lake.ports import Request
from medallion_assets.sources.conformance import conforms
from medallion_assets.sources.database.source import DatabaseSource
from medallion_assets.sources.python import PythonSource
from medallion_assets_tests.end_to_end.project import Project, day
from medallion_assets_tests.sources.reading import day as partition

PACKAGE = '''
from typing import Literal

import polars as pl

from medallion_assets.intent.base import Positive, Text
from medallion_assets.intent.plugin import PluginSource
from medallion_assets.lake.manifest import SourceFacts
from medallion_assets.lake.ports import Batch


class Numbers(PluginSource):
    """Counts, as an example of a source from another package."""

    type: Literal["numbers"]
    up_to: Positive
    """The last number."""
    label: Text = "{run_date}"

    def open(self, context):
        return Counting(self, context)


class Counting:
    def __init__(self, spec, context):
        self.spec, self.context = spec, context

    def read(self, request):
        return Reading(self.spec, request, self.context)


class Reading:
    cursor = None

    def __init__(self, spec, request, context):
        self.spec, self.request, self.context = spec, request, context

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass

    def __iter__(self):
        numbers = range(1, self.spec.up_to + 1)
        yield Batch(pl.DataFrame({"id": numbers, "key": [self.context.resolve("${env:KEY}")] * len(numbers)}))

    @property
    def facts(self):
        return SourceFacts(facts={"up_to": str(self.spec.up_to)})
'''
INTENT = """
system: count
table: numbers
source: {type: numbers, up_to: 3}
load: full
partitions: {start: 2024-01-01}
silver: {model: scd_type_1, keys: id}
"""


@pytest.fixture(autouse=True)
def _installed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pip leaves a package, without pip."""
    site = tmp_path_factory.mktemp("site")
    (site / "count_source.py").write_text(PACKAGE)
    facts = site / "count_source-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: count-source\nVersion: 1\n")
    entries = "numbers = count_source:Numbers\nlost = nowhere_at_all:Lost"
    (facts / "entry_points.txt").write_text(f"[medallion_assets.sources]\n{entries}\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "count_source", raising=False)
    monkeypatch.setenv("KEY", "s3cret")
    tagged._plugin.cache_clear()


def test_it_is_run_like_any_other(project: Project) -> None:
    project.write("intents/numbers.yaml", INTENT)
    project.medallion("validate").succeeded()
    assert "numbers" in project.medallion("plan", "count.numbers").succeeded().output
    project.medallion("run", "--date", day(0)).succeeded()
    rows = pl.read_delta(str(project.root / "lake/silver/domain=count/entity=numbers/v1")).sort("id")
    assert rows["id"].to_list() == [1, 2, 3]
    assert rows["key"].unique().to_list() == ["s3cret"]


def test_its_keys_are_checked_like_any_other(project: Project) -> None:
    project.write("intents/numbers.yaml", INTENT.replace("up_to: 3", "upto: 3"))
    refused = project.medallion("validate")
    assert refused.exit_code == 1
    assert "Did you mean `up_to`?" in refused.output


def test_the_schema_for_editors_has_it(project: Project) -> None:
    project.write("intents/numbers.yaml", INTENT)
    written = json.loads(project.medallion("schema").succeeded().output)["intent"]
    assert "up_to" in written["definitions"]["Numbers"]["properties"]


def test_a_package_that_cannot_be_loaded_is_named(project: Project) -> None:
    project.write("intents/numbers.yaml", INTENT.replace("type: numbers, up_to: 3", "type: lost"))
    refused = project.medallion("validate")
    assert refused.exit_code == 1
    assert "`nowhere_at_all:Lost` cannot be loaded" in refused.output


def test_an_unknown_type_is_still_unknown(project: Project) -> None:
    project.write("intents/numbers.yaml", INTENT.replace("type: numbers", "type: nombers"))
    refused = project.medallion("validate")
    assert (refused.exit_code, "is not a source type" in refused.output) == (1, True)


def test_sources_keep_what_a_source_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3
    from contextlib import closing

    from count_source import Numbers  # type: ignore[import-not-found] # made above

    from medallion_assets.intent.plugin import SourceContext

    def resolve(text: str) -> str:
        return text

    request = Request(partition())
    context = SourceContext("count.numbers", tmp_path, "UTC", resolve, "i.yaml:1")
    spec = Numbers.model_validate({"type": "numbers", "up_to": 5})
    assert conforms(lambda: spec.open(context), request).height == 5

    with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        database.execute("CREATE TABLE t (id INTEGER, what TEXT)")
        database.executemany("INSERT INTO t VALUES (?, ?)", [(n, f"no {n}") for n in range(100)])
        database.commit()
    table = Database.model_validate({"type": "database", "url": "sqlite:///shop.db", "fetch_rows": 30})
    made = conforms(lambda: DatabaseSource(table, None, "t", tmp_path, "UTC", resolve, "i.yaml:1"), request)
    assert made.height == 100

    (tmp_path / "a_feed.py").write_text("def rows(window):\n    yield from ({'id': n} for n in range(25))\n")
    function = Python.model_validate({"type": "python", "function": "a_feed:rows"})
    monkeypatch.delitem(sys.modules, "a_feed", raising=False)
    assert conforms(lambda: PythonSource(function, tmp_path, "UTC", resolve, "i.yaml:1"), request).height == 25


def test_the_suite_finds_a_source_that_gives_something_else_each_time(tmp_path: Path) -> None:
    (tmp_path / "b_feed.py").write_text(
        "import itertools\nN = itertools.count()\n\n\ndef rows(window):\n    yield {'id': next(N)}\n"
    )
    function = Python.model_validate({"type": "python", "function": "b_feed:rows"})
    with pytest.raises(AssertionError, match="the same rows in the same order"):
        conforms(lambda: PythonSource(function, tmp_path, "UTC", str, "i.yaml:1"), Request(partition()))
