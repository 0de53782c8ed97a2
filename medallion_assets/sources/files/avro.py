"""Avro object container files (Apache Avro 1.12, "Object Container Files"): typed rows, block by block.

The container is read here, so that a block is checked before it is decoded: its length, its sync marker, its
decompressed size, and that its records use up its bytes. fastavro decodes the records.
"""

import io
import json
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from medallion_assets.errors import ConfigError, ExtractionError
from medallion_assets.lake.ports import Batch
from medallion_assets.sources.files.avro_types import Field, NoType, columns_of, plain

if TYPE_CHECKING:
    import polars as pl

__all__ = ["AVRO", "read_avro"]

AVRO = b"Obj\x01"
_HEADER_LIMIT = 16 << 20
_BLOCK_LIMIT = 64 << 20
"""Writers make blocks of kilobytes to a few megabytes."""
_SYNC = 16


def read_avro(stream: io.BufferedReader, *, where: str) -> Iterator[Batch]:
    """Batches of an Avro file, one a block; the first has the columns and no rows.

    Raises ExtractionError SRC-025: no Avro, cut or damaged; SRC-023: a type that bronze cannot hold exactly.
    ConfigError SRC-026 without the extra.
    """
    reader = _Container(stream, where)
    schema, codec = reader.header()
    decode = _decoder(plain(schema), where)
    try:
        columns = columns_of(schema)
    except NoType as error:
        raise ExtractionError(
            "SRC-023",
            f"The Avro file has what fits no type of bronze: {error}.",
            where=where,
            fix="Write the column with one type of its own (and null), or as text.",
        ) from None
    yield Batch(_frame([], columns))
    for number, (count, data) in enumerate(reader.blocks(codec), 1):
        yield Batch(_rows(decode, count, data, columns, reader, number))


def _rows(  # noqa: PLR0917
    decode: Callable[[io.BytesIO], Any],
    count: int,
    data: bytes,
    columns: dict[str, Field],
    reader: "_Container",
    number: int,
) -> "pl.DataFrame":
    """A block is an Avro array without its own frame; with it, one call decodes all its records."""
    import pyarrow as pa

    if count > len(data):
        raise reader.damaged(f"block {number} has {len(data):,} bytes and says {count:,} records")
    framed = io.BytesIO((_long(count) if count else b"") + data + b"\0")
    try:
        records = decode(framed)
        if len(records) != count or framed.read(1):
            raise reader.damaged(f"block {number} goes on after its last record")
        return _frame(records, columns)
    except (
        EOFError,
        ValueError,
        IndexError,
        KeyError,
        OverflowError,
        TypeError,
        MemoryError,
        pa.ArrowException,
    ) as error:
        raise reader.damaged(f"block {number} cannot be decoded: {error}") from error


def _frame(records: list[dict[str, Any]], columns: dict[str, Field]) -> "pl.DataFrame":
    import polars as pl
    import pyarrow as pa

    table = pa.table({name: field.column([r[name] for r in records]) for name, field in columns.items()})
    frame = pl.from_arrow(table)
    if isinstance(frame, pl.Series):  # only arrays become one
        raise TypeError("a table became a column")
    return frame


def _decoder(schema: Any, where: str) -> Callable[[io.BytesIO], Any]:
    try:
        import fastavro
    except ModuleNotFoundError:
        raise ConfigError(
            "SRC-026",
            "Avro files need the extra `formats`.",
            where=where,
            fix='pip install "medallion-assets[formats]"',
        ) from None
    try:
        parsed = fastavro.parse_schema({"type": "array", "items": schema})
    except Exception as error:  # whatever a schema that is none makes it raise
        raise _damaged(f"its schema cannot be used: {error}", where) from error
    return lambda data: fastavro.schemaless_reader(data, parsed, None)


class _Container:
    """Header and blocks."""

    def __init__(self, stream: io.BufferedReader, where: str) -> None:
        self._stream, self._where = stream, where
        self._sync = b""

    def header(self) -> tuple[Any, str]:
        """Schema and codec."""
        if self._stream.read(len(AVRO)) != AVRO:
            raise self.damaged("it does not begin as one")
        meta: dict[str, bytes] = {}
        size = 0
        while count := self._number():
            if count < 0:
                count = -count
                self._number()  # of bytes, for those who skip
            for _ in range(count):
                key, value = self._text(_HEADER_LIMIT - size), self._text(_HEADER_LIMIT - size)
                size += len(key) + len(value) + 2
                meta[key.decode("utf-8", "replace")] = value
        self._sync = self._exactly(_SYNC)
        try:
            return json.loads(meta["avro.schema"]), meta.get("avro.codec", b"null").decode()
        except (KeyError, ValueError, RecursionError) as error:
            raise self.damaged("its header has no schema") from error

    def blocks(self, codec: str) -> Iterator[tuple[int, bytes]]:
        """Number of records and their bytes."""
        decompress = _codec(codec, self._where)
        while self._stream.peek(1):
            count, size = self._number(), self._number()
            if count < 0 or not 0 <= size <= _BLOCK_LIMIT:
                raise self.damaged(f"a block says {count:,} records in {size:,} bytes")
            data = self._exactly(size)
            if self._exactly(_SYNC) != self._sync:
                raise self.damaged("a block does not end where it should")
            try:
                yield count, decompress(data)
            except _CODEC_FAILURES as error:
                raise self.damaged(f"a block cannot be decompressed: {error}") from error

    def _exactly(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) < size:
            raise self.damaged("it stops in the middle")
        return data

    def _text(self, limit: int) -> bytes:
        size = self._number()
        if not 0 <= size <= limit:
            raise self.damaged("its header is longer than 16 MiB")
        return self._exactly(size)

    def _number(self) -> int:
        """A long: seven bits a byte, the least first, zigzag."""
        value = shift = 0
        while True:
            (byte,) = self._exactly(1)
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)
            if shift > 63:
                raise self.damaged("a number does not end")

    def damaged(self, what: str) -> ExtractionError:
        return _damaged(what, self._where)


def _damaged(what: str, where: str) -> ExtractionError:
    return ExtractionError(
        "SRC-025", f"The Avro file cannot be read: {what}.", where=where, fix="Fetch or write the file again."
    )


def _long(value: int) -> bytes:
    """A count that is not negative, as Avro writes it."""
    value <<= 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


class _TooLarge(Exception):
    """A block that becomes larger than a block may be."""


_CODEC_FAILURES = (zlib.error, OSError, ValueError, EOFError, _TooLarge, RuntimeError)


def _codec(name: str, where: str) -> Callable[[bytes], bytes]:
    match name:
        case "null":
            return lambda data: data
        case "deflate":
            return lambda data: _all_of(zlib.decompressobj(wbits=-15), data)
        case "bzip2":
            from bz2 import BZ2Decompressor

            return lambda data: _all_of(BZ2Decompressor(), data)
        case "xz":
            from lzma import LZMADecompressor

            return lambda data: _all_of(LZMADecompressor(), data)
        case "zstandard":
            return _zstd
        case "snappy":
            return _snappy
    raise _damaged(f"its codec {name!r} is none of null, deflate, bzip2, xz, zstandard, snappy", where)


def _all_of(one: Any, data: bytes) -> bytes:
    out: bytes = one.decompress(data, _BLOCK_LIMIT + 1)
    if len(out) > _BLOCK_LIMIT:
        raise _TooLarge("it becomes more than 64 MiB")
    if not one.eof:
        raise EOFError("it stops in the middle")
    return out


def _zstd(data: bytes) -> bytes:
    import zstandard

    try:
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(data, read_across_frames=True)
        out = reader.read(_BLOCK_LIMIT + 1)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
    if len(out) > _BLOCK_LIMIT:
        raise _TooLarge("it becomes more than 64 MiB")
    return bytes(out)


def _snappy(data: bytes) -> bytes:
    """Raw snappy, then the CRC-32 of what it becomes."""
    import pyarrow as pa

    packed, checksum = data[:-4], data[-4:]
    size = _snappy_size(packed)
    if size > _BLOCK_LIMIT:
        raise _TooLarge("it becomes more than 64 MiB")
    out: bytes = pa.Codec("snappy").decompress(packed, size, asbytes=True)
    if zlib.crc32(out).to_bytes(4, "big") != checksum:
        raise ValueError("its checksum is wrong")
    return out


def _snappy_size(packed: bytes) -> int:
    """The length that begins a snappy block: seven bits a byte, the least first."""
    size = 0
    for index, byte in enumerate(packed[:5]):
        size |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return size
    raise ValueError("it has no length")
