"""Bronze rows by the keys that silver reads in them, and keys of people as values of the key columns."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from medallion_assets.errors import ConfigError
from medallion_assets.lake.manifest import Head
from medallion_assets.lake.ports import Store
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.runs.groups import contract_of
from medallion_assets.runs.typed import Typed, read_typed
from medallion_assets.silver.columns import BASE, COMMIT, KNOWN, LOAD, OP, PART, POS, Op
from medallion_assets.silver.conform import conform
from medallion_assets.silver.contract import Contract, set_aside
from medallion_assets.silver.place import addresses

__all__ = ["KEY", "ROW", "Keys", "Matched", "match"]

ROW, KEY = "__row", "__key"


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys as text, each a value for every one of ``names`` (final names, the keys of one silver table)."""

    names: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Matched:
    """All rows of live loads, and the keys that are looked for among them."""

    typed: Typed
    wanted: pl.DataFrame
    """The key columns with their types, and ``KEY`` (Int64): the place of a key in ``Keys.values``."""

    @property
    def rows(self) -> pl.DataFrame:
        """COMMIT, PART, ``ROW`` (in its part, from 0) and ``KEY`` of every row with one of the keys, in the order of
        the data. Truncates are of no key.
        """
        names = [name for name in self.wanted.columns if name != KEY]
        own = self.typed.rows.lazy().filter(KNOWN, pl.col(OP) != Op.TRUNCATE).select(*names, POS)
        matched = own.join(self.wanted.lazy(), on=names).sort(POS).collect()
        placed = addresses(matched, POS, self.typed.places)
        return placed.select(COMMIT, PART, (pl.col(POS) - pl.col(BASE)).alias(ROW), KEY)


def match(plan: DatasetPlan, silver: SilverPlan, keys: Keys, head: Head, *, store: Store) -> Matched:
    """Read the keys of all live loads, and ``keys`` as the cells of a row are read.

    Raises ConfigError CLI-014 for a value that is no key; what ``read_typed`` raises.
    """
    names = keys.names
    bare = replace(
        silver, model="scd_type_1", keys=names, attributes=names, exclude=(), order_by=(), track=(),
        track_except=(), ignore_nulls=False, partition_by=(),
    )  # fmt: skip
    lenient = replace(plan, schema_mode="lenient")
    typed = read_typed(lenient, bare, head, store=store, needed=(), interval=None, verified=None)
    contract = replace(contract_of(lenient, bare, None), codes=None, marked=None)
    return Matched(typed, _read(plan, keys, contract, {name: typed.rows.schema[name] for name in names}))


def _read(plan: DatasetPlan, keys: Keys, contract: Contract, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The keys as values of their columns, with their place."""
    names = keys.names
    bronze = [next(iter(contract.of(name).source_names), name) for name in names]
    text = pl.DataFrame(list(keys.values), schema=[set_aside(b) for b in bronze], orient="row")
    placed = text.cast(pl.String).with_columns(
        pl.int_range(pl.len(), dtype=pl.Int64).alias(POS), pl.lit(0, pl.Int64).alias(LOAD)
    )
    schema = dict.fromkeys(bronze, pl.String())
    read = conform(placed.lazy(), schema, "incremental", contract, types).collect()
    odd = read.filter(~pl.col(KNOWN))
    if odd.height:
        said = ", ".join(f"{n}={v}" for n, v in zip(names, keys.values[odd[POS][0]], strict=True))
        kinds = ", ".join(f"{name} is {dtype}" for name, dtype in types.items())
        raise ConfigError(
            "CLI-014", f"{said} is no key of this dataset, where {kinds}.", where=plan.name,
            fix="write the key as the source does.",
        )  # fmt: skip
    return read.select(*names, pl.col(POS).alias(KEY)).unique(list(names), keep="first")
