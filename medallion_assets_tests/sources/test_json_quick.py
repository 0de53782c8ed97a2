"""JSON Lines read at once are what they are read one by one."""

import io
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from medallion_assets.lake.ports import Batch
from medallion_assets.sources.files import json_quick
from medallion_assets.sources.files.json import read_json_lines

TEXT = st.text(st.sampled_from('ab "\\\t\u00e9\u2028\U0001f600/nul0'), max_size=4)
NUMBERS = st.sampled_from(
    ["0", "-0", "1.10", "1e5", "-12.5E-3", "9223372036854775808", "1e999", "01", "1.", "+1", ".5", "NaN", "Infinity"]
)
WORDS = st.sampled_from(
    ["true", "false", "null", "nul", "True", "", '""', '"null"', '"\\u0061"', "{}", "[1, 2]", '{"a":1}']
)
VALUES = st.one_of(TEXT.map(json.dumps), TEXT.map(lambda t: json.dumps(t, ensure_ascii=False)), NUMBERS, WORDS)
NAMES = st.sampled_from(["a", "b", "a.b", "c d", "\u00e9", "a\\\\b", "(x)"])
GAPS = st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :"), (",  ", ":")])


@st.composite
def objects(draw: st.DrawFn) -> str:
    members = draw(st.lists(st.tuples(NAMES, VALUES), max_size=3))
    comma, colon = draw(GAPS)
    return "{" + comma.join(f'"{name}"{colon}{value}' for name, value in members) + "}"


@st.composite
def alike(draw: st.DrawFn) -> list[str]:
    """Lines of one layout."""
    names = draw(st.lists(NAMES, min_size=1, max_size=3))
    rows = draw(st.lists(st.lists(VALUES, min_size=len(names), max_size=len(names)), max_size=4))
    return ["{" + ",".join(f'"{n}":{v}' for n, v in zip(names, row, strict=True)) + "}" for row in rows]


ODD = st.sampled_from(
    ["", " ", "null", "[]", "7", '"text"', '{"a":1}x', '{"a":1', "\ufeff{}", ' {"a":1} ', '{"a":1}\r']
)
LINES = st.lists(st.one_of(alike(), objects().map(lambda o: [o]), ODD.map(lambda o: [o])), max_size=6)


def read(data: bytes, **how: Any) -> list[Batch]:
    return list(read_json_lines(io.BufferedReader(io.BytesIO(data)), name="n", where="w", changes=True, **how))


def both(data: bytes, **how: Any) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_quick, "_SMALL", -1)
        quick = read(data, **how)
        patched.setattr(json_quick, "_SMALL", 1 << 40)
        alone = read(data, **how)
    for one, other in zip(quick, alone, strict=True):
        assert_frame_equal(one.rows, other.rows)
        assert one.refused == other.refused


@settings(max_examples=150, deadline=None)
@given(LINES, st.sampled_from(["json", "flatten"]), st.sampled_from(["\n", "\r\n"]), st.booleans())
@example(
    [['{"a":1}', '{"a":2,"b":3}', '{"b":"x","a":"y"}', '{"c":null}', '{"d":1}', '{"e":1}', '{"a":3}']],
    "json",
    "\n",
    True,
)
@example([['{"a":"\x00"}', '{"a":"\x1f"}', '{"a":"\x7f"}']], "json", "\n", False)
def test_any_lines(lines: list[list[str]], nested: str, end: str, ended: bool) -> None:
    both((end.join(line for some in lines for line in some) + (end if ended else "")).encode(), nested=nested)


@pytest.mark.parametrize("bad", [b"\xff", b'{"a":"\xc3"}', b"\xed\xa0\x80"])
def test_bytes_that_are_no_text(bad: bytes) -> None:
    both(b'{"a":1}\n' + bad + b'\n{"a":2}\n')


def test_objects_of_many_members() -> None:
    wide = json.dumps({f"c{n}": n for n in range(300)})
    both(f"{wide}\n{wide}\n".encode())
    narrow = json.dumps({f"c{n}": n for n in range(150)})
    both(f"{narrow}\n{narrow}\n".encode())


def test_one_read_does_both() -> None:
    """A block that is read at once holds lines of two layouts, some that need reading by themselves, and a bad one."""
    many = ['{"k":1,"v":"a"}', '{"k":2}', '{"k":3,"v":"\\n"}', "{", '{"k":4,"v":"b"}'] * 2_000
    (batch,) = read("\n".join(many).encode())
    assert batch.rows.rows() == [("1", "a"), ("2", None), ("3", "\n"), ("4", "b")] * 2_000
    assert [refused.line for refused in batch.refused] == [4 + 5 * n for n in range(2_000)]
