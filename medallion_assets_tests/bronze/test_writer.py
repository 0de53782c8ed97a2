"""Parts: the same rows give the same bytes; what goes wrong is raised, and no thread stays behind."""

import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from hashlib import sha256
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from medallion_assets.bronze.parts import Cutter
from medallion_assets.bronze.writer import Compression, Written, write
from medallion_assets.errors import ExtractionError, StorageError
from medallion_assets.lake.manifest import Column
from medallion_assets.lake.ports import Batch, Refused
from medallion_assets.stores.memory import MemoryStore

BASE = "bronze/system=s/table=t"
FOLDER = f"{BASE}/pattern=full/dt=2024-01-31"


def written(
    batches: list[Batch] | Iterator[Batch],
    store: MemoryStore,
    part_rows: int = 100,
    part_bytes: int = 1 << 20,
    compression: Compression = "zstd",
    bounds: tuple[str, ...] = (),
) -> Written:
    return write(batches, store, FOLDER, BASE, "att", part_rows, part_bytes, compression, bounds=bounds)


def stored(store: MemoryStore, result: Written) -> list[pl.DataFrame]:
    return [pl.read_parquet(io.BytesIO(store.get(f"{BASE}/{part.path}"))) for part in result.parts]


def numbered(rows: int) -> pl.DataFrame:
    columns = {"id": [str(i) for i in range(rows)], "text": ["x" * (i % 50) for i in range(rows)]}
    return pl.DataFrame(columns, schema={"id": pl.String, "text": pl.String})


def split(frame: pl.DataFrame, cuts: list[int]) -> list[Batch]:
    edges = sorted({0, frame.height, *(cut % (frame.height + 1) for cut in cuts)})
    return [Batch(frame.slice(a, b - a)) for a, b in pairwise(edges)]


def test_parts_of_so_many_rows() -> None:
    store = MemoryStore()
    result = written([Batch(numbered(250))], store)
    assert [(p.path, p.ordinal, p.rows) for p in result.parts] == [
        ("pattern=full/dt=2024-01-31/part-00001-att.parquet", 1, 100),
        ("pattern=full/dt=2024-01-31/part-00002-att.parquet", 2, 100),
        ("pattern=full/dt=2024-01-31/part-00003-att.parquet", 3, 50),
    ]
    for part in result.parts:
        data = store.get(f"{BASE}/{part.path}")
        assert (part.bytes, part.sha256) == (len(data), sha256(data).hexdigest())
    assert_frame_equal(pl.concat(stored(store, result)), numbered(250))
    assert (result.rows, result.refused, result.quarantine) == (250, 0, None)
    assert result.schema == (Column("id", "String"), Column("text", "String"))
    assert result.content == sha256("\n".join(p.sha256 for p in result.parts).encode()).hexdigest()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 200), st.integers(1, 90), st.integers(1, 2000), st.lists(st.integers(0, 1000), max_size=8))
def test_batch_borders_change_nothing(rows: int, part_rows: int, part_bytes: int, cuts: list[int]) -> None:
    frame = numbered(rows)
    whole = written([Batch(frame)], MemoryStore(), part_rows, part_bytes)
    pieces = written(split(frame, cuts), MemoryStore(), part_rows, part_bytes)
    assert pieces.parts == whole.parts
    assert (pieces.content, pieces.rows) == (whole.content, whole.rows)


def test_large_parts_do_not_depend_on_how_rows_lie_in_memory() -> None:
    frame = numbered(300_000)
    whole = written([Batch(frame.rechunk())], MemoryStore(), 200_000, 1 << 30)
    pieces = written([Batch(frame.slice(i, 7_777)) for i in range(0, 300_000, 7_777)], MemoryStore(), 200_000, 1 << 30)
    assert [p.rows for p in whole.parts] == [200_000, 100_000]
    assert pieces.parts == whole.parts


def test_the_number_of_threads_changes_nothing() -> None:
    code = (
        "from medallion_assets_tests.bronze.test_writer import *;"
        "print(written([Batch(numbered(150_000))], MemoryStore(), 140_000, 1 << 30).content)"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "POLARS_MAX_THREADS": threads},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for threads in ("1", "3")
    }
    assert len(seen) == 1


def test_parts_of_so_many_bytes() -> None:
    frame = pl.DataFrame({"a": ["x" * 100] * 10, "n": [1] * 10})
    cut = list(Cutter(1000, 324).add(frame))
    assert [part.rows.height for part in cut] == [3, 3, 3]


def test_a_row_larger_than_a_part_is_a_part() -> None:
    store = MemoryStore()
    frame = pl.DataFrame({"a": ["x", "y" * 5000, "z", None]})
    result = written([Batch(frame)], store, 100, 1000)
    assert [part.rows for part in result.parts] == [1, 1, 2]
    assert_frame_equal(pl.concat(stored(store, result)), frame)


def test_columns_are_joined_by_name() -> None:
    store = MemoryStore()
    result = written([Batch(pl.DataFrame({"a": ["1"]})), Batch(pl.DataFrame({"b": ["2"], "a": ["3"]}))], store)
    assert result.schema == (Column("a", "String"), Column("b", "String"))
    assert_frame_equal(stored(store, result)[0], pl.DataFrame({"a": ["1", "3"], "b": [None, "2"]}))


def test_no_rows_are_no_parts_and_still_a_schema() -> None:
    store = MemoryStore()
    result = written([Batch(pl.DataFrame(schema={"a": pl.String}))], store)
    assert (result.parts, result.rows, result.schema) == ((), 0, (Column("a", "String"),))
    assert list(store.list("bronze")) == []
    assert written([], store).schema == ()


def test_refused_rows_lie_beside_the_parts() -> None:
    store = MemoryStore()
    first, second = Refused("ragged", "2 fields, 3 expected", "a.csv", 7, "1,2"), Refused("json", "x", "b", 1, "é\0")
    result = written([Batch(numbered(1), (first,)), Batch(numbered(0), (second,))], store)
    assert result.refused == 2
    assert result.quarantine is not None
    assert result.quarantine.path == "pattern=full/dt=2024-01-31/_quarantine/part-00001-att.parquet"
    held = pl.read_parquet(io.BytesIO(store.get(f"{BASE}/{result.quarantine.path}")))
    assert_frame_equal(
        held,
        pl.DataFrame(
            {
                "reason": ["ragged", "json"],
                "detail": ["2 fields, 3 expected", "x"],
                "file": ["a.csv", "b"],
                "line": [7, 1],
                "raw": ["1,2", "é\0"],
            }
        ),
    )
    assert result.content != written([Batch(numbered(1))], MemoryStore()).content


def test_too_many_refused_rows_to_hold() -> None:
    refused = (Refused("ragged", "1 field, 2 expected", "a.csv", 3, "x" * (1 << 20)),)
    with pytest.raises(StorageError) as caught:
        written((Batch(numbered(0), refused) for _ in range(300)), MemoryStore())
    assert caught.value.code == "BRZ-020"
    assert "a.csv:3" in str(caught.value)


def test_bounds() -> None:
    frame = pl.DataFrame({"id": ["b", "a", None], "n": [2, 10, 3], "none": pl.Series([None] * 3, dtype=pl.Int8)})
    (part,) = written([Batch(frame)], MemoryStore(), bounds=("id", "n", "none", "absent")).parts
    assert (part.minimum, part.maximum) == ({"id": "a", "n": "2"}, {"id": "b", "n": "10"})


def test_two_types_of_one_column() -> None:
    with pytest.raises(StorageError) as caught:
        written([Batch(pl.DataFrame({"a": [1]})), Batch(pl.DataFrame({"a": ["1"]}))], MemoryStore())
    assert caught.value.code == "BRZ-013"


@pytest.mark.parametrize("compression", ["zstd", "snappy", "gzip", "lz4", "brotli"])
def test_every_compression(compression: Compression) -> None:
    store = MemoryStore()
    assert_frame_equal(stored(store, written([Batch(numbered(9))], store, compression=compression))[0], numbered(9))


def test_progress_counts_rows() -> None:
    seen: list[int] = []
    write(
        split(numbered(30), [10, 20]),
        MemoryStore(),
        FOLDER,
        BASE,
        "att",
        100,
        1 << 20,
        "zstd",
        lambda _, rows: seen.append(rows),
    )
    assert seen == [10, 20, 30]


# ------------------------------------------------------------------ failures


class Full(MemoryStore):
    """A disk with room for one part."""

    def put(self, path: str, data: bytes) -> None:
        if "part-00002" in path:
            raise StorageError("STO-005", "The disk is full.", where=path)
        super().put(path, data)


def test_a_store_that_fails_stops_the_reading() -> None:
    read: list[int] = []

    def batches() -> Iterator[Batch]:
        for i in range(1000):
            read.append(i)
            yield Batch(numbered(100))

    with pytest.raises(StorageError) as caught:
        written(batches(), Full())
    assert caught.value.code == "STO-005"
    assert len(read) < 20
    assert threads() == []


@pytest.mark.parametrize("error", [ExtractionError("SRC-006", "It changed."), KeyboardInterrupt()])
def test_a_source_that_fails_is_heard_and_leaves_no_thread(error: BaseException) -> None:
    def batches() -> Iterator[Batch]:
        yield Batch(numbered(250))
        raise error

    with pytest.raises(type(error)) as caught:
        written(batches(), MemoryStore())
    assert caught.value is error
    assert threads() == []


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("bronze-writer")]
