"""Groups of loads whose rows come in an envelope, opened: from here on they are like any other cdc rows."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial

import polars as pl

from medallion_assets.bronze.reader import ADDRESS
from medallion_assets.runs.groups import Group
from medallion_assets.silver.contract import Contract, set_aside, sources
from medallion_assets.silver.envelope import OPERATION, TOMBSTONE, WITHHELD, Envelope, form, opened

__all__ = ["open_groups", "withheld"]


_NO_TOMBSTONE = pl.lit(value=False).alias(TOMBSTONE)


def open_groups(groups: Sequence[Group], contract: Contract) -> tuple[Group, ...]:
    """The cdc groups that hold Debezium's events with the columns of the rows that changed; others as they are."""
    return tuple(_opened(group, contract) for group in groups)


def _opened(group: Group, contract: Contract) -> Group:
    if contract.envelope is None or group.pattern != "cdc":
        return group
    if form(group.schema) is None:
        return replace(group, read=lambda rows: (piece.with_columns(_NO_TOMBSTONE) for piece in group.read(rows)))
    claimed = frozenset(source for named in contract.named for source in named.source_names)
    open_ = partial(_rows, group, contract, contract.envelope, claimed)
    if group.rows <= group.piece:
        whole = open_(group.frame)
        return replace(group, schema=_told(whole.schema), read=lambda _: iter([_aside(whole).lazy()]))
    # Which columns there are, the documents say: all are opened once for that, and again whenever rows are read.
    nothing = pl.concat([open_(piece).clear() for piece in group.pieces()], how="diagonal_relaxed")
    schema = nothing.schema

    def read(rows: int | None) -> Iterator[pl.LazyFrame]:
        for piece in group.read(rows):
            yield _aside(pl.concat([nothing, open_(piece)], how="diagonal_relaxed").cast(schema)).lazy()

    return replace(group, schema=_told(schema), read=read)


def _rows(
    group: Group, contract: Contract, envelope: Envelope, claimed: Collection[str], piece: pl.LazyFrame
) -> pl.DataFrame:
    """The changed rows under the names of the source, and their addresses."""
    rows = piece.collect().rename({set_aside(name): name for name in group.schema})
    told = opened(rows.select(*group.schema), envelope, claimed)
    if contract.codes is None:  # every row is an event, its operation a column like others
        shown = told[OPERATION].alias("op")
        told = told.drop(OPERATION) if "op" in told.columns else told.drop(OPERATION).with_columns(shown)
    return pl.concat([told, rows.select(ADDRESS)], how="horizontal")


def _told(schema: pl.Schema) -> dict[str, pl.DataType]:
    return {name: dtype for name, dtype in schema.items() if name not in (TOMBSTONE, *ADDRESS)}


def _aside(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.rename({name: set_aside(name) for name in _told(rows.schema)})


def withheld(groups: Sequence[Group], contract: Contract, wanted: Sequence[str]) -> tuple[str, ...]:
    """Those of the ``wanted`` columns of which some event withholds the value."""
    if contract.envelope is None:
        return ()
    found: set[str] = set()
    for group in groups:
        if group.pattern != "cdc":
            continue
        names = {n: s for n, s in sources(list(group.schema), contract).items() if n in wanted}
        texts = {n: s for n, s in names.items() if group.schema[s] == pl.String}
        if texts:
            asked = [pl.col(set_aside(s)).is_in(WITHHELD).any().alias(n) for n, s in texts.items()]
            for piece in group.pieces():
                row = piece.select(asked).collect().row(0, named=True)
                found |= {name for name, there in row.items() if there}
    return tuple(name for name in wanted if name in found)
