"""Workbooks in Office Open XML (ECMA-376, SpreadsheetML), row by row, each value as exactly as the file has it.

Text is itself; an integer keeps every digit; another number is the shortest text of the same double; a number under a
format of dates is a date. Libraries that go through doubles alone change integers of more than 15 digits.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, final

from medallion_assets.errors import ExtractionError
from medallion_assets.intent.cells import column_number
from medallion_assets.sources.files.archive import Archive
from medallion_assets.sources.files.markup import elements, forget, local

if TYPE_CHECKING:
    from lxml import etree

__all__ = ["Row", "Xlsx", "broken_workbook"]

Row = tuple[int, dict[int, str]]
"""A row's number, from 1, and the text of its cells that are not empty, by column, from 0."""
_INTEGER = re.compile(r"[+-]?\d+\Z")
_CELL = re.compile(r"([A-Z]+)(\d+)\Z")
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
_MAX_STRINGS = 256 << 20
_BUILT_IN = {
    **dict.fromkeys((14, 15, 16, 17, 27, 28, 29, 30, 31, 36, 50, 51, 52, 53, 54, 57, 58), "d"),
    **dict.fromkeys((18, 19, 20, 21, 32, 33, 34, 35, 45, 47, 55, 56), "t"),
    22: "dt",
    46: "e",
}
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.')
_ELAPSED = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_BRACKETS = re.compile(r"\[[^\]]*\]")
_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - a workbook's dates have no zone
_EPOCH_1904 = datetime(1904, 1, 1)  # noqa: DTZ001
_LAST_DAY = 2_958_465
"""9999-12-31, where Excel ends."""
_PLAIN_EXPONENTS = range(-16, 22)


@final
class Xlsx:
    """An open workbook. Raises ExtractionError SRC-027 for what is none."""

    def __init__(self, archive: Archive, where: str) -> None:
        self._archive, self._where = archive, where
        self._root = "xl/"
        self._epoch_1904 = False
        self.sheets: dict[str, str] = {}
        """Name → the part that holds it, in the order of the workbook."""
        self._open()

    def rows(self, sheet: str) -> Iterator[Row]:
        """Rows that have a cell which is not empty."""
        number = 0
        for event, element in self._elements(self.sheets[sheet]):
            if event == "end" and local(element) == "row":
                given = element.get("r", "")
                number = int(given) if given.isdigit() else number + 1
                found = self._row(element)
                forget(element)
                if found:
                    yield number, found

    # ------------------------------------------------------------------ the parts

    def _open(self) -> None:
        targets = {}
        for event, element in self._elements(f"{self._root}_rels/workbook.xml.rels"):
            if event == "end" and local(element) == "Relationship":
                target = element.get("Target", "")
                targets[element.get("Id", "")] = target[1:] if target.startswith("/") else self._root + target
        for event, element in self._elements(f"{self._root}workbook.xml"):
            if event != "end":
                continue
            if local(element) == "workbookPr":
                self._epoch_1904 = element.get("date1904") in ("1", "true")
            elif local(element) == "sheet":
                link = next((value for key, value in element.attrib.items() if str(key).endswith("}id")), "")
                self.sheets[str(element.get("name"))] = targets.get(str(link), "")

    def _elements(self, part: str) -> "Iterator[tuple[str, etree._Element]]":
        with self._archive.part(part) as stream:
            yield from elements(stream, self._where, lambda what, line: self._broken(what, part, line))

    def _broken(self, what: str, part: str, line: int | None = None) -> ExtractionError:
        return broken_workbook(f"{part}{'' if line is None else f', line {line}'}: {what}", self._where)

    @cached_property
    def _strings(self) -> list[str]:
        found: list[str] = []
        size = 0
        if not self._archive.has(f"{self._root}sharedStrings.xml"):
            return found
        for event, element in self._elements(f"{self._root}sharedStrings.xml"):
            if event == "end" and local(element) == "si":
                found.append(_text(element))
                size += len(found[-1])
                if size > _MAX_STRINGS:
                    raise self._broken("more than 256 MiB of different texts", "sharedStrings.xml")
                forget(element)
        return found

    @cached_property
    def _kinds(self) -> list[str]:
        """For each cell style: letters of d(ate), t(ime), e(lapsed); empty for other numbers."""
        formats = dict(_BUILT_IN)
        kinds: list[str] = []
        if not self._archive.has(f"{self._root}styles.xml"):
            return kinds
        inside = False
        for event, element in self._elements(f"{self._root}styles.xml"):
            name = local(element)
            if name == "cellXfs":
                inside = event == "start"
            elif event == "end" and name == "numFmt":
                formats[int(element.get("numFmtId", "0"))] = _kind(element.get("formatCode", ""))
            elif event == "end" and name == "xf" and inside:
                kinds.append(formats.get(int(element.get("numFmtId", "0")), ""))
        return kinds

    # ------------------------------------------------------------------ cells

    def _row(self, row: "etree._Element") -> dict[int, str]:
        found: dict[int, str] = {}
        column = -1
        for cell in row:
            if local(cell) != "c":
                continue
            place = _CELL.match(cell.get("r", ""))
            column = column_number(place[1]) if place else column + 1
            text = self._cell(cell)
            if text is not None:
                found[column] = text
        return found

    def _cell(self, cell: "etree._Element") -> str | None:
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            return next((_text(child) for child in cell if local(child) == "is"), None)
        value = next((child.text for child in cell if local(child) == "v"), None)
        if value is None:
            return None
        match kind:
            case "s":
                return self._shared(value)
            case "b":
                return "true" if value.strip() == "1" else "false"
            case "n":
                return self._number(value.strip(), cell.get("s", "0"))
        return _unescaped(value)  # a formula's text, an error like #N/A, a date in ISO 8601

    def _shared(self, value: str) -> str:
        try:
            return self._strings[int(value)]
        except (ValueError, IndexError):
            raise self._broken(f"there is no text number {value}", "sharedStrings.xml") from None

    def _number(self, text: str, style: str) -> str:
        kind = self._kinds[int(style)] if style.isdigit() and int(style) < len(self._kinds) else ""
        try:
            return (_moment(float(text), kind, epoch_1904=self._epoch_1904) if kind else None) or number_text(text)
        except ValueError:
            return text


def number_text(text: str) -> str:
    """An integer as it is written; another number as the shortest text of its double, without an exponent if short."""
    if _INTEGER.match(text):
        return text
    shortest = Decimal(repr(float(text)))
    if not shortest.is_finite() or shortest.adjusted() not in _PLAIN_EXPONENTS:
        return str(shortest)
    plain = format(shortest, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _kind(code: str) -> str:
    """What a number format shows of a moment."""
    shown = _LITERAL.sub("", code.partition(";")[0])
    if _ELAPSED.search(shown):
        return "e"
    shown = _BRACKETS.sub("", shown).lower()
    if "general" in shown:
        return ""
    has_time = "h" in shown or "s" in shown
    has_date = "y" in shown or "d" in shown or ("m" in shown and not has_time)
    return ("d" if has_date else "") + ("t" if has_time else "")


def _moment(serial: float, kind: str, *, epoch_1904: bool) -> str | None:
    """ISO 8601 of a serial number of days, to the millisecond. None: it is no moment of Excel's calendar."""
    milliseconds = round(serial * 86_400_000)
    if not 0 <= serial < _LAST_DAY + 1:
        return None
    if kind == "e":
        return _clock(milliseconds)
    days, rest = divmod(milliseconds, 86_400_000)
    if kind == "t" and not days:
        return _clock(rest)
    if epoch_1904:
        day = _EPOCH_1904 + timedelta(days=days)
    elif days == 60:
        return None  # 29 February 1900, which Excel has and the calendar has not
    else:
        day = _EPOCH + timedelta(days=days if days > 60 else days + 1)
    return f"{day:%Y-%m-%d}" if kind == "d" and not rest else f"{day:%Y-%m-%d}T{_clock(rest)}"


def _clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    fraction = f".{rest:03d}" if rest else ""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"


def _text(element: "etree._Element") -> str:
    """The text of runs, without the readings that stand above Japanese ones."""
    parts: list[str] = []
    for child in element:
        name = local(child)
        if name == "t":
            parts.append(child.text or "")
        elif name == "r":
            parts.extend(inner.text or "" for inner in child if local(inner) == "t")
    return _unescaped("".join(parts))


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def broken_workbook(what: str, where: str) -> ExtractionError:
    """Make the error for a workbook that cannot be read."""
    return ExtractionError(
        "SRC-027",
        f"The workbook cannot be read: {what}.",
        where=where,
        fix="Save it again as .xlsx, without a password.",
    )
