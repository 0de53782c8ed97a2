"""The type of every column of a silver table: as the contract says, or learned from the values of all live loads."""

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from medallion_assets.errors import CheckError, StorageError
from medallion_assets.plan.model import SilverPlan
from medallion_assets.runs.groups import Group
from medallion_assets.silver.columns import VALUE
from medallion_assets.silver.conform import learnable
from medallion_assets.silver.contract import Contract, rules_of
from medallion_assets.silver.learn import seen
from medallion_assets.silver.place import Live
from medallion_assets.silver.slices import slices
from medallion_assets.silver.types import TIMESTAMP, Seen, join, resolve, sql_type

__all__ = ["learn", "spoken", "types_of"]

_TEXT = "text"
_FEW = 50
_SAMPLE = 2_000
"""Rows that may show that a column is text, before all of them are looked at."""


def learn(groups: Sequence[Group], contract: Contract, wanted: Sequence[str]) -> dict[str, Seen]:
    """What the values of those of the ``wanted`` columns show to which the contract gives no type."""
    learned: dict[str, Seen] = {}
    open_ = [n for n in wanted if contract.of(n).type is None]
    for group in groups:
        for place, piece in enumerate(group.pieces()):
            names = [n for n in open_ if not learned.get(n, Seen()).text]
            told = {} if place else _learn(piece.head(_SAMPLE), group, contract, names)
            rest = [n for n in names if n not in told or not told[n].text] if place or group.rows > _SAMPLE else []
            told |= _learn(piece, group, contract, rest)
            learned |= {n: join(learned.get(n, Seen()), told[n]) for n in names}
    return learned


def types_of(
    learned: Mapping[str, Seen], groups: Sequence[Group], contract: Contract, wanted: Sequence[str], *,
    silver: SilverPlan, times: Sequence[str] = (),
) -> dict[str, pl.DataType]:  # fmt: skip
    """Types of the ``wanted`` columns, given or ``learned`` from ``groups``; ``times`` must be times.

    Raises CheckError CHK-011 (a key or order_by is text in some loads only), StorageError SLV-010.
    """
    # Times where no value says otherwise.
    timed = (*times, *silver.order_by, *(s.column for s in slices(silver.partition_by) if s.part))
    exact = {*contract.keys, *contract.order_by}
    types: dict[str, pl.DataType] = {}
    for name in wanted:
        given = contract.of(name).type
        types[name] = sql_type(given) if given else resolve(learned.get(name, Seen()), key=name in contract.keys)
        if name in exact and given is None and types[name] == pl.String:
            _refuse_mixture(name, groups, contract, silver)
        if name in timed and given is None and learned.get(name, Seen()) == Seen():
            types[name] = TIMESTAMP
    odd = next((name for name in times if not isinstance(types[name], pl.Date | pl.Datetime)), None)
    if odd is not None:
        raise StorageError(
            "SLV-010", f"`load.interval` names {odd!r} ({types[odd]}), which is no time.",
            where=str(silver.entity), fix=f"say how it is written: `columns: {{{odd}: {{type: date, format: …}}}}`.",
        )  # fmt: skip
    return types


def _learn(frame: pl.LazyFrame, group: Group, contract: Contract, names: Sequence[str]) -> dict[str, Seen]:
    columns = learnable(group.schema, rules_of(contract, group.pattern), names)
    if not columns:
        return {n: Seen() for n in names}
    rows = frame.select(columns.values()).collect()
    return {n: seen(rows[n]) if n in columns else Seen() for n in names}


def _refuse_mixture(name: str, groups: Sequence[Group], contract: Contract, silver: SilverPlan) -> None:
    """CHK-011 when a key or order_by that became text is not text in every load: 10 would sort before 9, and 1 and 1.0

    would be two keys.
    """
    kinds: dict[str, str] = {}
    for group in groups:
        for load, told in _load_by_load(name, group, contract):
            if told != Seen():
                kinds.setdefault(_kind(resolve(told, key=name in contract.keys)), load.partition)
    if kinds.keys() <= {_TEXT}:
        return
    # Text and something else says most; without text any two of them made it.
    shown = sorted(kinds.items(), key=lambda kind: kind[0] != _TEXT)[:2]
    raise CheckError(
        "CHK-011",
        f"{name!r} is {' and '.join(f'{kind} in partition {partition}' for kind, partition in shown)}.",
        where=str(silver.entity),
        fix=f"say what it is: `columns: {{{name}: string}}`.",
    )


def _load_by_load(name: str, group: Group, contract: Contract) -> Iterator[tuple[Live, Seen]]:
    column = learnable(group.schema, rules_of(contract, group.pattern), [name])
    if not column:
        return
    value = column[name].alias(VALUE)
    # The first rows of a load mostly show that it is text; the others are looked at whole.
    few = [piece.filter(pl.col("_row") < _FEW).select("_commit", value).collect() for piece in group.pieces()]
    sample = pl.concat(few)
    heads = {n: rows[VALUE] for (n,), rows in sample.partition_by("_commit", as_dict=True).items()}
    for load in group.loads:
        told = seen(heads[load.n]) if load.n in heads else Seen()
        if not told.text and load.rows > _FEW:
            told = seen(group.frame.filter(pl.col("_commit") == load.n).select(value).collect()[VALUE])
        yield load, told


def _kind(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.Decimal):
        return f"a decimal of scale {dtype.scale}" if dtype.scale else "a long whole number"
    if isinstance(dtype, pl.Datetime):
        return "a time"
    kinds: dict[type[pl.DataType], str] = {
        pl.Boolean: "true or false", pl.Int64: "a whole number", pl.Float64: "a float", pl.Date: "a date",
        pl.Binary: "bytes",
    }  # fmt: skip
    return kinds.get(type(dtype), _TEXT)


def spoken(silver: SilverPlan) -> dict[str, tuple[str, ...]]:
    """The columns that a model is told about, by the key of the intent that names them."""
    return {
        "track": silver.track,
        "track_except": silver.track_except,
        "ignore_nulls": () if isinstance(silver.ignore_nulls, bool) else silver.ignore_nulls,
        "partition_by": tuple(s.column for s in slices(silver.partition_by)),
    }
