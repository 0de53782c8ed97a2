"""A sheet of a workbook as rows of text: .xlsx and .xlsm as written, .xls, .xlsb and .ods as calamine reads them."""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from medallion_assets.errors import ConfigError, ExtractionError
from medallion_assets.intent.cells import Cells, cells
from medallion_assets.intent.source import Excel
from medallion_assets.lake.ports import Batch, Refused
from medallion_assets.sources.files.archive import ZIP, Archive
from medallion_assets.sources.files.names import problem_of
from medallion_assets.sources.files.stored import Content
from medallion_assets.sources.files.xlsx import Row, Xlsx, broken_workbook

if TYPE_CHECKING:
    import polars as pl

__all__ = ["read_excel"]

_BATCH_ROWS = 10_000
_LIMIT = 256 << 20
_WORKBOOK = "xl/workbook.xml"


def read_excel(content: Content, spec: Excel) -> Iterator[Batch]:
    """Batches of a sheet; with a header the first has the columns and no rows. Rows without a value are skipped.

    Raises ExtractionError SRC-027 (no workbook, encrypted, damaged, no such sheet), SRC-009 (a sheet without a value),
    SRC-010 (header unusable); ConfigError SRC-026 without the extra.
    """
    table = _Table(content, spec)
    rows = _rows(content, spec)
    first = next(rows, None)
    if first is None:
        raise ExtractionError(
            "SRC-009", "The sheet is empty.", where=content.where, fix="Deliver a sheet with at least a header."
        )
    if spec.header:
        yield Batch(table.header(first))
    else:
        rows = chain((first,), rows)
    waiting: list[Row] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == _BATCH_ROWS:
            yield table.batch(waiting)
            waiting = []
    yield table.batch(waiting)


class _Table:
    """Columns of a sheet and its rows under them."""

    def __init__(self, content: Content, spec: Excel) -> None:
        self._content, self._header = content, spec.header
        self._first = _within(spec).first_column
        self._columns: dict[int, str] = {}

    def header(self, row: Row) -> "pl.DataFrame":
        import polars as pl

        number, cells_of = row
        columns = {at: cells_of.get(at, "") for at in range(min(cells_of), max(cells_of) + 1)}
        problem = problem_of(tuple(columns.values()))
        if problem:
            raise ExtractionError(
                "SRC-010",
                problem,
                where=f"{self._content.where}:{number}",
                fix="Correct the header, say where it is with source.format.range, or set header: false.",
            )
        self._columns = columns
        return pl.DataFrame(schema=dict.fromkeys(columns.values(), pl.String))

    def batch(self, rows: list[Row]) -> Batch:
        import polars as pl

        if not self._header and rows:
            widest = max(max(cells_of) for _, cells_of in rows)
            ends = max(widest + 1, *self._columns) if self._columns else widest + 1
            self._columns = {at: f"column_{at - self._first + 1}" for at in range(self._first, ends)}
        good: list[list[str | None]] = []
        refused: list[Refused] = []
        for number, cells_of in rows:
            if cells_of.keys() <= self._columns.keys():
                good.append([cells_of.get(at) for at in self._columns])
            else:
                refused.append(self._outside(number, cells_of))
        schema = dict.fromkeys(self._columns.values(), pl.String)
        return Batch(pl.DataFrame(good, schema=schema, orient="row"), tuple(refused))

    def _outside(self, number: int, cells_of: dict[int, str]) -> Refused:
        beside = len(cells_of.keys() - self._columns.keys())
        raw = "\t".join(cells_of.get(at, "") for at in range(max(cells_of) + 1))
        detail = f"{beside} {'value stands' if beside == 1 else 'values stand'} beside the columns of the header"
        return Refused("ragged", detail, self._content.name, number, raw)


def _rows(content: Content, spec: Excel) -> Iterator[Row]:
    within = _within(spec)
    file = content.seekable()
    start = file.read(4)
    archive = Archive(file, content.where, content.bytes) if start.startswith(ZIP) else None
    if archive is not None and archive.has(_WORKBOOK):
        book = Xlsx(archive, content.where)
        sheets = list(book.sheets)
        rows = book.rows(_sheet(sheets, spec.sheet, content.where))
    else:
        if archive is not None:
            archive.refuse_bomb()
        file.seek(0)
        rows = _by_calamine(file.read(_LIMIT + 1), spec.sheet, content.where)
    for number, found in rows:
        if number > within.last_row:
            return
        inside = {at: text for at, text in found.items() if within.first_column <= at <= within.last_column}
        if number >= within.first_row and inside:
            yield number, inside


def _within(spec: Excel) -> Cells:
    """The range; one that is none does not validate."""
    return (None if spec.range is None else cells(spec.range)) or Cells()


def _sheet(sheets: list[str], wanted: str | int, where: str) -> str:
    if isinstance(wanted, int) and 0 <= wanted < len(sheets):
        return sheets[wanted]
    if isinstance(wanted, str) and wanted in sheets:
        return wanted
    name = f"number {wanted}" if isinstance(wanted, int) else f"'{wanted}'"
    raise ExtractionError(
        "SRC-027",
        f"The workbook has no sheet {name}; it has {', '.join(sheets)}.",
        where=where,
        fix="Correct source.format.sheet: a name, or a number from 0.",
    )


def _by_calamine(data: bytes, sheet: str | int, where: str) -> Iterator[Row]:
    """.xls, .xlsb and .ods: the whole workbook in memory."""
    try:
        import fastexcel
    except ModuleNotFoundError:
        raise ConfigError(
            "SRC-026", "Workbooks need the extra `formats`.", where=where, fix='pip install "medallion-assets[formats]"'
        ) from None
    if len(data) > _LIMIT:
        raise broken_workbook("it is larger than 256 MiB", where)
    try:
        book = fastexcel.read_excel(data)
        name = _sheet(book.sheet_names, sheet, where)
        loaded = book.load_sheet(name, header_row=None, skip_rows=0, dtypes="string")
        places = [column.absolute_index for column in loaded.available_columns()]
        frame = loaded.to_polars()
    except ExtractionError:
        raise
    except Exception as error:  # CalamineError, and whatever else a damaged workbook makes it raise
        raise broken_workbook(str(error).splitlines()[0], where) from error
    for number, values in enumerate(frame.iter_rows(), 1):
        found = {at: text for at, text in zip(places, values, strict=True) if text is not None}
        if found:
            yield number, found
