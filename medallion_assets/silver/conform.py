"""Bronze rows to typed rows under their final names, each with its place, its operation and what is wrong with it.

A row that cannot be read keeps its place and carries a fault; it never reaches a table and is never lost. A delete is
judged on keys, order_by and operation only, a truncate on order_by and operation only.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from medallion_assets.lake.manifest import Pattern
from medallion_assets.silver.columns import FAULT, FULL, KNOWN, LOAD, OP, POS, RESCUED, VALUE, Op
from medallion_assets.silver.contract import Contract, Named, rules_of, set_aside, sources, withheld_flag
from medallion_assets.silver.envelope import TOMBSTONE, WITHHELD
from medallion_assets.silver.text import (
    LEARNED,
    UNSIGNED,
    as_text,
    from_text,
    instant,
    midnight,
    normalized,
    prints_back,
    utf8,
)
from medallion_assets.silver.types import TIMESTAMP
from medallion_assets.silver.widen import wider

__all__ = ["conform", "learnable", "too_wide"]


def _column(source: str) -> pl.Expr:
    return pl.col(set_aside(source))


def learnable(schema: Mapping[str, pl.DataType], contract: Contract, wanted: Sequence[str]) -> dict[str, pl.Expr]:
    """The wanted columns of one load that the contract gives no type, as they are read before they are cast."""
    return {
        name: _normal(_column(source), schema[source], contract).alias(name)
        for name, source in sources(list(schema), contract).items()
        if name in wanted and contract.of(name).type is None and schema[source] != pl.Null
    }


def conform(
    frame: pl.LazyFrame,
    schema: Mapping[str, pl.DataType],
    pattern: Pattern,
    contract: Contract,
    types: Mapping[str, pl.DataType],
) -> pl.LazyFrame:
    """Rows of loads of one schema and pattern: columns ``types`` in that order, then

    ``POS`` and ``LOAD`` as they came, ``OP`` (Int8), ``FULL`` (of a full load), ``KNOWN`` (its keys can be read),
    ``FAULT`` (``reason:column`` of the first fault, null for a good row) and ``VALUE`` (the text at fault); then the
    flag of each column that is withheld, and ``RESCUED`` when the contract has columns to rescue.
    """
    contract = rules_of(contract, pattern)
    found = sources(list(schema), contract)
    cells = {name: _cell(name, found.get(name), schema, contract, dtype) for name, dtype in types.items()}
    op = _operation(schema, pattern, contract)
    faults = list(_faults(cells, schema, contract))
    rescued = [_rescued(cells, contract).alias(RESCUED)] if contract.rescued else []
    known = [cells[k].value.is_not_null() & ~cells[k].misfit for k in contract.keys]
    return frame.with_columns(op.alias(OP)).select(
        *(cell.value.alias(name) for name, cell in cells.items()),
        POS,
        LOAD,
        pl.col(OP).fill_null(Op.UNKNOWN),
        pl.lit(pattern == "full").alias(FULL),
        (pl.all_horizontal(known) if known else pl.lit(value=True)).alias(KNOWN),
        _first([pl.when(bad).then(pl.lit(reason)) for bad, reason, _ in faults]).alias(FAULT),
        _first([pl.when(bad).then(raw) for bad, _, raw in faults]).alias(VALUE),
        *(cells[name].withheld.alias(withheld_flag(name)) for name in contract.withheld),
        *rescued,
    )


def too_wide(
    frame: pl.LazyFrame,
    schema: Mapping[str, pl.DataType],
    pattern: Pattern,
    contract: Contract,
    types: Mapping[str, pl.DataType],
) -> pl.LazyFrame:
    """Of rows of one schema and pattern the text of each value of ``types`` that only a wider type holds; else null.

    Values of keys and order_by count in upserts and deletes, others in upserts. ``_commit`` comes first.
    """
    contract = rules_of(contract, pattern)
    found = sources(list(schema), contract)
    cells = {n: _cell(n, found.get(n), schema, contract, dtype) for n, dtype in types.items()}
    exact = (*contract.keys, *contract.order_by)
    texts = [
        pl.when((pl.col(OP) <= (Op.DELETE if n in exact else Op.UPSERT)) & cell.misfit & cell.wide)
        .then(cell.raw)
        .alias(n)
        for n, cell in cells.items()
    ]
    return frame.with_columns(_operation(schema, pattern, contract).alias(OP)).select("_commit", *texts)


def _rescued(cells: Mapping[str, "_Cell"], contract: Contract) -> pl.Expr:
    """The misfits of a row as a JSON object, in the order of the contract; null when it has none."""
    members = [
        pl.when(cells[name].misfit & ~cells[name].wide).then(
            pl.lit(f"{json.dumps(name, ensure_ascii=False)}:") + _json_text(cells[name].raw)
        )
        for name in contract.rescued
    ]
    some = pl.any_horizontal(member.is_not_null() for member in members)
    whole = pl.concat_str([pl.lit("{"), pl.concat_str(members, separator=",", ignore_nulls=True), pl.lit("}")])
    return pl.when(some & (pl.col(OP) == Op.UPSERT)).then(whole)


def _json_text(text: pl.Expr) -> pl.Expr:
    return pl.struct(text.alias("v")).struct.json_encode().str.strip_prefix('{"v":').str.strip_suffix("}")


def _first(texts: Sequence[pl.Expr]) -> pl.Expr:
    return pl.coalesce(texts) if texts else pl.lit(None, pl.String)


@dataclass(frozen=True, slots=True)
class _Cell:
    value: pl.Expr
    raw: pl.Expr
    """As text."""
    misfit: pl.Expr
    """Something was there and is not a value of the type; for keys and order_by also: not exactly."""
    fallible: bool = False
    """There may be misfits: not where text stays text, nor in a column whose type was learned from its values."""
    withheld: pl.Expr = field(default_factory=lambda: pl.lit(value=False))
    wide: pl.Expr = field(default_factory=lambda: pl.lit(value=False))
    """Of a misfit: it is a value of a wider type."""


def _cell(
    name: str, source: str | None, schema: Mapping[str, pl.DataType], contract: Contract, dtype: pl.DataType
) -> _Cell:
    named, exact = contract.of(name), name in contract.keys or name in contract.order_by
    if source is None:
        value = pl.lit(None, dtype)
        return _Cell(_default(value, named, dtype, pl.lit(value=False)), pl.lit(None, pl.String), pl.lit(value=False))
    bronze = schema[source]
    given = _normal(_column(source), bronze, contract, sliced=name in contract.sliced)
    kept = pl.lit(value=False)
    if contract.envelope is not None and bronze == pl.String:
        kept = _column(source).is_in(list(WITHHELD)).fill_null(value=False)
    value, text = _read(given, bronze, named, dtype, contract.timezone)
    present = given.is_not_null()
    if text is not None:
        # Bytes that are no text are something, though no text says what.
        present = present & ((text != "") | (dtype == pl.String)).fill_null(value=True)
    unread = misfit = present & value.is_null()
    if exact and text is not None and named.type is not None and dtype != pl.String:
        misfit = misfit | (present & ~prints_back(text, value, dtype, named.format)).fill_null(value=False)
    raw = as_text(given, bronze) if text is None or isinstance(bronze, pl.Binary) else text
    wide = None
    if contract.mode != "strict" and named.type is not None and bronze != pl.Null:
        wide = wider(raw, named.type, named.format, contract.timezone, whole=name in contract.keys)
    fallible = (named.type or "string") != "string" or isinstance(bronze, pl.Binary)
    value = _default(value, named, dtype, kept | misfit)
    wide = pl.lit(value=False) if wide is None else (unread & wide).fill_null(value=False)
    return _Cell(value, raw, misfit, fallible=fallible, withheld=kept, wide=wide)


def _normal(column: pl.Expr, bronze: pl.DataType, contract: Contract, *, sliced: bool = False) -> pl.Expr:
    if isinstance(bronze, pl.Categorical | pl.Enum):
        column = column.cast(pl.String)
    elif bronze != pl.String:
        return column
    if contract.envelope is not None:
        column = pl.when(column.is_in(list(WITHHELD)).not_()).then(column)
    how = contract.spelling
    return normalized(column, trim=how.trim, empty_as_null=how.empty_as_null or sliced, null_values=how.null_values)


def _default(value: pl.Expr, named: Named, dtype: pl.DataType, said: pl.Expr) -> pl.Expr:
    """``said``: rows that say something, though nothing that is a value here."""
    if named.default is None:
        return value
    filling = value.is_null() & (pl.col(OP) == Op.UPSERT) & ~said
    default = pl.lit(named.default) if isinstance(named.default, str | bool) else pl.lit(str(named.default))
    sql = named.type or "string"
    typed = default if isinstance(named.default, bool) else from_text(default, sql, dtype, None, "UTC")
    return pl.when(filling).then(typed.cast(dtype)).otherwise(value)


def _read(
    given: pl.Expr, bronze: pl.DataType, named: Named, dtype: pl.DataType, timezone: str
) -> tuple[pl.Expr, pl.Expr | None]:
    """The value, and the text that it was read from when it was."""
    if bronze == pl.Null:
        return pl.lit(None, dtype), None
    textual = isinstance(bronze, pl.String | pl.Categorical | pl.Enum)
    direct = None if textual else _direct(given, bronze, dtype, timezone)
    if direct is not None and named.type not in ("time", "json", *UNSIGNED):
        return direct, None
    text = given if textual else utf8(given) if isinstance(bronze, pl.Binary) else as_text(given, bronze)
    sql = named.type or _sql(dtype)
    return from_text(text, sql, dtype, named.format, timezone), text


def _sql(dtype: pl.DataType) -> str:
    kinds: tuple[tuple[type[pl.DataType], str], ...] = (
        (pl.Boolean, "boolean"), (pl.Date, "date"), (pl.Datetime, "timestamp"), (pl.Binary, "binary"),
        (pl.String, "string"),
    )  # fmt: skip
    return next((sql for kind, sql in kinds if isinstance(dtype, kind)), LEARNED)


def _direct(  # noqa: PLR0911 - one line for each pair of types
    given: pl.Expr, bronze: pl.DataType, dtype: pl.DataType, timezone: str
) -> pl.Expr | None:
    """A typed value as another type without a way through text; None where there is no such way."""
    if isinstance(bronze, pl.Date) and dtype == TIMESTAMP:
        return midnight(given, timezone)
    if isinstance(bronze, pl.Datetime):
        return _moment(given, bronze, dtype, timezone)
    if bronze == dtype:
        return given
    if bronze.is_integer() and (dtype.is_integer() or isinstance(dtype, pl.Decimal)):
        return given.cast(dtype, strict=False)
    if bronze.is_integer() and dtype.is_float():
        return pl.when(given.cast(dtype).cast(pl.Int128) == given.cast(pl.Int128)).then(given.cast(dtype))
    if bronze.is_float() and dtype.is_float():
        # Exactly, or not a number; NaN equals NaN.
        return pl.when(given.cast(dtype).cast(pl.Float64) == given.cast(pl.Float64)).then(given.cast(dtype))
    if bronze.is_float() and dtype.is_integer():
        return pl.when(given == given.floor()).then(given.cast(dtype, strict=False))
    return None


def _moment(given: pl.Expr, bronze: pl.Datetime, dtype: pl.DataType, timezone: str) -> pl.Expr | None:
    if dtype == TIMESTAMP:
        if bronze.time_unit == "ns":
            given = pl.when(given.dt.nanosecond() % 1_000 == 0).then(given)
        if bronze.time_zone is None:
            return instant(given, timezone)
        return given.dt.convert_time_zone("UTC").cast(TIMESTAMP)
    if isinstance(dtype, pl.Date):
        local = given if bronze.time_zone is None else given.dt.convert_time_zone(timezone).dt.replace_time_zone(None)
        return pl.when(local == local.dt.truncate("1d")).then(local.cast(pl.Date))
    return None


def _operation(schema: Mapping[str, pl.DataType], pattern: Pattern, contract: Contract) -> pl.Expr:
    """Int8; null where the code is null or none of those that are known."""
    told = _told(schema, pattern, contract)
    if contract.envelope is None:
        return told
    return pl.when(TOMBSTONE).then(pl.lit(Op.NOTHING, pl.Int8)).otherwise(told)


def _told(schema: Mapping[str, pl.DataType], pattern: Pattern, contract: Contract) -> pl.Expr:
    upsert = pl.lit(Op.UPSERT, pl.Int8)
    if pattern == "cdc" and contract.codes is not None:
        codes = contract.codes
        if codes.column not in schema:
            return pl.lit(None, pl.Int8)
        code = _code(_column(codes.column), schema[codes.column])
        fold = (lambda t: t) if codes.case_sensitive else str.lower
        code = code if codes.case_sensitive else code.str.to_lowercase()
        chain = pl.when(code.is_in([fold(t) for t in codes.upsert])).then(upsert)
        chain2 = chain.when(code.is_in([fold(t) for t in codes.delete])).then(pl.lit(Op.DELETE, pl.Int8))
        return chain2.when(code.is_in([fold(t) for t in codes.truncate])).then(pl.lit(Op.TRUNCATE, pl.Int8))
    if pattern == "incremental" and contract.marked is not None and contract.marked.column in schema:
        mark = _code(_column(contract.marked.column), schema[contract.marked.column]).str.to_lowercase()
        gone = mark.is_in([v.lower() for v in contract.marked.values]).fill_null(value=False)
        return pl.when(gone).then(pl.lit(Op.DELETE, pl.Int8)).otherwise(upsert)
    return upsert


def _code(column: pl.Expr, bronze: pl.DataType) -> pl.Expr:
    return (column.cast(pl.String) if bronze == pl.String else as_text(column, bronze)).str.strip_chars()


def _faults(
    cells: Mapping[str, _Cell], schema: Mapping[str, pl.DataType], contract: Contract
) -> Iterator[tuple[pl.Expr, str, pl.Expr]]:
    """(where, ``reason:column``, the text at fault), in the order of their importance."""
    op = pl.col(OP)
    if contract.codes is not None:
        column = contract.codes.column
        raw = as_text(_column(column), schema[column]) if column in schema else pl.lit(None, pl.String)
        yield op.is_null(), f"unknown_operation:{column}", raw
    says = (op != Op.NOTHING).fill_null(value=True)
    for name in contract.keys:
        cell = cells[name]
        keyed = says & (op != Op.TRUNCATE).fill_null(value=True)
        yield keyed & cell.misfit, f"uncastable:{name}", cell.raw
        yield keyed & cell.value.is_null(), f"null_key:{name}", cell.raw
    for name in contract.order_by:
        yield says & cells[name].misfit, f"uncastable:{name}", cells[name].raw
        yield says & cells[name].value.is_null(), f"null_order_by:{name}", cells[name].raw
    upsert = op == Op.UPSERT
    for name in dict.fromkeys((*(n.name for n in contract.named), *cells)):
        if name in cells and name not in contract.keys and name not in contract.order_by:
            cell = cells[name]
            if cell.fallible and contract.mode == "strict":
                yield upsert & cell.misfit, f"uncastable:{name}", cell.raw
            elif cell.fallible:
                yield upsert & cell.misfit & cell.wide, f"too_wide:{name}", cell.raw
                if name not in contract.rescued:
                    yield upsert & cell.misfit & ~cell.wide, f"uncastable:{name}", cell.raw
            if not contract.of(name).nullable:
                yield upsert & cell.value.is_null() & ~cell.withheld, f"null_value:{name}", cell.raw
