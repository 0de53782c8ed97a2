"""Avro keeps its types to the last digit; a block that is not what it says is an error."""

import io
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime, time, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from zlib import crc32

import fastavro
import polars as pl
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.errors import ExtractionError
from medallion_assets.sources.files.avro import read_avro
from medallion_assets_tests.sources.reading import gathered, read

UTC = timezone.utc
NAIVE = datetime.fromisoformat("2024-01-31T01:00:00")


def avro(fields: Mapping[str, object], rows: list[dict[str, Any]], **options: Any) -> bytes:
    schema = {"type": "record", "name": "r", "fields": [{"name": n, "type": t} for n, t in fields.items()]}
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(schema), rows, **options)
    return out.getvalue()


def of(data: bytes) -> pl.DataFrame:
    return gathered(list(read_avro(io.BufferedReader(io.BytesIO(data)), where="a.avro"))).rows


def failing(code: str, data: bytes) -> str:
    with pytest.raises(ExtractionError) as caught:
        of(data)
    assert caught.value.code == code
    return str(caught.value)


def logical(base: str, name: str, **more: object) -> dict[str, object]:
    return {"type": base, "logicalType": name, **more}


# name → (Avro type, value as stored, Polars type, value in bronze)
EVERY: dict[str, tuple[object, object, pl.DataType, object]] = {
    "flag": ("boolean", True, pl.Boolean(), True),
    "int": ("int", -(2**31), pl.Int32(), -(2**31)),
    "long": ("long", 2**63 - 1, pl.Int64(), 2**63 - 1),
    "float": ("float", 0.5, pl.Float32(), 0.5),
    "double": ("double", 0.1, pl.Float64(), 0.1),
    "bytes": ("bytes", b"\0\xff", pl.Binary(), b"\0\xff"),
    "text": ("string", "00123 é😀", pl.String(), "00123 é😀"),
    "maybe": (["null", "string"], None, pl.String(), None),
    "either": (["int", "null", "long"], 2**40, pl.Int64(), 2**40),
    "enum": ({"type": "enum", "name": "e", "symbols": ["A", "B"]}, "B", pl.String(), "B"),
    "fixed": ({"type": "fixed", "name": "f", "size": 3}, b"abc", pl.Binary(), b"abc"),
    "day": (logical("int", "date"), date(1, 1, 1), pl.Date(), date(1, 1, 1)),
    "time_ms": (logical("int", "time-millis"), time(23, 59, 59, 999_000), pl.Time(), time(23, 59, 59, 999_000)),
    "time_us": (logical("long", "time-micros"), time(0, 0, 0, 1), pl.Time(), time(0, 0, 0, 1)),
    "at_ms": (
        logical("long", "timestamp-millis"), datetime(2024, 1, 31, 1, 2, 3, 4000, UTC),
        pl.Datetime("ms", "UTC"), datetime(2024, 1, 31, 1, 2, 3, 4000, UTC),
    ),
    "at_us": (
        logical("long", "timestamp-micros"), datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC),
        pl.Datetime("us", "UTC"), datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC),
    ),
    "local": (
        logical("long", "local-timestamp-micros"), NAIVE, pl.Datetime("us"), NAIVE,
    ),
    "uuid": (logical("string", "uuid"), "12345678-1234-5678-1234-567812345678", pl.String(),
             "12345678-1234-5678-1234-567812345678"),
    "price": (logical("bytes", "decimal", precision=38, scale=10), Decimal("-1234567890123456789012345678.0123456789"),
              pl.Decimal(38, 10), Decimal("-1234567890123456789012345678.0123456789")),
    "list": ({"type": "array", "items": ["null", "long"]}, [1, None], pl.List(pl.Int64), [1, None]),
    "map": ({"type": "map", "values": logical("int", "date")}, {"a": date(2024, 1, 1)},
            pl.List(pl.Struct({"key": pl.String, "value": pl.Date})), [{"key": "a", "value": date(2024, 1, 1)}]),
    "part": (
        {"type": "record", "name": "p", "fields": [
            {"name": "x", "type": logical("bytes", "decimal", precision=5, scale=2)}, {"name": "y", "type": "e"},
        ]},
        {"x": Decimal("1.10"), "y": "A"}, pl.Struct({"x": pl.Decimal(5, 2), "y": pl.String}),
        {"x": Decimal("1.10"), "y": "A"},
    ),
    "unknown": (logical("int", "no-such-thing"), 5, pl.Int32(), 5),
}  # fmt: skip


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz"])
def test_every_type_exactly(codec: str) -> None:
    row = {name: value for name, (_, value, _, _) in EVERY.items()}
    got = of(avro({name: kind for name, (kind, _, _, _) in EVERY.items()}, [row, row], codec=codec))
    assert got.schema == {name: dtype for name, (_, _, dtype, _) in EVERY.items()}
    assert got.rows(named=True) == [{name: value for name, (_, _, _, value) in EVERY.items()}] * 2


def test_times_that_python_has_not() -> None:
    """Stored as numbers without their meaning, then given it back in the header."""
    data = avro({"at": "long", "ns": "long", "day": "int"}, [{"at": 2**62, "ns": 1, "day": 2**30}])
    for plain, meant in (
        (b'"name":"at","type":"long"', logical("long", "timestamp-micros")),
        (b'"name":"ns","type":"long"', logical("long", "timestamp-nanos")),
        (b'"name":"day","type":"int"', logical("int", "date")),
    ):
        compact = json.dumps(meant, separators=(",", ":")).encode()
        data = _with_schema(data, lambda s, a=plain, b=compact: s.replace(a, a.rpartition(b":")[0] + b":" + b))
    got = of(data)
    assert got.schema == {"at": pl.Datetime("us", "UTC"), "ns": pl.Datetime("ns", "UTC"), "day": pl.Date}
    assert got.select(pl.all().to_physical()).rows() == [(2**62, 1, 2**30)]


def _with_schema(data: bytes, change: Any) -> bytes:
    """Another schema in the header of the same blocks."""
    reader = fastavro.reader(io.BytesIO(data))
    schema = json.dumps(json.loads(reader.metadata["avro.schema"]), separators=(",", ":")).encode()
    sync, meta = data[-16:], {b"avro.codec": b"null", b"avro.schema": change(schema)}
    head = b"Obj\x01" + bytes([len(meta) * 2])
    for key, value in meta.items():
        head += bytes([len(key) * 2]) + key + _number(len(value)) + value
    return head + b"\0" + sync + data[data.index(sync) + 16 :]


def _number(value: int) -> bytes:
    value, out = value * 2, b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def test_zstandard_and_snappy_blocks() -> None:
    plain = avro({"a": "string"}, [{"a": "x" * 1000}])
    sync = plain[-16:]
    body = plain[plain.index(sync) + 16 + 3 : -16]  # after a count of one byte and a size of two
    packs = {
        "zstandard": zstandard.compress(body),
        "snappy": pa.Codec("snappy").compress(body, asbytes=True) + crc32(body).to_bytes(4, "big"),
    }
    for codec, packed in packs.items():
        head = _with_schema(plain, bytes)
        head = head[: head.index(sync) + 16].replace(b"\x08null", bytes([len(codec) * 2]) + codec.encode())
        data = head + b"\x02" + _number(len(packed)) + packed + sync
        assert of(data).rows() == [("x" * 1000,)]
        wrong = bytearray(data)
        wrong[-20] ^= 1
        failing("SRC-025", bytes(wrong))


def test_no_rows_have_a_schema() -> None:
    got = of(avro({"a": "long"}, []))
    assert (dict(got.schema), got.height) == ({"a": pl.Int64()}, 0)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (["string", "long"], r"a \(a union of string, int64\)"),
        (logical("bytes", "decimal", precision=39, scale=0), "a decimal of 39 digits"),
        ({"type": "array", "items": "null"}, "a list of nothing"),
        (["null", "r"], "a type that holds itself"),
    ],
)
def test_what_bronze_cannot_hold_is_named(kind: object, said: str) -> None:
    with pytest.raises(ExtractionError, match=said) as caught:
        of(avro({"a": kind}, []))
    assert caught.value.code == "SRC-023"


def test_what_is_no_record() -> None:
    out = io.BytesIO()
    fastavro.writer(out, "long", [1, 2])
    assert "the values are not records" in failing("SRC-023", out.getvalue())


ROWS = [{"a": f"text {i}", "n": i} for i in range(5_000)]
DATA = avro({"a": "string", "n": "long"}, ROWS, codec="deflate", sync_interval=4_000)


def test_blocks_follow_one_another(tmp_path: Path) -> None:
    (tmp_path / "a.avro").write_bytes(DATA)
    (tmp_path / "a.dat").write_bytes(DATA)
    for name in ("a.avro", "a.dat"):
        got = read(tmp_path, name)
        assert got.rows.to_dicts() == ROWS
        assert got.files[0].rows == 5_000


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.02, 0.5, 0.9, 0.9999])
def test_a_cut_file(share: float) -> None:
    failing("SRC-025", DATA[: int(len(DATA) * share)])


def test_blocks_that_lie() -> None:
    sync = DATA[-16:]
    head = DATA[: DATA.index(sync) + 16].replace(b"deflate", b"null").replace(b"\x0enull", b"\x08null")
    for block, said in (
        (b"\x04" + _number(4) + b"\x02x\x02\x02", "cannot be decoded"),
        (b"\x02" + _number(6) + b"\x02x\x02" * 2, "cannot be decoded"),
        (b"\x02" + _number(6) + b"\x02x\x02\0\0\0", "goes on after its last record"),
        (_number(10**9) + _number(3) + b"\x02x\x02", "says 1,000,000,000 records"),
        (b"\x02" + _number(1 << 40) + b"\x02x\x02", "1,099,511,627,776 bytes"),
        (b"\x02" + _number(4) + b"\xfe\x02x\x02", "cannot be decoded"),
    ):
        assert said in failing("SRC-025", head + block + sync)


def test_a_block_that_becomes_too_large() -> None:
    assert "more than 64 MiB" in failing("SRC-025", avro({"a": "string"}, [{"a": "x" * (65 << 20)}], codec="deflate"))


def test_an_unknown_codec() -> None:
    assert "none of null" in failing("SRC-025", DATA.replace(b"deflate", b"deflote"))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(DATA) - 1), st.integers(0, 7))
def test_damage_is_an_error_and_nothing_else(at: int, bit: int) -> None:
    """Avro has no checksum of its own: a bit may give another value, but never anything but ours as an error."""
    data = bytearray(DATA)
    data[at] ^= 1 << bit
    with suppress(ExtractionError):
        of(bytes(data))


SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False),
    "bytes": st.binary(max_size=20),
    "string": st.text(max_size=20),
}


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_what_fastavro_writes_comes_back(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(sorted(SCALARS)), min_size=1, max_size=5))
    fields: dict[str, object] = {f"c{i}": ["null", kind] for i, kind in enumerate(kinds)}
    row = st.tuples(*(st.none() | SCALARS[kind] for kind in kinds))
    rows = data.draw(st.lists(row, max_size=10))
    written = avro(fields, [dict(zip(fields, row, strict=True)) for row in rows], sync_interval=50)
    assert of(written).rows() == rows


def test_a_duration_is_its_bytes() -> None:
    kind = {"type": "fixed", "name": "d", "size": 12, "logicalType": "duration"}
    assert of(avro({"a": kind}, [{"a": b"\1" * 12}])).rows() == [(b"\1" * 12,)]
