"""Plans that were compiled before are read, and are the same; anything else is compiled again."""

from collections.abc import Callable
from pathlib import Path

import pydantic
import pytest

from medallion_assets import folder
from medallion_assets.errors import InvalidProject
from medallion_assets.intent.parse import parse_platform, parse_project
from medallion_assets.plan import cache
from medallion_assets.plan.cache import Planned, cached, key_of
from medallion_assets.plan.compile import compile_plans
from medallion_assets.project import Project
from medallion_assets_tests.plan import golden

ROOT = Path(__file__).parent.parent.parent
INTENT = """
system: retail
table: t{n}
source: {{type: api, base_url: "https://x.example", path: /t, auth: {{type: bearer, token: "${{env:TOKEN}}"}},
         method: POST, body: {{ids: [1, 2.0, true, null], deep: {{none: []}}}}}}
meta: {{seen: [a, {{b: 1}}]}}
load: {{pattern: incremental, cursor: {{column: at}}, full_refresh: {{every: 7d, source: {{path: /all}}}}}}
schedule: "0 6 * * *"
sensor: {{interval: 60s}}
columns: {{amount: {{type: "decimal(18,2)", default: 1.50}}}}
silver: [{{model: scd_type_2, keys: id, order_by: at}}, {{model: scd_type_1, keys: id, order_by: at, entity: now_{n}}}]
checks: [{{rule: range, columns: amount, min: 0, max: 1.5}}]
"""


def planned(files: dict[str, str]) -> Planned:
    platform = parse_platform(None)
    intents = parse_project(files, platform)
    return compile_plans(intents, platform), tuple(w for one in intents for w in one.warnings)


def never() -> Planned:
    raise AssertionError("compiled again")


def resealed(entry: Path, old: str, new: str) -> str:
    """As another writer would leave it: its hash is right."""
    text = cache._sound(entry.read_text())
    assert old in text
    return cache._sealed(text.replace(old, new))


def texts(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder.parent)): path.read_text() for path in folder.rglob("*.yaml")}


@pytest.mark.parametrize(
    "files", [texts(ROOT / "intents"), {"intents/a.yaml": INTENT.format(n=1)}], ids=["ours", "api"]
)
def test_what_is_read_is_what_was_compiled(files: dict[str, str], tmp_path: Path) -> None:
    same(planned(files), lambda: planned(files), tmp_path)


@pytest.mark.parametrize("example", golden.EXAMPLES, ids=[example.stem for example in golden.EXAMPLES])
def test_every_example_is_read_as_it_was_compiled(example: Path, tmp_path: Path) -> None:
    given = golden.plans(example), ()
    same(given, lambda: given, tmp_path)


def same(expected: Planned, compile_: Callable[[], Planned], folder: Path) -> None:
    cached(folder, "k", compile_)
    read = cached(folder, "k", never)
    assert read == expected
    assert repr(read) == repr(expected)


def test_a_key_follows_from_every_text() -> None:
    one, other = parse_platform(None), parse_platform("environment: prod")
    files = {"a": "1", "b": "2"}
    keys = {
        key_of(files, one), key_of(files, other), key_of({"a": "1"}, one), key_of({"a": "1", "c": "2"}, one),
        key_of({"a": "1\nb", "b": "2"}, one), key_of({"a": "2", "b": "1"}, one),
    }  # fmt: skip
    assert len(keys) == 6
    assert key_of(dict(reversed(files.items())), one) == key_of(files, one)


def test_a_key_follows_from_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    platform = parse_platform(None)
    keys = {key_of({}, platform)}
    for library, name in ((pydantic, "VERSION"), (cache, "YAML_VERSION")):
        with monkeypatch.context() as patched:
            patched.setattr(library, name, "0.0")
            cache._code.cache_clear()
            keys.add(key_of({}, platform))
    cache._code.cache_clear()
    assert len(keys) == 3


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("defaults: {tags: {v: 1.10}}", "defaults: {tags: {v: 1.1}}"),
        ("defaults: {tags: {v: 0}}", "# moved\ndefaults: {tags: {v: 0}}"),
        ("defaults: {tags: {v: 0}}", "defaults: {tags: {v: 0}}\nbronze: {prefix: raw}"),
    ],
    ids=["spelling", "place", "another key"],
)
def test_defaults_count_as_they_are_written(before: str, after: str) -> None:
    assert key_of({}, parse_platform(before)) != key_of({}, parse_platform(after))


def test_a_default_written_otherwise_changes_the_plans(many: Path) -> None:
    for version in ("1.10", "1.1"):
        (many / "platform.yaml").write_text(f"defaults: {{tags: {{v: {version}}}}}")
        assert {plan.tags["v"] for plan in Project.load(many, variables={}).plans} == {version}


@pytest.mark.parametrize(
    "harm",
    [
        lambda entry: entry.write_text(entry.read_text()[:-9]),
        lambda entry: entry.write_text("{}"),
        lambda entry: entry.write_text(entry.read_text().replace("x.example", "y.example")),
        lambda entry: entry.write_bytes(b"\xff" + entry.read_bytes()),
        lambda entry: entry.write_text(resealed(entry, "medallion_assets.plan.model", "os")),
        lambda entry: entry.write_text(resealed(entry, '"tuple"', '"other"')),
        lambda entry: entry.unlink(),
    ],
    ids=["cut", "empty", "changed", "bytes", "foreign", "unknown", "gone"],
)
def test_a_damaged_entry_is_compiled_again(harm: Callable[[Path], object], tmp_path: Path) -> None:
    files = {"intents/a.yaml": INTENT.format(n=1)}
    cached(tmp_path, "k", lambda: planned(files))
    (entry,) = tmp_path.glob("plans-*")
    harm(entry)
    assert cached(tmp_path, "k", lambda: planned(files)) == planned(files)
    assert cached(tmp_path, "k", never) == planned(files)


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    files = {"intents/a.yaml": INTENT.format(n=1)}
    assert cached(tmp_path / "file", "k", lambda: planned(files)) == planned(files)


def test_only_the_newest_entries_stay(tmp_path: Path) -> None:
    for key in "abcdef":
        cached(tmp_path, key, lambda: planned({"intents/a.yaml": INTENT.format(n=1)}))
    assert len(list(tmp_path.glob("plans-*"))) == 3
    assert (tmp_path / ".gitignore").read_text() == "*\n"


@pytest.fixture
def many(tmp_path: Path) -> Path:
    (tmp_path / "intents").mkdir()
    for n in range(cache.MANY):
        (tmp_path / f"intents/t{n}.yaml").write_text(INTENT.format(n=n))
    return tmp_path


def test_a_project_of_many_intents_compiles_once(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Project.load(many, variables={"TOKEN": "s3cr3t-value"})
    with monkeypatch.context() as patched:
        patched.setattr(folder, "compile_plans", lambda *_: never())
        again = Project.load(many, variables={})
        assert (again.plans, again.warnings) == (first.plans, first.warnings)
        (many / "intents/t0.yaml").write_text(INTENT.format(n=0).replace("min: 0", "min: 1"))
        with pytest.raises(AssertionError, match="compiled again"):
            Project.load(many, variables={})
    assert Project.load(many, variables={}).plans != first.plans
    entries = "".join(path.read_text() for path in (many / ".medallion").glob("plans-*"))
    assert "${env:TOKEN}" in entries
    assert "s3cr3t-value" not in entries


def test_what_is_wrong_is_said_every_time(many: Path) -> None:
    Project.load(many, variables={})
    (many / "intents/t0.yaml").write_text("system: [")
    for _ in range(2):
        with pytest.raises(InvalidProject):
            Project.load(many, variables={})
