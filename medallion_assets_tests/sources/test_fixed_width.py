"""Fixed-width lines: every character accounted for, children with their own parent or with none."""

import io
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.errors import ExtractionError
from medallion_assets.intent.source import FixedWidth
from medallion_assets.sources.files.fixed_width import read_fixed_width
from medallion_assets_tests.sources.reading import Got, gathered

CLAIM = [{"name": "id", "width": 5}, {"name": "amount", "width": 6}, {"name": "note", "width": 4}]
ORDERS: dict[str, object] = {
    "code": {"start": 1, "width": 1},
    "record_types": [
        {"code": "H", "role": "parent", "fields": [{"name": "order", "width": 3}, {"name": "who", "width": 4}]},
        {"code": "D", "role": "child", "fields": [{"name": "item", "width": 3}, {"name": "count", "width": 2}]},
        {"code": "9", "role": "skip"},
    ],
}


def fixed(data: bytes | str, block_bytes: int = 8 << 20, changes: bool = False, /, **spec: object) -> Got:
    stream: io.BufferedReader = io.BufferedReader(io.BytesIO(data.encode() if isinstance(data, str) else data))
    form = FixedWidth.model_validate({"type": "fixed_width", **spec})
    return gathered(
        list(read_fixed_width(stream, form, name="a", where="a.dat", changes=changes, block_bytes=block_bytes))
    )


def orders(data: str | bytes, output: str = "flatten", block_bytes: int = 8 << 20, **spec: object) -> Got:
    return fixed(data, block_bytes, **{**ORDERS, "output": output, **spec})


# ------------------------------------------------------------------ lines of one kind


def test_cells_are_the_text_of_their_place_without_its_blanks() -> None:
    got = fixed("00123 10.50 a b\n    x     -    \r\n\n99999123456äöü😀", fields=CLAIM)
    assert got.rows.columns == ["id", "amount", "note"]
    assert got.table == [("00123", "10.50", "a b"), ("x", "-", ""), ("99999", "123456", "äöü😀")]
    assert got.refused == ()


def test_places_by_start_may_leave_gaps_and_overlap() -> None:
    fields = [
        {"name": "year", "start": 3, "width": 4},
        {"name": "month", "width": 2},
        {"name": "both", "start": 3, "width": 6},
    ]
    assert fixed("xx202411\n", fields=fields).table == [("2024", "11", "202411")]


def test_lines_of_the_wrong_length_are_refused_with_their_text() -> None:
    got = fixed("00001 10.50abcd\n00002 10.50\n00003 10.50abcd   \n00004 10.50abcdX\n", fields=CLAIM)
    assert [row[0] for row in got.table] == ["00001", "00003"]
    assert got.refusals == [("ragged", 2, "00002 10.50"), ("ragged", 4, "00004 10.50abcdX")]
    assert [r.detail for r in got.refused] == [
        "11 characters, 15 expected",
        "16 characters, and no field for those after 15",
    ]


def test_pad_gives_null_for_what_a_short_line_lacks_and_still_refuses_what_no_field_holds() -> None:
    got = fixed("00001\n00002 10\n00003 10.50ab\n00004 10.50abcdX\n", fields=CLAIM, ragged="pad")
    assert got.table == [("00001", None, None), ("00002", "10", None), ("00003", "10.50", "ab")]
    assert got.refusals == [("ragged", 4, "00004 10.50abcdX")]


def test_fail_names_the_first_line() -> None:
    with pytest.raises(ExtractionError, match=r"a\.dat:2\n  A line has 11 characters, 15 expected") as caught:
        fixed("00001 10.50abcd\n00002 10.50\n", fields=CLAIM, ragged="fail")
    assert caught.value.code == "SRC-012"


def test_bytes_that_are_not_utf8_cost_their_line() -> None:
    got = fixed(b"00001 10.50abcd\n00002 10.50\xe4bcd\n00003 10.50abcd\n", fields=CLAIM)
    assert [row[0] for row in got.table] == ["00001", "00003"]
    assert got.refusals == [("encoding", 2, "00002 10.50\\xe4bcd")]


def test_an_empty_file_is_an_error_unless_it_holds_changes() -> None:
    with pytest.raises(ExtractionError) as caught:
        fixed("\n\r\n", fields=CLAIM)
    assert caught.value.code == "SRC-009"
    got = fixed("", 1, True, fields=CLAIM)
    assert (got.rows.columns, got.table) == (["id", "amount", "note"], [])


def test_a_line_without_end() -> None:
    with pytest.raises(ExtractionError) as caught:
        fixed(b"x" * (70 << 20), 1024, fields=CLAIM)
    assert caught.value.code == "SRC-013"


# A cell of a fixed width cannot keep outer blanks, line ends, or an empty whole line.
CELL = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=5).map(lambda text: text.strip(" "))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(CELL, CELL, CELL), max_size=30),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(1, 200),
)
def test_what_is_written_is_read(rows: list[tuple[str, ...]], right: bool, end: str, block: int) -> None:
    width = 5
    lines = ["".join(cell.rjust(width) if right else cell.ljust(width) for cell in row) for row in rows]
    fields = [{"name": name, "width": width} for name in "abc"]
    got = fixed("".join(line + end for line in lines), block, True, fields=fields)
    assert (got.table, got.refused) == (rows, ())


# ------------------------------------------------------------------ record types


ONE = "H001anna\nDaaa01\nDbbb02\nH002bert\nH003carl\nDccc03\n9 2\n"


def test_a_child_stands_beside_its_parent_and_no_parent_is_lost() -> None:
    got = orders(ONE)
    assert got.rows.columns == ["order", "who", "item", "count"]
    assert got.table == [
        ("001", "anna", "aaa", "01"),
        ("001", "anna", "bbb", "02"),
        ("002", "bert", None, None),
        ("003", "carl", "ccc", "03"),
    ]
    assert got.refused == ()


def test_parents_alone_and_children_alone() -> None:
    parents, children = orders(ONE, "parent"), orders(ONE, "child")
    assert (parents.rows.columns, parents.table) == (
        ["order", "who"],
        [("001", "anna"), ("002", "bert"), ("003", "carl")],
    )
    assert (children.rows.columns, children.table) == (["item", "count"], [("aaa", "01"), ("bbb", "02"), ("ccc", "03")])


def test_a_parent_at_the_end_is_a_row() -> None:
    assert orders("H001anna").table == [("001", "anna", None, None)]
    assert orders("H001anna\nDaaa01\nH002bert\n", block_bytes=1).table == [
        ("001", "anna", "aaa", "01"),
        ("002", "bert", None, None),
    ]


@pytest.mark.parametrize("output", ["flatten", "parent", "child"])
def test_orphans_unknown_codes_and_short_lines_are_refused_and_no_child_changes_its_parent(output: str) -> None:
    text = (
        "Daaa01\n"  # 1: nobody's
        "H001anna\nDbbb02\nDccc\n"  # 4: short
        "Dddd04\n"  # still anna's
        "H002be\nDeee05\n"  # 6: short, so 7 is nobody's
        "H003carl\nDfff06\nX00what\nDggg07\n"  # 10: no such kind, so 11 is nobody's
        "9 end\nH004dora\nDhhh08\n"
    )
    got = orders(text, output)
    assert got.refusals == [
        ("record", 1, "Daaa01"),
        ("ragged", 4, "Dccc"),
        ("ragged", 6, "H002be"),
        ("record", 7, "Deee05"),
        ("record", 10, "X00what"),
        ("record", 11, "Dggg07"),
    ]
    assert [r.detail for r in got.refused if r.reason == "record"] == [
        "a child without a parent before it",
        "a child behind a line that was refused",
        "no record type has the code 'X'",
        "a child behind a line that was refused",
    ]
    flat = [("001", "anna", "bbb", "02"), ("001", "anna", "ddd", "04"), ("003", "carl", "fff", "06")]
    flat.append(("004", "dora", "hhh", "08"))
    expected: dict[str, Sequence[tuple[str, ...]]] = {
        "flatten": flat,
        "parent": [("001", "anna"), ("003", "carl"), ("004", "dora")],
        "child": [row[2:] for row in flat],
    }
    assert got.table == expected[output]


def test_a_line_of_other_bytes_hides_whose_children_follow() -> None:
    got = orders(b"H001anna\nDaaa01\nH002b\xe4rt\nDbbb02\n")
    assert got.table == [("001", "anna", "aaa", "01")]
    assert [(r.reason, r.line) for r in got.refused] == [("encoding", 3), ("record", 4)]


def test_kinds_of_one_role_share_columns_by_name() -> None:
    spec: dict[str, object] = {
        "code": {"start": 4, "width": 2},
        "record_types": [
            {"code": "A", "role": "parent", "fields": [{"name": "id", "width": 3}]},
            {
                "code": "B1",
                "role": "child",
                "fields": [{"name": "x", "width": 3}, {"name": "y", "start": 6, "width": 1}],
            },
            {"code": "B2", "role": "child", "fields": [{"name": "y", "width": 3}]},
        ],
    }
    got = fixed("001A \nxx B1Y\nyy B2\n", **spec)
    assert got.rows.columns == ["id", "x", "y"]
    assert got.table == [("001", "xx", "Y"), ("001", None, "yy")]


def test_a_file_of_skipped_lines_has_columns_and_no_rows() -> None:
    got = orders("9 0\n")
    assert (got.rows.columns, got.table, got.refused) == (["order", "who", "item", "count"], [], ())


def _oracle(lines: Sequence[str], output: str) -> tuple[list[tuple[str | None, ...]], list[int]]:
    """Line by line, in plain Python: rows and the numbers of refused lines."""
    rows: list[tuple[str | None, ...]] = []
    refused: list[int] = []
    parent: tuple[str, str] | None = None
    childless = False

    def close() -> None:
        if parent is not None and childless and output == "flatten":
            rows.append((*parent, None, None))

    widths: Mapping[str, int] = {"H": 8, "D": 6}
    for number, line in enumerate(lines, 1):
        if not line or line[0] == "9":
            continue
        kind = line[0]
        sound = kind in widths and len(line) >= widths[kind] and not line[widths[kind] :].strip(" ")
        if kind == "D":
            if not sound or parent is None:
                refused.append(number)
                continue
            child = (line[1:4].strip(" "), line[4:6].strip(" "))
            childless = False
            if output != "parent":
                rows.append((*parent, *child) if output == "flatten" else child)
            continue
        close()
        childless = sound
        parent = (line[1:4].strip(" "), line[4:8].strip(" ")) if sound else None
        if not sound:
            refused.append(number)
        elif parent is not None and output == "parent":
            rows.append(parent)
    close()
    return rows, refused


LINE = st.one_of(
    st.tuples(st.sampled_from("HD9X"), st.text("ab 1é", max_size=8)).map("".join),
    st.sampled_from(["H001anna", "H002bert", "Daaa01", "Dbbb02", "9", ""]),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(LINE, max_size=25), st.sampled_from(["flatten", "parent", "child"]), st.integers(1, 120))
def test_any_lines_in_any_blocks_give_what_a_plain_reading_gives(lines: list[str], output: str, block: int) -> None:
    text = "".join(line + "\n" for line in lines)
    got = fixed(text, block, True, **{**ORDERS, "output": output})
    rows, refused = _oracle(lines, output)
    assert (got.table, [r.line for r in got.refused]) == (rows, refused)
    assert [r.raw for r in got.refused] == [lines[r.line - 1] for r in got.refused]
