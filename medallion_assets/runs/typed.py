"""Bronze rows of all live loads as one frame of typed rows: learned, cast, judged, each with its place."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from medallion_assets.bronze.reader import Verified, scan
from medallion_assets.errors import CheckError, StorageError
from medallion_assets.intent.load import Cdc, Incremental
from medallion_assets.lake.manifest import Commit, Head, Pattern
from medallion_assets.lake.ports import Engine, Store
from medallion_assets.plan.model import DatasetPlan, SilverPlan
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
    LOAD,
    LOAD_DATE,
    OPERATION,
    PART,
    PARTITION,
    POS,
    RESERVED,
    RUN_DATE,
    TO,
    VALUE,
)
from medallion_assets.silver.conform import (
    Codes,
    Contract,
    Marked,
    Named,
    Spelling,
    conform,
    learnable,
    set_aside,
    sources,
)
from medallion_assets.silver.history import Interval
from medallion_assets.silver.learn import seen
from medallion_assets.silver.place import Live, addresses, clocked, parts, ranked
from medallion_assets.silver.slices import slices
from medallion_assets.silver.types import TIMESTAMP, Seen, join, resolve, sql_type

__all__ = ["Typed", "read_typed"]

_OWN = (
    FROM, TO, IS_CURRENT, IS_DELETED, DELETED_AT, LOAD_DATE, RUN_DATE, OPERATION, CHANGED_AT, CHANGE_TYPE
)  # fmt: skip
"""Columns that models add, which a table may be partitioned by."""
_TEXT = "text"
_FEW = 50
_SAMPLE = 2_000
"""Rows that may show that a column is text, before all of them are looked at."""


@dataclass(frozen=True, slots=True)
class Typed:
    """Rows of all live loads in the order of the data."""

    rows: pl.DataFrame
    """The columns of the table and those that rules need, then the internal ones of ``silver.columns``."""
    columns: tuple[str, ...]
    """Those that belong into the table, in its order."""
    loads: tuple[Live, ...]
    """By rank."""
    places: pl.DataFrame
    """``silver.place.parts`` of the loads."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Live loads of one schema and pattern: one scan."""

    pattern: Pattern
    frame: pl.LazyFrame
    schema: Mapping[str, pl.DataType]
    rows: int
    loads: tuple[Live, ...]


def read_typed(
    plan: DatasetPlan, silver: SilverPlan, head: Head, *, store: Store, engine: Engine,
    needed: Sequence[str], interval: Interval | None, verified: Verified | None,
) -> Typed:  # fmt: skip
    """Read and verify every live part. ``needed``: columns that rules look at; ``interval``: those of rows that carry
    their own validity, which are times.

    Raises Corrupt (BRZ-…), StorageError SLV-001 (a column is missing), SLV-004, SLV-010,
    SLV-012 (an internal name), CheckError CHK-011, CHK-012.
    """
    commits = {c.n: c for c in head.live}
    loads = ranked([_live(c, head.approved) for c in head.live])
    contract = _contract(plan, silver, interval)
    groups = tuple(_groups(store, plan.bronze.path, [commits[load.n] for load in loads], loads, verified))
    columns = _columns(groups, contract, plan, silver)
    own = () if interval is None else interval.columns
    wanted = tuple(dict.fromkeys((*columns, *needed, *own)))
    _refuse_internal(wanted, silver)
    _require(wanted, groups, contract, silver)
    _require_spoken_of(columns, silver)
    if plan.schema_mode == "strict":
        _refuse_strangers(groups, contract, plan)
    types = _types(groups, contract, wanted, engine, silver, times=own[:2])
    places = parts(loads)
    _require_time(loads, contract, types)
    frames = [_conformed(group, contract, types, places) for group in groups]
    clock = contract.order_by[0] if contract.order_by else None
    whole = clocked(pl.concat(frames).sort(POS), loads, clock, types[clock] if clock else pl.Null(), contract.timezone)
    rows = engine.collect(whole)
    if plan.schema_mode == "strict":
        _refuse_misfits(rows, plan, places)
    return Typed(rows, columns, loads, places)


def _live(commit: Commit, approved: Collection[int]) -> Live:
    load = commit.load
    at = load.path.rpartition("dt=")[2][:10]
    return Live(
        commit.n, load.pattern, load.partition, load.window.start, load.window.end, date.fromisoformat(at), load.rows,
        load.refused,
        tuple((p.ordinal, p.rows) for p in load.parts),
        commit.n in approved,
    )  # fmt: skip


def _contract(plan: DatasetPlan, silver: SilverPlan, interval: Interval | None) -> Contract:
    keyed = silver.model not in ("periodic_snapshot", "event")
    codes, marked = None, None
    load = plan.load
    if keyed and isinstance(load, Cdc):
        op = load.operation
        codes = Codes(
            op.column or "", (*op.insert, *op.update), op.delete, op.truncate, case_sensitive=op.case_sensitive
        )
    if keyed and isinstance(load, Incremental) and load.deleted is not None:
        marked = Marked(load.deleted.column, load.deleted.values)
    return Contract(
        timezone=plan.calendar.timezone,
        named=tuple(Named(c.name, c.type, c.source_names, c.format, c.nullable, c.default) for c in plan.columns),
        keys=silver.keys,
        order_by=silver.order_by if interval is None else (interval.start,),
        spelling=Spelling(
            silver.normalize.trim_strings, silver.normalize.empty_strings_as_null, silver.normalize.null_values
        ),
        codes=codes,
        marked=marked,
    )


def _groups(
    store: Store, path: str, commits: Sequence[Commit], loads: Sequence[Live], verified: Verified | None
) -> Iterator[_Group]:
    by_kind: dict[tuple[object, str], list[int]] = {}
    for rank, commit in enumerate(commits):
        by_kind.setdefault((commit.load.schema, commit.load.pattern), []).append(rank)
    for ranks in by_kind.values():
        chosen = [commits[rank] for rank in ranks]
        frame = scan(store, path, chosen, verified)
        schema = {n: t for n, t in frame.collect_schema().items() if n not in ("_commit", "_part", "_row")}
        frame = frame.rename({n: set_aside(n) for n in schema if n.startswith(RESERVED)})
        rows = sum(c.load.rows for c in chosen)
        yield _Group(chosen[0].load.pattern, frame, schema, rows, tuple(loads[rank] for rank in ranks))


def _columns(groups: Sequence[_Group], contract: Contract, plan: DatasetPlan, silver: SilverPlan) -> tuple[str, ...]:
    """The table's columns: as the intent lists them, or all, in the order of the data."""
    if silver.attributes:
        return tuple(dict.fromkeys((*silver.keys, *silver.order_by, *silver.attributes)))
    found = dict.fromkeys(name for group in groups for name in sources(list(group.schema), contract))
    if _blank(groups):
        found = dict.fromkeys(name for names in _spoken(silver).values() for name in names if name not in _OWN)
    named = dict.fromkeys(c.name for c in plan.columns)
    spent = set(silver.exclude) | _spent(groups, contract)
    must = dict.fromkeys((*silver.keys, *silver.order_by))
    return tuple(n for n in {**found, **named, **must} if n not in spent or n in must)


def _spent(groups: Sequence[_Group], contract: Contract) -> set[str]:
    """The columns that say what a row does: used up by it."""
    used = {m.column for m in (contract.codes, contract.marked) if m is not None}
    return {name for g in groups for name, source in sources(list(g.schema), contract).items() if source in used}


def _refuse_internal(wanted: Sequence[str], silver: SilverPlan) -> None:
    taken = next((n for n in wanted if n.startswith(RESERVED)), None)
    if taken is not None:
        free = taken.strip("_") or "renamed"
        raise StorageError(
            "SLV-012", f"Column {taken!r}: names that start with {RESERVED!r} are kept for the computation.",
            where=str(silver.entity), fix=f"rename it: `columns: {{{free}: {{source_names: {taken}}}}}`.",
        )  # fmt: skip


def _require(wanted: Sequence[str], groups: Sequence[_Group], contract: Contract, silver: SilverPlan) -> None:
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
    for key, names in _spoken(silver).items():
        missing = [n for n in names if n not in columns and n not in _OWN]
        if missing:
            raise StorageError(
                "SLV-001", f"`{key}` names {missing[0]!r}; the table has {', '.join(columns)}.",
                where=str(silver.entity), fix="name one of these.",
            )  # fmt: skip


def _spoken(silver: SilverPlan) -> dict[str, tuple[str, ...]]:
    """The columns that a model is told about, by the key of the intent that names them."""
    return {
        "track": silver.track,
        "track_except": silver.track_except,
        "ignore_nulls": () if isinstance(silver.ignore_nulls, bool) else silver.ignore_nulls,
        "partition_by": tuple(s.column for s in slices(silver.partition_by)),
    }


def _blank(groups: Sequence[_Group]) -> bool:
    """No load has a column, thus none a row (an empty JSON list): the table has the columns that the intent names."""
    return not any(group.schema for group in groups)


def _refuse_strangers(groups: Sequence[_Group], contract: Contract, plan: DatasetPlan) -> None:
    names = [n.name for n in contract.named]
    for group in groups:
        found = sources(list(group.schema), contract)
        new = [n for n in found if n not in names and n not in _spent(groups, contract)]
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


def _types(
    groups: Sequence[_Group], contract: Contract, wanted: Sequence[str], engine: Engine, silver: SilverPlan,
    *, times: Sequence[str],
) -> dict[str, pl.DataType]:  # fmt: skip
    # Times where no value says otherwise.
    timed = (*times, *silver.order_by, *(s.column for s in slices(silver.partition_by) if s.part))
    learned: dict[str, Seen] = {}
    open_ = [n for n in wanted if contract.of(n).type is None]
    for group in groups:
        names = [n for n in open_ if not learned.get(n, Seen()).text]
        first = _learn(group.frame.head(_SAMPLE), group, contract, names, engine)
        rest = [n for n in names if not first[n].text] if group.rows > _SAMPLE else []
        # One column at a time: together they may not fit in memory.
        whole = {n: _learn(group.frame, group, contract, [n], engine)[n] for n in rest}
        learned |= {n: join(learned.get(n, Seen()), whole.get(n, first[n])) for n in names}
    exact = {*contract.keys, *contract.order_by}
    types: dict[str, pl.DataType] = {}
    for name in wanted:
        given = contract.of(name).type
        types[name] = sql_type(given) if given else resolve(learned.get(name, Seen()), key=name in contract.keys)
        if name in exact and given is None and types[name] == pl.String:
            _refuse_mixture(name, groups, contract, engine, silver)
        if name in timed and given is None and learned.get(name, Seen()) == Seen():
            types[name] = TIMESTAMP
    odd = next((name for name in times if not isinstance(types[name], pl.Date | pl.Datetime)), None)
    if odd is not None:
        raise StorageError(
            "SLV-010", f"`load.interval` names {odd!r} ({types[odd]}), which is no time.",
            where=str(silver.entity), fix=f"say how it is written: `columns: {{{odd}: {{type: date, format: …}}}}`.",
        )  # fmt: skip
    return types


def _learn(
    frame: pl.LazyFrame, group: _Group, contract: Contract, names: Sequence[str], engine: Engine
) -> dict[str, Seen]:
    columns = learnable(group.schema, contract, names)
    if not columns:
        return {n: Seen() for n in names}
    rows = engine.collect(frame.select(columns.values()))
    return {n: seen(rows[n]) if n in columns else Seen() for n in names}


def _refuse_mixture(
    name: str, groups: Sequence[_Group], contract: Contract, engine: Engine, silver: SilverPlan
) -> None:
    """CHK-011 when a key or order_by that became text is not text in every load: 10 would sort before 9, and 1 and 1.0

    would be two keys.
    """
    kinds: dict[str, str] = {}
    for group in groups:
        for load, told in _load_by_load(name, group, contract, engine):
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


def _load_by_load(name: str, group: _Group, contract: Contract, engine: Engine) -> Iterator[tuple[Live, Seen]]:
    column = learnable(group.schema, contract, [name])
    if not column:
        return
    value = column[name].alias(VALUE)
    # The first rows of a load mostly show that it is text; the others are looked at whole.
    sample = engine.collect(group.frame.filter(pl.col("_row") < _FEW).select("_commit", value))
    heads = {n: rows[VALUE] for (n,), rows in sample.partition_by("_commit", as_dict=True).items()}
    for load in group.loads:
        told = seen(heads[load.n]) if load.n in heads else Seen()
        if not told.text and load.rows > _FEW:
            told = seen(engine.collect(group.frame.filter(pl.col("_commit") == load.n).select(value))[VALUE])
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


def _require_time(loads: Sequence[Live], contract: Contract, types: Mapping[str, pl.DataType]) -> None:
    patterns = {load.pattern == "full" for load in loads if load.rows or load.pattern == "full"}
    if len(patterns) == 2 and contract.order_by and not types[contract.order_by[0]].is_temporal():
        name = contract.order_by[0]
        raise StorageError(
            "SLV-010", f"Full partitions and changes are in one dataset, and {name!r} ({types[name]}) is no time.",
            fix="order by a time: what a full partition says is placed at the start of its window.",
        )  # fmt: skip


def _conformed(
    group: _Group, contract: Contract, types: Mapping[str, pl.DataType], places: pl.DataFrame
) -> pl.LazyFrame:
    # Without a rule for its operations every row of a cdc load is an upsert (event, periodic_snapshot).
    rules = contract if group.pattern == "cdc" else replace(contract, codes=None)
    where = places.lazy().select(COMMIT, PART, LOAD, BASE)
    placed = group.frame.join(
        where, left_on=["_commit", "_part"], right_on=[COMMIT, PART], how="left", maintain_order="left"
    ).with_columns((pl.col(BASE) + pl.col("_row")).alias(POS))
    return conform(placed, group.schema, group.pattern, rules, types)
