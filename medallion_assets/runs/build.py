"""The rows of a silver table out of all live loads, with what became of every bronze row."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl
from typing_extensions import assert_never

from medallion_assets.bronze.reader import Verified
from medallion_assets.errors import CheckError
from medallion_assets.intent.load import CurrentHistory
from medallion_assets.lake.manifest import Head
from medallion_assets.lake.pieces import Pieces
from medallion_assets.lake.ports import Engine, Store
from medallion_assets.lake.results import Drift, Held
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.runs.finished import finished, own_slices, quarantined, refuse_reserved
from medallion_assets.runs.movers import needed_by_rules
from medallion_assets.runs.room import Choice, Room
from medallion_assets.runs.scratch import Scratch
from medallion_assets.runs.sharing import Shared, shared
from medallion_assets.runs.typed import Typed, read_typed
from medallion_assets.silver.columns import FROM, IS_CURRENT, LOAD, POS, RESCUED, TO
from medallion_assets.silver.event import distinct, earliest
from medallion_assets.silver.events import Shape
from medallion_assets.silver.guard import Hold
from medallion_assets.silver.history import Interval, intervals
from medallion_assets.silver.keyed import Account, KeyedModel, Outcome, Rules, Share, refine_keyed
from medallion_assets.silver.slices import slices
from medallion_assets.silver.snapshot import copies
from medallion_assets.silver.types import Seen

__all__ = ["Built", "build", "interval_of", "rules_of", "shape_of"]


@dataclass(frozen=True, slots=True)
class Built:
    """A table's rows and account."""

    pieces: Pieces
    """Those of shares are in files that live as long as the scratch folder."""
    partition_by: tuple[str, ...]
    quarantine: pl.DataFrame
    """reason, column, value (text), commit, part, row, partition; in the order of the data."""
    accounting: Mapping[str, int]
    """rows_in, events, duplicates, filtered, quarantined, rows, absence_deletes, ties, incomplete; then judged (rows
    that rules saw) and ``rule:<name>`` (rows that broke it) for every rule that moves rows."""
    quarantined_by_partition: Mapping[str, int]
    held: tuple[Held, ...]
    drift: tuple[Drift, ...]
    columns: tuple[str, ...]
    """Of the owner."""
    learned: Mapping[str, Seen]
    last_delete: int | None
    truncated: bool
    samples: Mapping[str, str]
    """As in ``Sorted``."""
    choice: Choice

    @property
    def rows(self) -> pl.DataFrame:
        """All rows at once."""
        return self.pieces.whole()


def build(
    plan: DatasetPlan, silver: SilverPlan, head: Head, *, store: Store, room: Room, scratch: Scratch,
    verified: Verified | None = None,
) -> Built:  # fmt: skip
    """Raises what ``read_typed`` raises, and StorageError SLV-012, SLV-019, CheckError CHK-010, CHK-013, ConfigError
    SLV-017.
    """
    parted = slices(silver.partition_by)
    interval = interval_of(plan, silver)
    needed = (*needed_by_rules(silver), *(() if interval is None else interval.columns))
    typed = read_typed(
        plan, silver, head, store=store, needed=needed, interval=interval, verified=verified, most=room.most
    )
    refuse_reserved(typed.columns, silver, parted)
    choice = room.chosen(typed.reading, intervals=interval is not None)
    with room.opened(choice, scratch) as engine:
        by = silver.keys or (typed.columns if silver.model == "event" else (POS,))
        found = shared(plan, silver, typed, engine=engine, number=choice.shares, by=by, scratch=scratch)
        parts: list[pl.DataFrame | Path] = []
        accounts: list[Account] = []
        for outcome in _outcomes(silver, plan, typed, found, interval=interval, engine=engine):
            accounts.append(outcome.account)
            for rows in engine.batches(outcome.table):
                table = finished(rows, silver, typed, parted, plan.calendar.timezone)
                parts.append(table if typed.reading.fits else scratch.write(table))
    refuse_ties(silver, accounts)
    pieces = Pieces(tuple(parts))
    quarantine = quarantined(found.bad, typed)
    by_partition = quarantine.group_by("partition").agg(pl.len().alias("n")).sort("partition")
    deletes = [account.last_delete for account in accounts if account.last_delete is not None]
    return Built(
        pieces=pieces,
        partition_by=(*own_slices(silver), *(s.name for s in parted)),
        quarantine=quarantine,
        accounting={
            "rows_in": found.rows_in,
            "events": sum(account.events for account in accounts),
            "duplicates": sum(account.duplicates for account in accounts),
            "filtered": sum(account.filtered for account in accounts) + found.dropped,
            "quarantined": found.bad.height,
            "rows": pieces.height,
            "absence_deletes": sum(account.absence_deletes for account in accounts),
            "ties": sum(account.ties for account in accounts),
            "incomplete": len(accounts[0].incomplete),
            **found.counts,
        },
        quarantined_by_partition=dict(by_partition.iter_rows()),
        held=tuple(_held(typed, hold) for hold in accounts[0].held),
        drift=typed.drift,
        columns=typed.columns,
        learned=typed.learned,
        last_delete=max(deletes, default=None),
        truncated=any(account.truncated for account in accounts),
        samples=found.samples,
        choice=choice,
    )


def _held(typed: Typed, hold: Hold) -> Held:
    load = typed.loads[hold.load]
    return Held(load.n, load.partition, hold.keys, hold.missing)


def interval_of(plan: DatasetPlan, silver: SilverPlan) -> Interval | None:
    """Where rows carry their own validity and the model is one of states: the columns, by their final names."""
    if not isinstance(plan.load, CurrentHistory) or silver.model not in ("scd_type_1", "scd_type_2"):
        return None
    final = {source: column.name for column in plan.columns for source in column.source_names}
    said = plan.load.interval
    current = None if said.current is None else final.get(said.current, said.current)
    return Interval(final.get(said.start, said.start), final.get(said.end, said.end), current, said.closed)


def _outcomes(
    silver: SilverPlan, plan: DatasetPlan, typed: Typed, found: Shared, *, interval: Interval | None, engine: Engine
) -> Iterator[Outcome]:
    """One for each share."""
    if interval is not None:
        yield from (_histories(silver, plan, typed, share, interval=interval, engine=engine) for share in found.shares)
        return
    match silver.model:
        case "periodic_snapshot" | "event":
            yield from (_facts(silver, typed, share, engine) for share in found.shares)
        case "scd_type_1" | "scd_type_2" | "derived_event" | "incremental_merge" | "full_merge_dedupe" as model:
            shape = shape_of(plan, silver, typed)
            yield from refine_keyed(
                found.shares, typed.loads, shape, rules_of(silver, model, shape), truncates=found.truncates,
                unread=found.unread, engine=engine,
            )  # fmt: skip
        case other:
            assert_never(other)


def _facts(silver: SilverPlan, typed: Typed, share: Share, engine: Engine) -> Outcome:
    """Rows that say what happened, or how things were: none follows from another."""
    rows = engine.held(share.rows)
    came = _count(rows, engine)
    if silver.model == "periodic_snapshot":
        return Outcome(copies(rows, typed.columns), Account(came, 0))
    daily = (LOAD,) if silver.input_mode == "replace_daily" else ()
    unlike = engine.held(distinct(rows, typed.columns, slices=daily))
    table = earliest(unlike, typed.columns, silver.keys, slices=daily)
    events = _count(unlike, engine)
    return Outcome(table, Account(events, came - events))


def _histories(
    silver: SilverPlan, plan: DatasetPlan, typed: Typed, share: Share, *, interval: Interval, engine: Engine
) -> Outcome:
    good = engine.evaluate(share.rows)
    columns = tuple(dict.fromkeys((*typed.columns, *interval.columns)))
    events = good.select(pl.struct(columns).n_unique()).item() if good.height else 0
    table = intervals(good.lazy(), silver.keys, columns, interval, plan.calendar.timezone)
    if silver.model == "scd_type_1":
        table = table.filter(IS_CURRENT).drop(FROM, TO, IS_CURRENT)
    return Outcome(nw.from_native(table), Account(events, good.height - events))


def _count(frame: nw.LazyFrame[Any], engine: Engine) -> int:
    return int(engine.evaluate(frame.select(nw.len().alias("n")))["n"][0])


def shape_of(plan: DatasetPlan, silver: SilverPlan, typed: Typed) -> Shape:
    """What an event of a keyed model is made of."""
    attributes = tuple(c for c in typed.columns if c not in silver.keys and c not in silver.order_by)
    held_back = tuple(c for c in typed.withheld if c in attributes)
    return Shape(silver.keys, silver.order_by, attributes, plan.source.type == "file", held_back)


def rules_of(silver: SilverPlan, model: KeyedModel, shape: Shape) -> Rules:
    """What a keyed model is asked to do."""
    supplied = silver.ignore_nulls
    if isinstance(supplied, bool):
        # The text of a misfit is of its own row.
        supplied = tuple(c for c in shape.attributes if c != RESCUED) if supplied else ()
    return Rules(
        model=model,
        delete_mode=silver.delete_mode,
        max_delete_fraction=silver.max_delete_fraction,
        erase_absent=silver.erase_absent,
        ignore_nulls=supplied,
        track=silver.track or tuple(c for c in shape.attributes if c not in silver.track_except),
    )


def refuse_ties(silver: SilverPlan, accounts: Sequence[Account]) -> None:
    """Raises CheckError CHK-013 when the intent wants that."""
    tied = [account for account in accounts if account.ties]
    if silver.on_tie == "fail" and tied:
        key = ", ".join(f"{k}={v}" for k, v in zip(silver.keys, tied[0].tied, strict=True))
        rows = sum(account.ties for account in tied)
        raise CheckError(
            "CHK-013", f"{rows:,} rows differ from another of the same key and order; one key is {key}.",
            where=str(silver.entity), fix="add a column to `order_by` that tells them apart, or set on_tie: keep.",
        )  # fmt: skip
