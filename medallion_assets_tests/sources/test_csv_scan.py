"""The judgement of a block: small ones by expression, large ones by masks, and both mean the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.sources.files.csv_scan import Counts, scan

LARGE = b"x,y\n" * (1 << 16)
"""Enough that what follows is judged by masks; a record's start lies behind it."""
LARGE_COUNTS = 1 << 16


@pytest.mark.parametrize("before", [b"", LARGE])
@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        (b"", Counts(0, 0, 0)),
        (b"a,b\n", Counts(1, 1, 1)),
        (b'a,"b,\n"\n', Counts(1, 1, 2)),
        (b'"","""",""""""\n', Counts(1, 2, 1)),
        (b'"a"\r\n"b"\r\n', Counts(2, 0, 2)),
        (b'"a"\rb\n', "irregular"),
        (b"a\r,b\n", "irregular"),
        (b'"\r",b\r\n', Counts(1, 1, 1)),
        (b'"a",b\r\r\n', "irregular"),
        (b'"a"b"a",""b""\n', "irregular"),
        (b'a"b"\n', "irregular"),
        (b'"a"b\n', "irregular"),
        (b'"a" ,b\n', "irregular"),
        (b'"a\n', "open"),
        (b'a",b,"c\n', "irregular"),
    ],
)
def test_known(before: bytes, piece: bytes, expected: Counts | str) -> None:
    if isinstance(expected, Counts) and before:
        expected = Counts(
            expected.records + LARGE_COUNTS, expected.delimiters + LARGE_COUNTS, expected.lines + LARGE_COUNTS
        )
    assert scan(before + piece, b",", b'"') == expected


@settings(max_examples=400, deadline=None)
@given(st.text(st.sampled_from('a,"\n\r'), max_size=160), st.integers(0, 70))
def test_masks_agree_with_the_expression(text: str, shift: int) -> None:
    piece = text.encode() + b"\n"
    small = scan(piece, b",", b'"')
    large = scan(LARGE + b"z" * shift + b"\n" + piece, b",", b'"')
    if isinstance(small, Counts):
        more = LARGE_COUNTS + 1
        small = Counts(small.records + more, small.delimiters + LARGE_COUNTS, small.lines + more)
    assert large == small


def test_a_large_piece_may_begin_with_a_quote() -> None:
    more = LARGE_COUNTS + 1
    assert scan(b'"a","b"\n' + LARGE, b",", b'"') == Counts(more, more, more)


def test_without_quotes() -> None:
    assert scan(b'a,"b\n', b",", None) == Counts(1, 1, 1)
    assert scan(LARGE + b'a,"b\n', b",", None) == Counts(LARGE_COUNTS + 1, LARGE_COUNTS + 1, LARGE_COUNTS + 1)
