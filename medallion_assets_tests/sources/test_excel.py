"""Workbooks: what was typed is what bronze gets, to the last digit."""

import io
import re
import zipfile
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.errors import ExtractionError
from medallion_assets.intent.cells import Cells, cells
from medallion_assets.sources.files.xlsx import number_text
from medallion_assets_tests.sources.reading import read

WORKBOOKS = Path(__file__).parent / "workbooks"


def workbook(
    path: Path, rows: list[list[Any]], *, formats: dict[str, str] | None = None, **more: list[list[Any]]
) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Data"
    for row in rows:
        sheet.append(row)
    for cell, form in (formats or {}).items():
        sheet[cell].number_format = form
    for name, others in more.items():
        extra = book.create_sheet(name)
        for row in others:
            extra.append(row)
    book.save(path)


def edited(path: Path, part: str, old: str, new: str) -> None:
    """Replace text in a part, as other programs write it."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert old.encode() in parts[part], parts[part].decode()
    parts[part] = parts[part].replace(old.encode(), new.encode())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def shared(path: Path) -> None:
    """Put the texts into the part where Excel puts them."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    texts: list[bytes] = []

    def moved(found: "re.Match[bytes]") -> bytes:
        texts.append(found[2])
        return b'%b t="s"><v>%d</v></c>' % (found[1], len(texts) - 1)

    part = "xl/worksheets/sheet1.xml"
    parts[part] = re.sub(
        rb'(<c r="\w+"(?: s="\d+")?) t="inlineStr"><is>(.*?)</is></c>', moved, parts[part], flags=re.DOTALL
    )
    name = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    items = b"".join(b"<si>%b</si>" % text for text in texts)
    parts["xl/sharedStrings.xml"] = b'<sst xmlns="%b" count="%d">%b</sst>' % (name, len(texts), items)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name_, data in parts.items():
            archive.writestr(name_, data)


def failing(root: Path, code: str, name: str = "a.xlsx", **form: object) -> str:
    with pytest.raises(ExtractionError) as caught:
        read(root, name, **form)  # type: ignore[arg-type]
    assert caught.value.code == code
    return str(caught.value)


def test_every_kind_of_cell(tmp_path: Path) -> None:
    stamp = datetime.fromisoformat("2024-01-31T12:30:15.123")
    kinds: list[tuple[object, str | None]] = [
        ("00123", "00123"), ("  pad ", "  pad "), ("a\nb", "a\nb"), ("", None), (None, None), ("é😀", "é😀"),
        (0, "0"), (-5, "-5"), (123456789012345, "123456789012345"),
        (0.1, "0.1"), (1e-7, "0.0000001"), (1.5e300, "1.5E+300"), (-2.50, "-2.5"), (1e20, "100000000000000000000"),
        (True, "true"), (False, "false"), ("#N/A", "#N/A"),
        (date(2024, 1, 31), "2024-01-31"), (stamp, "2024-01-31T12:30:15.123"), (date(1900, 1, 1), "1900-01-01"),
        (datetime.fromisoformat("2024-01-31T00:00:00"), "2024-01-31T00:00:00"), (date(9999, 12, 31), "9999-12-31"),
        (time(12, 30), "12:30:00"), (timedelta(hours=36, minutes=5), "36:05:00"), (date(1900, 2, 28), "1900-02-28"),
    ]  # fmt: skip
    workbook(tmp_path / "a.xlsx", [[f"c{i}" for i in range(len(kinds))], [value for value, _ in kinds]])
    got = read(tmp_path, "a.xlsx")
    assert got.table == [tuple(text for _, text in kinds)]
    assert got.refused == ()
    shared(tmp_path / "a.xlsx")
    assert read(tmp_path, "a.xlsx").table == got.table


def test_numbers_as_excel_itself_writes_them(tmp_path: Path) -> None:
    """Excel writes 17 digits of a double, and exponents; other programs write integers of any length."""
    workbook(tmp_path / "a.xlsx", [["a", "b", "c", "d"], [1.5, 2.5, 3.5, 4.5]])
    for old, new in (
        ("1.5", "1.1000000000000001"),
        ("2.5", "1.2345678901234567E+19"),
        ("3.5", "9.9999999999999995E-8"),
        ("4.5", "9223372036854775807"),
    ):
        edited(tmp_path / "a.xlsx", "xl/worksheets/sheet1.xml", f"<v>{old}</v>", f"<v>{new}</v>")
    assert read(tmp_path, "a.xlsx").table == [("1.1", "12345678901234567000", "0.0000001", "9223372036854775807")]


def test_a_format_says_what_a_number_is(tmp_path: Path) -> None:
    forms = {
        "A2": "0.00", "B2": "dd/mm/yyyy", "C2": '"day "0', "D2": "[Red]0", "E2": "yyyy-mm-dd hh:mm", "F2": "[h]:mm",
        "G2": "m/d/yy;@", "H2": "h:mm AM/PM", "I2": "mmm-yy", "J2": "#,##0\\d",
    }  # fmt: skip
    workbook(tmp_path / "a.xlsx", [list("abcdefghij"), [45322.5] * 10], formats=forms)
    assert read(tmp_path, "a.xlsx").table == [
        ("45322.5", "2024-01-31T12:00:00", "45322.5", "45322.5", "2024-01-31T12:00:00", "1087740:00:00",
         "2024-01-31T12:00:00", "2024-01-31T12:00:00", "2024-01-31T12:00:00", "45322.5"),
    ]  # fmt: skip


def test_the_calendar_of_1904_and_days_that_are_none(tmp_path: Path) -> None:
    workbook(
        tmp_path / "a.xlsx", [["a", "b", "c"], [1, 60, -1]], formats=dict.fromkeys(("A2", "B2", "C2"), "yyyy-mm-dd")
    )
    assert read(tmp_path, "a.xlsx").table == [("1900-01-01", "60", "-1")]
    edited(tmp_path / "a.xlsx", "xl/workbook.xml", "<workbookPr/", '<workbookPr date1904="1"/>')
    assert read(tmp_path, "a.xlsx").table == [("1904-01-02", "1904-03-01", "-1")]


def test_text_as_other_programs_write_it(tmp_path: Path) -> None:
    workbook(tmp_path / "a.xlsx", [["a", "b", "c"], [1, 2, 3]])
    part = "xl/worksheets/sheet1.xml"
    edited(
        tmp_path / "a.xlsx", part, '<c r="A2" t="n"><v>1</v></c>', '<c t="inlineStr"><is><t>in_x000D_line</t></is></c>'
    )
    edited(tmp_path / "a.xlsx", part, '<c r="B2" t="n"><v>2</v></c>', '<c t="str"><f>"x"</f><v>x</v></c>')
    rich = '<c t="inlineStr"><is><r><t>ri</t></r><r><t xml:space="preserve">ch </t></r><rPh><t>no</t></rPh></is></c>'
    edited(tmp_path / "a.xlsx", part, '<c r="C2" t="n"><v>3</v></c>', rich)
    assert read(tmp_path, "a.xlsx").table == [("in\rline", "x", "rich ")]


def test_blank_rows_and_columns_around_are_nothing(tmp_path: Path) -> None:
    rows: list[list[Any]] = [[], [None, "id", "n"], [], [None, 1, None], [None, None, None], [None, None, 2]]
    workbook(tmp_path / "a.xlsx", rows)
    got = read(tmp_path, "a.xlsx")
    assert (got.rows.columns, got.table) == (["id", "n"], [("1", None), (None, "2")])


def test_a_value_beside_the_table_is_not_lost(tmp_path: Path) -> None:
    workbook(tmp_path / "a.xlsx", [["a", "b"], [1, 2, "total"], [3, 4]])
    got = read(tmp_path, "a.xlsx")
    assert got.table == [("3", "4")]
    assert got.refusals == [("ragged", 2, "1\t2\ttotal")]
    assert got.refused[0].detail == "1 value stands beside the columns of the header"


def test_sheet_range_and_header(tmp_path: Path) -> None:
    rows: list[list[Any]] = [["made by x"], [None, "id", "n"], [None, 1, 2], [None, 3, 4], ["sum", None, 6]]
    workbook(tmp_path / "a.xlsx", rows, Second=[["x"], ["y"]])
    assert read(tmp_path, "a.xlsx", type="excel", range="B2:C4").table == [("1", "2"), ("3", "4")]
    assert read(tmp_path, "a.xlsx", type="excel", range="B2:C").table == [("1", "2"), ("3", "4"), (None, "6")]
    bare = read(tmp_path, "a.xlsx", type="excel", range="B3:C4", header=False)
    assert (bare.rows.columns, bare.table) == (["column_1", "column_2"], [("1", "2"), ("3", "4")])
    for sheet in ("Second", 1):
        assert read(tmp_path, "a.xlsx", type="excel", sheet=sheet).rows.to_dicts() == [{"x": "y"}]
    for sheet in ("second", 2, -1):
        assert "it has Data, Second" in failing(tmp_path, "SRC-027", type="excel", sheet=sheet)


def test_headers_that_cannot_be_used(tmp_path: Path) -> None:
    workbook(tmp_path / "a.xlsx", [["a", None, "b", "a"], [1, 2, 3, 4]])
    assert "Column 2 of 4 has no name" in failing(tmp_path, "SRC-010")
    workbook(tmp_path / "a.xlsx", [["a", "b", "a"]])
    assert "same name: a" in failing(tmp_path, "SRC-010")
    workbook(tmp_path / "a.xlsx", [])
    failing(tmp_path, "SRC-009")
    workbook(tmp_path / "a.xlsx", [["a", "b"]])
    got = read(tmp_path, "a.xlsx")
    assert (got.rows.columns, got.table) == (["a", "b"], [])


def test_many_rows(tmp_path: Path) -> None:
    rows: list[list[Any]] = [[f"text {i % 100}", i, i / 8] for i in range(25_000)]
    workbook(tmp_path / "a.xlsx", [["t", "n", "f"], *rows])
    got = read(tmp_path, "a.xlsx")
    assert got.table == [(t, str(n), number_text(repr(f))) for t, n, f in rows]
    assert got.files[0].rows == 25_000


def test_an_old_workbook(tmp_path: Path) -> None:
    (tmp_path / "a.xls").write_bytes((WORKBOOKS / "orders.xls").read_bytes())
    got = read(tmp_path, "a.xls")
    assert got.rows.columns == ["id", "amount", "day"]
    assert got.table == [("00123", "10.5", "2024-01-31 00:00:00")]
    assert got.refusals == [("ragged", 6, "\t7\t1234567890123\t2024-02-01 12:30:00\t\tbeside")]
    assert read(tmp_path, "a.xls", type="excel", sheet="Orders", range="B3:C4").table == [("00123", "10.5")]
    failing(tmp_path, "SRC-009", "a.xls", type="excel", sheet="empty")
    assert "it has Orders, empty" in failing(tmp_path, "SRC-027", "a.xls", type="excel", sheet="x")


def test_an_open_document(tmp_path: Path) -> None:
    cell = '<table:table-cell office:value-type="{0}" office:{1}="{2}"><text:p>{2}</text:p></table:table-cell>'
    rows = [
        [cell.format("string", "string-value", "id"), cell.format("string", "string-value", "day")],
        [cell.format("string", "string-value", "00123"), cell.format("date", "date-value", "2024-01-31")],
    ]
    body = "".join(f"<table:table-row>{''.join(row)}</table:table-row>" for row in rows)
    name = "urn:oasis:names:tc:opendocument:xmlns:"
    content = (
        f'<office:document-content xmlns:office="{name}office:1.0" xmlns:table="{name}table:1.0" '
        f'xmlns:text="{name}text:1.0" office:version="1.2"><office:body><office:spreadsheet><table:table '
        f'table:name="S">{body}</table:table></office:spreadsheet></office:body></office:document-content>'
    )
    manifest = f'<m:manifest xmlns:m="{name}manifest:1.0"><m:file-entry m:full-path="/" m:media-type="x"/></m:manifest>'
    with zipfile.ZipFile(tmp_path / "a.ods", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", manifest)
        archive.writestr("content.xml", content)
    assert read(tmp_path, "a.ods").rows.to_dicts() == [{"id": "00123", "day": "2024-01-31"}]


def test_workbooks_in_a_zip_and_in_gzip(tmp_path: Path) -> None:
    import gzip

    workbook(tmp_path / "a.xlsx", [["a"], [1]])
    data = (tmp_path / "a.xlsx").read_bytes()
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("1.xlsx", data)
        archive.writestr("2.xlsx", data)
    assert read(tmp_path, "b.zip").table == [("1",), ("1",)]
    (tmp_path / "c.xlsx.gz").write_bytes(gzip.compress(data))
    assert read(tmp_path, "c.xlsx.gz").table == [("1",)]


def test_what_is_no_workbook(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"id,n\n1,2\n")
    failing(tmp_path, "SRC-027")
    (tmp_path / "a.xlsx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))  # what a password makes of it
    failing(tmp_path, "SRC-027")
    workbook(tmp_path / "a.xlsx", [["a"], ["x"]])
    edited(tmp_path / "a.xlsx", "xl/worksheets/sheet1.xml", "</sheetData>", "")
    assert "xl/worksheets/sheet1.xml, line" in failing(tmp_path, "SRC-027")


def test_no_entity_of_a_workbook_is_resolved(tmp_path: Path) -> None:
    workbook(tmp_path / "a.xlsx", [["a"], ["x"]])
    (tmp_path / "secret").write_text("the secret")
    shared(tmp_path / "a.xlsx")
    dtd = f'<!DOCTYPE sst [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]>'
    edited(tmp_path / "a.xlsx", "xl/sharedStrings.xml", "<sst", dtd + "<sst")
    edited(tmp_path / "a.xlsx", "xl/sharedStrings.xml", ">x<", ">&e;<")
    assert "entities" in failing(tmp_path, "SRC-027")


SMALL = io.BytesIO()
_book = openpyxl.Workbook()
assert _book.active is not None
_book.active.append(["a", "b"])
_book.active.append(["x", 1])
_book.save(SMALL)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(SMALL.getvalue()) - 1), st.integers(0, 7))
def test_damage_is_an_error_or_changes_nothing(tmp_path_factory: pytest.TempPathFactory, at: int, bit: int) -> None:
    data = bytearray(SMALL.getvalue())
    data[at] ^= 1 << bit
    root = tmp_path_factory.mktemp("damaged")
    (root / "a.xlsx").write_bytes(data)
    with suppress(ExtractionError):
        assert read(root, "a.xlsx", type="excel").rows.to_dicts() == [{"a": "x", "b": "1"}]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("A3:F200", Cells(3, 200, 0, 5)),
        ("$b$2:aa$9", Cells(2, 9, 1, 26)),
        ("A:F", Cells(first_column=0, last_column=5)),
        ("3:200", Cells(3, 200)),
        ("C3:F", Cells(first_row=3, first_column=2, last_column=5)),
        *((text, None) for text in ("A3", "F200:A3", "A:3", ":", "A0:B2", "A3:ZZZ9", "A1:B9999999", "Data!A1:B2")),
    ],
)
def test_ranges(text: str, meant: Cells | None) -> None:
    assert cells(text) == meant


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_as_text_is_the_same_double(value: float) -> None:
    text = number_text(repr(value))
    assert float(text) == value
    assert len(text) <= 40
