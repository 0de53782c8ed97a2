"""Bronze rows of all live loads as one frame of typed rows: learned, cast, judged, each with its place."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from medallion_assets.bronze.reader import Verified
from medallion_assets.errors import CheckError, StorageError
from medallion_assets.lake.manifest import Head
from medallion_assets.lake.ports import Store
from medallion_assets.lake.results import Drift
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.runs.groups import Group, contract_of, groups_of, live_of, spent
from medallion_assets.runs.learned import learn, spoken, types_of
from medallion_assets.runs.misfits import rescues, with_rescues, with_wider_types
from medallion_assets.runs.opened import open_groups, withheld
from medallion_assets.runs.reading import Reading
from medallion_assets.silver.columns import (
    BASE,
    CHANGE_TYPE,
    CHANGED_AT,
    COMMIT,
    DELETED_AT,
    FAULT,
    FROM,
    IS_CURRENT,
    IS_DELETED,
    LOAD_DATE,
    OPERATION,
    PART,
    PARTITION,
    POS,
    RESCUED,
    RESERVED,
    RUN_DATE,
    TO,
)
from medallion_assets.silver.contract import Contract, sources
from medallion_assets.silver.history import Interval
from medallion_assets.silver.place import Live, addresses, ranked
from medallion_assets.silver.types import Seen, join

__all__ = ["Known", "Typed", "read_some", "read_typed"]

_OWN = (
    FROM, TO, IS_CURRENT, IS_DELETED, DELETED_AT, LOAD_DATE, RUN_DATE, OPERATION, CHANGED_AT, CHANGE_TYPE
)  # fmt: skip
"""Columns that models add, which a table may be partitioned by."""


@dataclass(frozen=True, slots=True)
class Typed:
    """Rows of live loads: the columns of the table and those that rules need, then the internal ones of
    ``silver.columns``.
    """

    reading: Reading
    columns: tuple[str, ...]
    """Those that belong into the table, in its order."""
    loads: tuple[Live, ...]
    """By rank."""
    places: pl.DataFrame
    """``silver.place.parts`` of the loads."""
    withheld: tuple[str, ...] = ()
    """Columns that have a flag (``withheld_flag``) beside them, true where a row does not supply the value."""
    drift: tuple[Drift, ...] = ()
    learned: Mapping[str, Seen] = field(default_factory=dict)
    """What is known of the values of the columns to which the contract gives no type."""

    @property
    def rows(self) -> pl.DataFrame:
        """All of them at once, in the order of the data."""
        return self.reading.rows


def read_typed(
    plan: DatasetPlan, silver: SilverPlan, head: Head, *, store: Store,
    needed: Sequence[str], interval: Interval | None, verified: Verified | None, most: int | None = None,
) -> Typed:  # fmt: skip
    """Read and verify every live part. ``needed``: columns that rules look at; ``interval``: those of rows that carry
    their own validity, which are times. ``most``: bytes of rows that may be held at once (None: no matter how many).

    Raises Corrupt (BRZ-…), StorageError SLV-001 (a column is missing), SLV-004, SLV-010,
    SLV-012 (an internal name), CheckError CHK-011, CHK-012.
    """
    commits = {c.n: c for c in head.live}
    loads = ranked([live_of(c, head.approved) for c in head.live])
    contract = contract_of(plan, silver, interval)
    closed = groups_of(
        store, plan.bronze.path, [commits[load.n] for load in loads], loads, verified=verified, most=most
    )
    groups = open_groups(tuple(closed), contract)
    columns = _columns(groups, contract, plan, silver)
    own = () if interval is None else interval.columns
    wanted = tuple(dict.fromkeys((*columns, *needed, *own)))
    _refuse_internal(wanted, silver, contract)
    _require(wanted, groups, contract, silver)
    _require_spoken_of(columns, silver)
    if plan.schema_mode == "strict":
        _refuse_strangers(groups, contract, plan)
    contract = replace(contract, withheld=withheld(groups, contract, wanted))
    learned = learn(groups, contract, wanted)
    types = types_of(learned, groups, contract, wanted, silver=silver, times=own[:2])
    reading = Reading(groups, loads, contract, types, most=most)
    if plan.schema_mode == "strict":
        _refuse_misfits(reading.odd, plan, reading.places)
    drift: list[Drift] = []
    if plan.schema_mode == "auto" and reading.odd[FAULT].is_not_null().any():
        contract, found = with_wider_types(contract, groups, types, loads)
        drift += found
        if found:
            types = types_of(learned, groups, contract, wanted, silver=silver, times=own[:2])
            reading = Reading(groups, loads, contract, types, most=most)
    if plan.schema_mode != "strict" and any(named.type for named in contract.named):
        contract = with_rescues(contract, reading.odd, columns, own)
    if contract.rescued:
        reading = Reading(groups, loads, contract, types, most=most)
        drift += rescues(contract, reading.odd, loads)
        columns = (*columns, RESCUED)
    return Typed(reading, columns, loads, reading.places, contract.withheld, tuple(drift), learned)


@dataclass(frozen=True, slots=True)
class Known:
    """What an earlier reading of all live loads found: the columns of the table, and what their values show."""

    columns: tuple[str, ...]
    learned: Mapping[str, Seen]


def read_some(
    plan: DatasetPlan, silver: SilverPlan, head: Head, *, store: Store, verified: Verified | None,
    needed: Sequence[str], known: Known, only: Collection[int], keys: pl.DataFrame | None = None,
) -> Typed | None:  # fmt: skip
    """Rows of the live commits ``only`` (with ``keys``, those of these keys), as a reading of all would give them.

    ``known``: of all live loads but those, whose columns and types must still hold. None when they do not, when a value
    must be rescued or a column widened: then all must be read. Raises as ``read_typed``.
    """
    commits = {c.n: c for c in head.live}
    loads = ranked([live_of(c, head.approved) for c in head.live])
    contract = contract_of(plan, silver, None)
    chosen = [load for load in loads if load.n in only]
    closed = groups_of(store, plan.bronze.path, [commits[load.n] for load in chosen], chosen, verified=verified)
    groups = open_groups(tuple(closed), contract)
    wanted = tuple(dict.fromkeys((*known.columns, *needed)))
    if _blank(groups) or not {*_columns(groups, contract, plan, silver)} <= {*known.columns}:
        return None
    if plan.schema_mode == "strict":
        _refuse_strangers(groups, contract, plan)
    contract = replace(contract, withheld=withheld(groups, contract, wanted))
    types = types_of(known.learned, (), contract, wanted, silver=silver)
    learned = dict(known.learned)
    for name, seen in learn(groups, contract, wanted).items():
        learned[name] = join(learned.get(name, Seen()), seen)
    if types_of(learned, groups, contract, wanted, silver=silver) != types:
        return None
    reading = Reading(groups, loads, contract, types, keys)
    if plan.schema_mode == "strict":
        _refuse_misfits(reading.odd, plan, reading.places)
    faulty = reading.odd[FAULT].is_not_null().any()
    if faulty and (plan.schema_mode == "auto" or with_rescues(contract, reading.odd, known.columns, ()).rescued):
        return None
    return Typed(reading, known.columns, loads, reading.places, contract.withheld, (), learned)


def _columns(groups: Sequence[Group], contract: Contract, plan: DatasetPlan, silver: SilverPlan) -> tuple[str, ...]:
    """The table's columns: as the intent lists them, or all, in the order of the data."""
    if silver.attributes:
        return tuple(dict.fromkeys((*silver.keys, *silver.order_by, *silver.attributes)))
    found = dict.fromkeys(name for group in groups for name in sources(list(group.schema), contract))
    if _blank(groups):
        found = dict.fromkeys(name for names in spoken(silver).values() for name in names if name not in _OWN)
    named = dict.fromkeys(c.name for c in plan.columns)
    out = set(silver.exclude) | spent(groups, contract)
    must = dict.fromkeys((*silver.keys, *silver.order_by))
    return tuple(n for n in {**found, **named, **must} if n not in out or n in must)


def _refuse_internal(wanted: Sequence[str], silver: SilverPlan, contract: Contract) -> None:
    rescues_some = contract.mode != "strict" and any(named.type is not None for named in contract.named)
    if rescues_some and RESCUED in wanted:
        raise StorageError(
            "SLV-012", f"Column {RESCUED!r} of the source has a name that the table needs for itself.",
            where=str(silver.entity), fix=f"rename it: `columns: {{source_rescued: {{source_names: {RESCUED}}}}}`.",
        )  # fmt: skip
    taken = next((n for n in wanted if n.startswith(RESERVED)), None)
    if taken is not None:
        free = taken.strip("_") or "renamed"
        raise StorageError(
            "SLV-012", f"Column {taken!r}: names that start with {RESERVED!r} are kept for the computation.",
            where=str(silver.entity), fix=f"rename it: `columns: {{{free}: {{source_names: {taken}}}}}`.",
        )  # fmt: skip


def _require(wanted: Sequence[str], groups: Sequence[Group], contract: Contract, silver: SilverPlan) -> None:
    if _blank(groups):
        return
    found = {name for group in groups for name in sources(list(group.schema), contract)}
    optional = {n.name for n in contract.named}
    for name in wanted:
        must = name in silver.keys or name in silver.order_by or name not in optional
        if must and name not in found:
            raise StorageError(
                "SLV-001", f"No load has a column {name!r}. There are {', '.join(sorted(found)) or 'none'}.",
                where=str(silver.entity), fix="name one of these, or map it with `columns: {…: {source_names: …}}`.",
            )  # fmt: skip


def _require_spoken_of(columns: Sequence[str], silver: SilverPlan) -> None:
    """Columns that the model is told about must be in the table."""
    for key, names in spoken(silver).items():
        missing = [n for n in names if n not in columns and n not in _OWN]
        if missing:
            raise StorageError(
                "SLV-001", f"`{key}` names {missing[0]!r}; the table has {', '.join(columns)}.",
                where=str(silver.entity), fix="name one of these.",
            )  # fmt: skip


def _blank(groups: Sequence[Group]) -> bool:
    """No load has a column of a row (an empty JSON list, truncates in envelopes): the table has the columns that the
    intent names.
    """
    return all(name.startswith(RESERVED) for group in groups for name in group.schema)


def _refuse_strangers(groups: Sequence[Group], contract: Contract, plan: DatasetPlan) -> None:
    names = [n.name for n in contract.named]
    for group in groups:
        found = sources(list(group.schema), contract)
        new = [n for n in found if n not in names and n not in spent(groups, contract)]
        absent = [n for n in names if n not in found]
        if found and names and (new or absent):
            which = f"has {', '.join(new)} that `columns` does not name" if new else f"lacks {', '.join(absent)}"
            raise CheckError(
                "CHK-012", f"Partition {group.loads[0].partition} {which}, and schema_mode is strict.",
                where=_place(plan, group.loads[0].partition), fix="change `columns`, or set schema_mode: lenient.",
            )  # fmt: skip


def _refuse_misfits(rows: pl.DataFrame, plan: DatasetPlan, places: pl.DataFrame) -> None:
    bad = rows.filter(pl.col(FAULT).str.starts_with("uncastable:") | pl.col(FAULT).str.starts_with("null_value:"))
    if bad.height:
        first = addresses(bad.select(FAULT, POS).head(1), POS, places).row(0, named=True)
        reason, _, column = str(first[FAULT]).partition(":")
        address = f"commit {first[COMMIT]}, part {first[PART]}, row {first[POS] - first[BASE]}"
        raise CheckError(
            "CHK-012",
            # Not the value: it may be personal.
            f"{bad.height:,} rows do not fit `columns`, and schema_mode is strict; the first: {reason} {column}.",
            where=f"{_place(plan, str(first[PARTITION]))} ({address})",
            fix="correct the source or `columns`, or set schema_mode: lenient.",
        )


def _place(plan: DatasetPlan, partition: str) -> str:
    return f"{plan.file}:{plan.line}  {plan.name} {partition}"
