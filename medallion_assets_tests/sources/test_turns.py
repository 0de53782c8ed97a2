"""`max_concurrent` of a connection: over threads, processes, and what is killed."""

import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock

import pytest

from medallion_assets.errors import ConfigError, SourceUnavailable
from medallion_assets.intent.platform import ApiConnection, Connection, DatabaseConnection, KafkaConnection
from medallion_assets.lake.ports import Request
from medallion_assets.sources.api.source import ApiSource
from medallion_assets.sources.database.source import DatabaseSource
from medallion_assets.sources.kafka.source import KafkaSource
from medallion_assets.sources.open import Surroundings, open_source
from medallion_assets.sources.turns import FREE, Turns
from medallion_assets_tests.sources.api_reading import FastTimer, read
from medallion_assets_tests.sources.api_reading import source as api
from medallion_assets_tests.sources.api_server import Asked, Reply, serving
from medallion_assets_tests.sources.database.reading import source as database
from medallion_assets_tests.sources.reading import day
from medallion_assets_tests.sources.test_source import plan_of


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


class Busy:
    """How many are at it, at the most."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._lock = Lock()

    @contextmanager
    def one(self, weight: int = 1) -> Iterator[None]:
        with self._lock:
            self.now += weight
            self.most = max(self.most, self.now)
        time.sleep(0.02)
        yield
        with self._lock:
            self.now -= weight


def at_once(count: int, work: Callable[[int], None]) -> None:
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(work, range(count)))


class NoTurnError(Exception):
    pass


def give_up(_: float) -> None:
    raise NoTurnError


def test_no_more_than_so_many_and_all_come_to_it(tmp_path: Path) -> None:
    busy = Busy()

    def work(number: int) -> None:
        weight = number % 3 + 1
        with Turns("shop", 3, tmp_path).hold(weight), busy.one(weight):
            pass

    at_once(9, work)
    assert busy.most == 3
    assert busy.now == 0


def test_who_wants_more_than_there_are_gets_all(tmp_path: Path) -> None:
    with Turns("shop", 2, tmp_path).hold(5), pytest.raises(NoTurnError), Turns("shop", 2, tmp_path).hold(1, give_up):
        pass


def test_other_connections_and_projects_have_their_own(tmp_path: Path) -> None:
    others = Turns("other", 1, tmp_path), Turns("shop", 1, tmp_path / "other"), FREE
    with Turns("shop", 1, tmp_path).hold(), others[0].hold(1, give_up), others[1].hold(1, give_up), FREE.hold():
        pass


HOLDER = """
import sys, time
from pathlib import Path
from medallion_assets.sources.turns import Turns
with Turns("shop", 1, Path(sys.argv[1])).hold():
    print("held", flush=True)
    time.sleep(60)
"""


def test_another_process_is_waited_for_and_gives_back_what_it_had_when_it_is_killed(tmp_path: Path) -> None:
    turns = Turns("shop", 1, tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, env={"TMPDIR": str(tmp_path)},
        cwd=Path(__file__).parents[2],
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(NoTurnError), turns.hold(1, give_up):
            pass
        process.kill()
        process.wait()
        with turns.hold(1, give_up):
            pass


def test_a_folder_that_cannot_be_used_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="SRC-135"), Turns("shop", 1, tmp_path).hold():
        pass


# ------------------------------------------------------------------------------------------------ in the sources


@pytest.mark.parametrize("kind", ["api", "database", "kafka"])
def test_a_source_has_the_turns_of_its_connection(kind: str, tmp_path: Path) -> None:
    text = f"{{type: {kind}, connection: shop{', topic: t' if kind == 'kafka' else ''}}}"
    known: dict[str, Connection] = {
        "api": ApiConnection(type="api", base_url="https://x.example", max_concurrent=4),
        "database": DatabaseConnection(type="database", url="sqlite:///x.db", max_concurrent=4),
        "kafka": KafkaConnection(type="kafka", brokers=("b:1",), max_concurrent=4),
    }
    plan = plan_of(text, "incremental" if kind == "kafka" else "full")
    found = open_source(plan, Surroundings(tmp_path, str, {"shop": known[kind]}, {}))
    assert isinstance(found, ApiSource | DatabaseSource | KafkaSource)
    assert found.turns == Turns("shop", 4, tmp_path)


def test_requests_of_an_api_take_turns(tmp_path: Path) -> None:
    busy = Busy()

    def answer(asked: Asked) -> Reply:
        with busy.one():
            number = int(asked.params["page"])
            return Reply.of([{"id": number}] if number < 12 else [])

    with serving(answer) as server:
        pages = {"concurrency": 8, "pagination": {"type": "page", "page_size": 1}}
        found = replace(api(server.url, pages), turns=Turns("shop", 2, tmp_path))
        assert read(found).rows["id"].to_list() == [str(n) for n in range(1, 12)]
    assert busy.most == 2


def test_a_request_without_a_turn_waits_until_the_deadline(tmp_path: Path) -> None:
    timer = FastTimer()
    with serving(lambda _: Reply.of([])) as server:
        found = replace(api(server.url, {"deadline": "20s"}, timer=timer), turns=Turns("shop", 1, tmp_path))
        began = timer.at
        with Turns("shop", 1, tmp_path).hold(), pytest.raises(SourceUnavailable, match="SRC-055"):
            read(found)
        assert not server.asked
        assert 19 < timer.at - began <= 20
        read(found)


def test_a_read_of_a_database_waits_until_another_has_ended(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.db") as db:
        db.execute("create table t (id integer)")
    busy = Busy()

    def work(_: int) -> None:
        found = replace(database("sqlite:///x.db", tmp_path), turns=Turns("shop", 1, tmp_path))
        with found.read(Request(day())) as reading:
            batches = iter(reading)
            next(batches)
            with busy.one():
                list(batches)

    at_once(3, work)
    assert busy.most == 1
