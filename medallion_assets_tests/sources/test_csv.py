"""What CSV means: good rows exactly as written, bad ones refused with their line, nothing lost."""

import csv as standard
import io
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from medallion_assets.errors import ConfigError, ExtractionError
from medallion_assets_tests.sources.reading import csv


def refused_with(code: str, data: bytes | str, **spec: object) -> ExtractionError:
    with pytest.raises(ExtractionError) as caught:
        csv(data, **spec)
    assert caught.value.code == code
    return caught.value


def test_every_cell_is_the_text_of_the_file() -> None:
    got = csv('id,n,f\n00123,9223372036854775808,1.10\n"",,"a ""b"", c\r\nd"\n')
    assert got.rows.columns == ["id", "n", "f"]
    assert got.table == [("00123", "9223372036854775808", "1.10"), ("", "", 'a "b", c\r\nd')]
    assert got.refused == ()


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_crlf_and_a_last_line_without_an_end(end: str) -> None:
    assert csv(f'a,b\r\n1,"x"\r\n2,y{end}').table == [("1", "x"), ("2", "y")]


def test_a_cr_within_a_line_belongs_to_its_field() -> None:
    assert csv("a,b\nx\r,y\n").table == [("x\r", "y")]
    assert csv('a,b\r\nx\r,"y"\r\n').table == [("x\r", "y")]
    assert csv('a,b\n"x\r",y\r\nz\r,w\n').table == [("x\r", "y"), ("z\r", "w")]


def test_a_header_alone_is_no_rows_with_columns() -> None:
    got = csv("a,b\n")
    assert (got.rows.columns, got.table) == (["a", "b"], [])


@pytest.mark.parametrize("data", ["", "\n\n", "# nothing\n"])
def test_no_header_at_all(data: str) -> None:
    assert "empty" in str(refused_with("SRC-009", data, comment="#"))


def test_names_without_a_header_need_no_line() -> None:
    assert csv("", header=False, names=["a", "b"]).rows.columns == ["a", "b"]
    assert csv("1,2\n", header=False, names=["a", "b"]).table == [("1", "2")]
    got = csv("1,2\n3,4", header=False)
    assert (got.rows.columns, got.table) == (["column_1", "column_2"], [("1", "2"), ("3", "4")])


def test_names_replace_a_header() -> None:
    assert csv("x,y\n1,2\n", names=["a", "b"]).rows.columns == ["a", "b"]
    assert "3 columns" in str(refused_with("SRC-010", "x,y,z\n1,2,3\n", names=["a", "b"]))


def test_duplicate_column_names_are_named() -> None:
    error = refused_with("SRC-010", "id,a,b,a,b\n1,2,3,4,5\n")
    assert "a, b" in str(error)
    assert "a.csv:1" in str(error)


def test_columns_without_a_name_are_counted() -> None:
    assert "Column 3 of 3 has no name" in str(refused_with("SRC-010", "a,b,\n1,2,3\n"))


def test_a_header_with_nul_or_cr_alone_has_another_encoding() -> None:
    refused_with("SRC-010", "a,b\n".encode("utf-16-le"))
    refused_with("SRC-010", "a,b\r1,2\r")


def test_a_header_that_is_not_utf8_names_the_fix() -> None:
    error = refused_with("SRC-011", "größe,b\n1,2\n".encode("latin-1"))
    assert "source.format.encoding" in str(error)


def test_a_header_whose_quote_never_closes() -> None:
    refused_with("SRC-010", 'a,"b\n1,2\n')


def test_ragged_rows_are_refused_with_their_line() -> None:
    got = csv("a,b,c\n1,2,3\n4,5\n6,7,8,9\n10,11,12\n")
    assert got.table == [("1", "2", "3"), ("10", "11", "12")]
    assert got.refusals == [("ragged", 3, "4,5"), ("ragged", 4, "6,7,8,9")]
    assert [r.detail for r in got.refused] == ["2 fields, 3 expected", "4 fields, 3 expected"]


def test_a_short_row_is_not_made_up_for_by_delimiters_in_quotes() -> None:
    got = csv('a,b,c\n1,2\n3,"4,5",6\n')
    assert got.table == [("3", "4,5", "6")]
    assert got.refusals == [("ragged", 2, "1,2")]


def test_ragged_fail_stops_at_the_line() -> None:
    assert "a.csv:3" in str(refused_with("SRC-012", "a,b\n1,2\n3\n", ragged="fail"))


def test_ragged_pad_fills_with_nulls_and_never_cuts() -> None:
    got = csv('a,b,c\n1\n2,""\n3,4,5,6\n', ragged="pad")
    assert got.table == [("1", None, None), ("2", "", None)]
    assert got.refusals == [("ragged", 4, "3,4,5,6")]


def test_a_quote_that_never_closes_costs_its_own_row_only() -> None:
    got = csv('a,b\n1,x\n2,"y\n3,z\n4,w\n')
    assert got.table == [("1", "x"), ("3", "z"), ("4", "w")]
    assert got.refusals == [("quote", 3, '2,"y')]
    assert "never closes" in got.refused[0].detail


def test_a_quote_that_closes_at_the_next_quoted_field() -> None:
    got = csv('a,b\n1,"x\n2,"y"\n3,z\n')
    assert got.table == [("2", "y"), ("3", "z")]
    assert got.refusals == [("quote", 2, '1,"x')]


@pytest.mark.parametrize("bad", ['5" pipe,x', '"a"b,x', 'x,"a" ', ' "a",x'])
def test_quotes_in_odd_places_are_refused_not_guessed(bad: str) -> None:
    got = csv(f"a,b\n1,2\n{bad}\n3,4\n")
    assert got.table == [("1", "2"), ("3", "4")]
    assert got.refusals == [("quote", 3, bad)]


def test_without_quotes_they_are_ordinary() -> None:
    assert csv('a,b\n5" pipe,"x"\n', quote="").table == [('5" pipe', '"x"')]


def test_wrong_encoding_refuses_the_row_and_names_the_bytes() -> None:
    got = csv(b"a,b\n1,x\n2,gr\xf6\xdfe\n3,y\n")
    assert got.table == [("1", "x"), ("3", "y")]
    assert got.refusals == [("encoding", 3, "2,gr\\xf6\\xdfe")]
    assert "f6" in got.refused[0].detail


def test_nul_bytes_are_characters() -> None:
    assert csv("a,b\n1,x\0y\n").table == [("1", "x\0y")]


def test_a_mark_inside_the_file_is_text() -> None:
    assert csv("a,b\n\ufeff1,2\n").table == [("\ufeff1", "2")]


def test_blank_lines_are_no_rows_unless_there_is_one_column() -> None:
    assert csv("a,b\n\n1,2\n\r\n3,4\n\n").table == [("1", "2"), ("3", "4")]
    assert csv("a\n\n1\n\n").table == [("",), ("1",), ("",)]


def test_comments_and_skipped_lines_count_as_lines() -> None:
    got = csv("made by x\n\n# c\na,b\n# c,c\n1,2\n3\n", skip_rows=1, comment="#")
    assert got.table == [("1", "2")]
    assert got.refusals == [("ragged", 7, "3")]


def test_escapes() -> None:
    got = csv('a,b\n"x \\" y",1\\,2\n"p ""q""",r\\\\s\n', escape="\\")
    assert got.table == [('x " y', "1,2"), ('p "q"', "r\\s")]


def test_an_escape_does_not_excuse_a_bare_quote() -> None:
    assert csv('a,b\nx\\"y,1\nx"y,1\n', escape="\\").refusals == [("quote", 3, 'x"y,1')]


def test_collapsed_delimiters() -> None:
    got = csv('a  b c\n1   2 3\n 4 "5  6"  7 \n', delimiter=" ", collapse=True)
    assert got.table == [("1", "2", "3"), ("4", "5  6", "7")]


def test_a_delimiter_of_several_characters() -> None:
    assert csv('a||b\n1|2||"3||4"\n', delimiter="||").table == [("1|2", "3||4")]


def test_other_signs() -> None:
    assert csv("a;b\n'x;y';z\n", delimiter=";", quote="'").table == [("x;y", "z")]
    assert csv("a\tb\n1\t2\n", type="tsv").table == [("1", "2")]


@pytest.mark.parametrize(
    "spec", [{"delimiter": ""}, {"delimiter": "\n"}, {"quote": "''"}, {"delimiter": '"'}, {"escape": ","}]
)
def test_signs_that_cannot_be_told_apart(spec: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        csv("a,b\n", **spec)
    assert caught.value.code == "SRC-020"


def test_two_thousand_columns() -> None:
    names = [f"c{i}" for i in range(2000)]
    got = csv(",".join(names) + "\n" + (",".join(f'"{i}"' for i in range(2000)) + "\n") * 3)
    assert got.rows.columns == names
    assert got.table == [tuple(str(i) for i in range(2000))] * 3


def test_a_cell_of_ten_megabytes() -> None:
    cell = 'line\n"quoted", text ' * 500_000
    quoted = cell.replace('"', '""')
    got = csv(f'a,b\n1,"{quoted}"\n2,{"x" * 10_000_000}\n3,y\n', 1 << 20)
    assert got.table == [("1", cell), ("2", "x" * 10_000_000), ("3", "y")]
    assert got.refused == ()


def test_a_quote_open_for_more_than_64_mib_is_one_that_never_closes() -> None:
    filler = b"1,x\n" * (18 << 20)
    got = csv(b'a,b\n0,"open\n' + filler + b'closed",2\n')
    assert got.refusals == [("quote", 2, '0,"open'), ("quote", 3 + (18 << 20), 'closed",2')]
    assert got.rows.height == 18 << 20


def test_a_line_without_end_is_an_error() -> None:
    assert "a.csv:2" in str(refused_with("SRC-013", b"a,b\n" + b"x" * (80 << 20)))


_UNWRITABLE = "\0" if sys.version_info < (3, 11) else ""
"""What the csv module of Python 3.10 cannot write."""
cells = st.text(st.sampled_from('ab,;"\n\r \té中😀\ufeff#\\0'), max_size=6) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=_UNWRITABLE), max_size=4
)
tables = st.integers(1, 4).flatmap(lambda width: st.lists(st.tuples(*[cells] * width), min_size=0, max_size=12))


@settings(max_examples=300, deadline=None)
@given(tables, st.integers(1, 80), st.sampled_from(["\n", "\r\n"]), st.sampled_from([0, 1]), st.sampled_from(",;\t|"))
@example([("\ufeff", "")], 1, "\n", 0, ",")
@example([("\r",), ("a\r",), ("",)], 1, "\n", 0, ",")
def test_what_the_csv_module_writes_comes_back(
    table: list[tuple[str, ...]], block: int, end: str, quoting: int, delimiter: str
) -> None:
    if quoting == standard.QUOTE_MINIMAL and any("\r" in cell for row in table for cell in row):
        quoting = standard.QUOTE_ALL  # before Python 3.13 the module leaves a bare CR unquoted, and that ends a line
    width = len(table[0]) if table else 2
    text = io.StringIO(newline="")
    writer = standard.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow([f"c{i}" for i in range(width)])
    writer.writerows(table)
    got = csv(text.getvalue(), block, delimiter=delimiter)
    assert got.refused == ()
    assert got.table == table


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(st.sampled_from('ab,"\n'), max_size=12), max_size=12), st.integers(1, 40), st.booleans())
def test_damage_never_loses_a_line_and_block_size_changes_nothing(lines: list[str], block: int, crlf: bool) -> None:
    body = "\n".join(lines).replace("\n", "\r\n" if crlf else "\n")
    small, large = csv("x,y\n" + body, block), csv("x,y\n" + body)
    assert (small.table, small.refused) == (large.table, large.refused)
    _accounts_for_every_line(body, [(r.line, r.raw) for r in large.refused], large.table)


def _accounts_for_every_line(body: str, refused: list[tuple[int, str]], rows: list[tuple[object, ...]]) -> None:
    """Take the refused lines out: what is left is regular CSV, and the standard module reads the same rows from it."""
    kept = body.split("\n")
    for line, raw in reversed(refused):
        count = raw.count("\n") + 1
        taken, kept[line - 2 : line - 2 + count] = kept[line - 2 : line - 2 + count], []
        assert "\n".join(taken).rstrip("\r") == raw
    left = [row for row in standard.reader(io.StringIO("\n".join(kept), newline=""), strict=True) if row]
    assert [tuple(row) for row in left] == rows


@settings(max_examples=500, deadline=None)
@given(st.text(st.sampled_from('a,"\n\r é'), max_size=30), st.integers(1, 3))
@example('"e"a"e"\n', 1)
@example('a,,""aa"\n"', 3)
@example("a\r,b\n", 2)
def test_polars_and_the_record_reader_agree(body: str, width: int) -> None:
    """A comment sends the whole block to the record reader."""
    header = ",".join(f"c{i}" for i in range(width)) + "\n"
    fast, slow = csv(header + body, comment="#"), csv(header + "#\n" + body, comment="#")
    assert fast.table == slow.table
    assert [(r.reason, r.line + 1, r.raw, r.detail) for r in fast.refused] == [
        (r.reason, r.line, r.raw, r.detail) for r in slow.refused
    ]


def test_bad_rows_among_many_good_ones_at_full_block_size() -> None:
    lines = [f'{i},"text, {i}\nsecond ""line""",{i % 7}' for i in range(120_000)]
    bad = {30_001: "1,2", 60_000: '1,"a"b,2', 90_017: "é,ü,1,2", 119_999: '1,"open,2'}
    expected = [(str(i), f'text, {i}\nsecond "line"', str(i % 7)) for i in range(120_000) if i not in bad]
    body = "\n".join(bad.get(i, line) for i, line in enumerate(lines))
    got = csv("a,b,c\n" + body, 1 << 20)
    assert got.table == expected
    # the header is line 1, a good row two lines, a bad one a line
    assert got.refusals == [
        (reason, 2 + 2 * i - sum(j < i for j in bad), bad[i])
        for i, reason in zip(bad, ("ragged", "quote", "ragged", "quote"), strict=True)
    ]
