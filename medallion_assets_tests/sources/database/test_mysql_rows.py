"""Rows of MySQL's protocol, however they are cut and however long they are."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.sources.database import mysql_rows
from medallion_assets.sources.database.mysql_rows import columns, packets

END = b"\xfe\x00\x00\x02\x00"
LARGEST = 0xFFFFFF
Row = Sequence["bytes | None"]


def _value(value: "bytes | None") -> bytes:
    if value is None:
        return b"\xfb"
    size = len(value)
    if size < 251:
        return bytes([size]) + value
    width, mark = (2, 252) if size < 1 << 16 else (3, 253) if size < 1 << 24 else (8, 254)
    return bytes([mark]) + size.to_bytes(width, "little") + value


def _packets(*payloads: bytes) -> bytes:
    sent = b""
    for payload in payloads:
        whole = payload
        while True:
            piece, whole = whole[:LARGEST], whole[LARGEST:]
            sent += len(piece).to_bytes(3, "little") + b"\x07" + piece
            if len(piece) < LARGEST:
                break
    return sent


def _reader(sent: bytes, piece: int) -> Callable[[int], bytes]:
    pieces = [sent[at : at + piece] for at in range(0, len(sent), piece)]
    return lambda _: pieces.pop(0) if pieces else b""


def _failing(said: bytes) -> None:
    raise ValueError(said)


def _read(sent: bytes, count: int, piece: int = 1 << 16) -> list[tuple["bytes | None", ...]]:
    found: list[tuple[bytes | None, ...]] = []
    for block in packets(_reader(sent, piece), _failing):
        arrays = columns(block, count)
        for array in arrays:
            array.validate(full=True)
        found += zip(*(array.to_pylist() for array in arrays), strict=True)
    return found


VALUE = st.one_of(st.none(), st.binary(max_size=20), st.binary(min_size=245, max_size=300))


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.tuples(*[VALUE] * n), max_size=8)), st.integers(1, 300))
def test_rows_arrive_as_they_were_sent(rows: list[Row], piece: int) -> None:
    count = len(rows[0]) if rows else 2
    sent = _packets(*(b"".join(map(_value, row)) for row in rows), END)
    assert _read(sent, count, piece) == [tuple(row) for row in rows]


@pytest.mark.parametrize("size", [65_535, 65_536, LARGEST - 4, LARGEST - 3, 2 * LARGEST - 9, 2 * LARGEST])
def test_values_of_every_length(size: int) -> None:
    """At 2 * LARGEST - 9 the packets are full, and an empty one follows."""
    row = (b"a" * size, b"behind", None)
    sent = _packets(_value(b"x") * 3, b"".join(map(_value, row)), _value(b"y") * 3, END)
    assert _read(sent, 3) == [(b"x",) * 3, row, (b"y",) * 3]


def test_blocks_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql_rows, "_BLOCK_BYTES", 1000)
    sent = _packets(*[_value(b"x" * 95)] * 100, END)
    blocks = list(packets(_reader(sent, 500), _failing))
    assert sum(len(begins) for _, begins, _ in blocks) == 100
    assert max(len(data) for data, _, _ in blocks) < 2000


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_result_that_is_cut_is_an_error(cut: int) -> None:
    sent = _packets(_value(b"abc") * 2, _value(b"def") * 2, END)
    with pytest.raises(ConnectionError, match="went away"):
        _read(sent[:-cut], 2)


def test_an_error_in_the_middle_is_raised() -> None:
    sent = _packets(_value(b"abc"), b"\xff\x15\x04#28000denied")
    with pytest.raises(ValueError, match="denied"):
        _read(sent, 1)


@pytest.mark.parametrize(("row", "said"), [(_value(b"a"), "ends before"), (_value(b"a") * 3, "does not end")])
def test_a_row_of_another_length_is_an_error(row: bytes, said: str) -> None:
    with pytest.raises(ConnectionError, match=said):
        _read(_packets(row, END), 2)
