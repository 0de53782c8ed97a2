"""Samples: the product makes of them what their makers know that it must."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timezone
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from random import Random
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import polars as pl
import pytest
from deltalake import DeltaTable
from polars.testing import assert_frame_equal

from medallion_assets.errors import ConfigError
from medallion_assets.samples.api import TOKEN, serving
from medallion_assets.samples.draw import World
from medallion_assets.samples.project import make
from medallion_assets_tests.end_to_end.project import Project

WORLD = World(600, 6, 7, date(2024, 1, 1))


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    folder = tmp_path / "shop"
    make(folder, WORLD)
    with serving(WORLD, 0) as url:
        monkeypatch.setenv("SAMPLES_URL", url)
        yield Project(folder)


def judge(shop: Project) -> None:
    """Every table against what is expected, all columns but the technical ones."""
    found = {path.stem: path for path in (shop.root / "expected").glob("*.parquet")}
    assert len(found) == 7
    for name, path in found.items():
        _, system, entity = name.split("_", 2)
        wanted = pl.read_parquet(path)
        told = DeltaTable(str(shop.root / f"lake/silver/domain={system}/entity={entity}/v1")).to_pyarrow_table()
        rows = pl.from_arrow(told)
        assert isinstance(rows, pl.DataFrame)
        columns = [c for c in rows.columns if not c.startswith("_")]
        assert sorted(columns) == sorted(wanted.columns), name
        assert_frame_equal(rows.select(wanted.columns).sort(wanted.columns), wanted.sort(wanted.columns))


def test_every_intent_runs_and_gives_what_is_expected(shop: Project) -> None:
    shop.medallion("validate").succeeded()
    shop.medallion("run", "--from", "2024-01-01", "--to", "2024-01-06").succeeded()
    judge(shop)
    shop.medallion("verify", "--silver").succeeded()


def test_days_in_any_order_give_the_same(shop: Project) -> None:
    days = [day.isoformat() for day in WORLD.dates]
    Random(3).shuffle(days)
    assert any(later < earlier for earlier, later in pairwise(days))
    for day in days:
        shop.medallion("run", "--date", day).succeeded()
    judge(shop)


def prints(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_seed_says_every_byte(tmp_path: Path) -> None:
    worlds = [WORLD, WORLD, World(600, 6, 8, WORLD.start)]
    folders = [tmp_path / str(number) for number in range(3)]
    for folder, world in zip(folders, worlds, strict=True):
        make(folder, world)
    one, same, other = (prints(folder) for folder in folders)
    assert one == same
    assert one.keys() == other.keys()
    assert {name for name in one if one[name] == other[name]} == {n for n in one if n.endswith(".yaml")}


def test_samples_hold_what_they_promise(tmp_path: Path) -> None:
    make(tmp_path / "shop", World(3000, 6, 1, WORLD.start))
    events = [
        (path.stem[-10:], json.loads(line))
        for path in sorted((tmp_path / "shop/data/orders").glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    times = [event["updated_at"] for _, event in events]
    assert any(later < earlier for earlier, later in pairwise(times))
    assert any(day > event["updated_at"][:10] for day, event in events)  # late
    told = [json.dumps(event) for _, event in events]
    assert len(told) > len(set(told)) > 0.9 * len(told)  # twice
    assert {event["op"] for _, event in events} == {"I", "U", "D"}
    users = pl.read_parquet(tmp_path / "shop/expected/silver_shop_users.parquet")
    assert users["is_current"].sum() < users["user_id"].n_unique() < users.height  # some left, some changed


def test_a_chunk_is_no_border(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "whole", WORLD)
    with monkeypatch.context() as patched:
        patched.setattr("medallion_assets.samples.sample._CHUNK", 7)
        patched.setattr("medallion_assets.samples.sample.chunks.__defaults__", (7,))
        patched.setattr("medallion_assets.samples.users._CELLS", 30)
        make(tmp_path / "pieces", WORLD)
    for path in (tmp_path / "whole/expected").glob("*.parquet"):
        whole, pieces = pl.read_parquet(path), pl.read_parquet(tmp_path / "pieces/expected" / path.name)
        assert_frame_equal(whole, pieces, check_row_order=False)


def test_what_is_there_already_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="CLI-017"):
        make(tmp_path, WORLD)
    assert prints(tmp_path).keys() == {"notes.txt"}
    make(tmp_path / "new", WORLD)
    make(tmp_path / "new", WORLD)


@contextmanager
def asked(path: str, token: str = TOKEN) -> Iterator[tuple[int, dict[str, object]]]:
    with serving(WORLD, 0) as url:
        request = Request(f"{url}{path}", headers={"Authorization": f"Bearer {token}"})
        try:
            with urlopen(request, timeout=10) as reply:
                yield reply.status, json.load(reply)
        except HTTPError as error:
            yield error.code, json.load(error)


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/tickets?from=2024-01-01T00:00:00Z&to=2024-01-02T00:00:00Z", "other", 401),
        ("/nothing", TOKEN, 404),
        ("/tickets?from=yesterday&to=today", TOKEN, 400),
        ("/tickets", TOKEN, 400),
    ],
)
def test_the_interface_refuses(path: str, token: str, status: int) -> None:
    with asked(path, token) as (found, body):
        assert found == status
        assert set(body) == {"error"}


def test_pages_of_the_interface_are_the_window(tmp_path: Path) -> None:
    make(tmp_path / "shop", WORLD)
    wanted = pl.read_parquet(tmp_path / "shop/expected/silver_desk_tickets.parquet")
    day = datetime(2024, 1, 3, tzinfo=timezone.utc)
    opened = wanted.filter(pl.col("opened_at").dt.date() == day.date())["ticket_id"].to_list()
    found: list[int] = []
    for page in range(1, 99):
        with asked(f"/tickets?from=2024-01-03T00:00:00Z&to=2024-01-04T00:00:00Z&size=7&page={page}") as (_, body):
            tickets = body["tickets"]
        assert isinstance(tickets, list)
        found += [ticket["ticket_id"] for ticket in tickets]
        if len(tickets) < 7:
            break
    assert found == opened
