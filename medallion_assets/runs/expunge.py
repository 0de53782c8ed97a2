"""expunge: bronze without the rows of some keys, as if no source had ever given them.

Rows are found by their keys as silver reads them. Each part that holds some is written again without them, and one
entry of the log makes the new parts those of their loads: numbers, windows, cursors and the chain of hashes stay.
What the parts were before is removed by the garbage collection, together with the parts of replaced loads.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import uuid4

import polars as pl

from medallion_assets import __version__
from medallion_assets.bronze.commit import CommitLog
from medallion_assets.bronze.reader import part_rows
from medallion_assets.bronze.repair import rebuild_copies
from medallion_assets.bronze.writer import rewrite
from medallion_assets.errors import ConfigError, Conflict, MedallionError, StorageError, StoreUnavailable
from medallion_assets.lake.manifest import Approval, Commit, Expunge, Head, Note, Part, Rewrite
from medallion_assets.lake.ports import Clock, Store, Table
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.runs.matched import KEY, ROW, Keys, match
from medallion_assets.silver.columns import COMMIT, IS_CURRENT, IS_DELETED, PART
from medallion_assets.tables.reading import reading

__all__ = ["Expunged", "expunge"]

_TRIES = 5


@dataclass(frozen=True, slots=True)
class Expunged:
    """What was found, and what became of it."""

    rows: tuple[int, ...]
    """Of each key that was asked for."""
    loads: int
    """Live loads that hold some of the rows."""
    parts: int
    bytes: int
    """Of these parts, as they were."""
    refused: int
    """Refused rows of live loads, which have no keys to be found by."""
    commit: int | None
    """The entry of the log; None: nothing was written."""


def expunge(
    plan: DatasetPlan, silver: SilverPlan, keys: Keys, *, store: Store, clock: Clock, run_id: str,
    tables: Sequence[tuple[SilverPlan, Table]] | None, write: bool,
    new_attempt: Callable[[], str] = lambda: uuid4().hex,
) -> Expunged:  # fmt: skip
    """Find the rows of ``keys``, those of ``silver``, in all live loads; with ``write``, take them out.

    ``tables``: those that say whether a key was deleted; None: it need not be. Truncates are kept: they are of no key.

    Raises ConfigError CLI-014 for a value that is no key, CLI-015 for a key that is live; StorageError SLV-013 when a
    table cannot tell; StorageError, Corrupt and CheckError as building silver does; Conflict BRZ-040 after several lost
    races; StoreUnavailable BRZ-007.
    """
    for left in reversed(range(_TRIES)):
        run = _Run(plan, silver, keys, store, tables, new_attempt())
        try:
            return run.once(clock, run_id, write=write)
        except StoreUnavailable:
            raise  # it may have arrived: what was written stays
        except MedallionError as error:
            run.sweep()
            if not (left and isinstance(error, Conflict)):
                raise
    raise AssertionError("unreachable")


@dataclass(frozen=True, slots=True)
class _Run:
    """One try; ``attempt`` is in the name of everything that it writes."""

    plan: DatasetPlan
    silver: SilverPlan
    keys: Keys
    store: Store
    tables: Sequence[tuple[SilverPlan, Table]] | None
    attempt: str

    @property
    def path(self) -> str:
        return self.plan.bronze.path

    def once(self, clock: Clock, run_id: str, *, write: bool) -> Expunged:
        log = CommitLog(self.store, self.path)
        head = log.head()
        found = self._found(head)
        counts = dict(found.group_by(KEY).len().iter_rows())
        rows = tuple(counts.get(i, 0) for i in range(len(self.keys.values)))
        drop = {key: frame[ROW] for key, frame in found.partition_by(COMMIT, PART, as_dict=True).items()}
        held = [p for c in head.live for p in c.load.parts if (c.n, p.ordinal) in drop]
        refused = sum(commit.load.refused for commit in head.live)
        done = Expunged(rows, len({n for n, _ in drop}), len(held), sum(p.bytes for p in held), refused, None)
        if not (write and drop):
            return done
        touched = {n for n, _ in drop}
        rewrites = tuple(self._rewritten(commit, drop) for commit in head.live if commit.n in touched)
        gone = _gone(self.store, self.path, log, head, rewrites)
        n = log.expunge(Expunge(rewrites, gone, sum(rows), run_id, clock.now(), __version__), head).n
        with suppress(StorageError):  # done, whatever becomes of the copies: `repair` writes them
            rebuild_copies(self.store, self.path)
        return replace(done, commit=n)

    def sweep(self) -> None:
        """Take away what this try wrote and no entry of the log names. What cannot be removed is garbage."""
        with suppress(StorageError):
            for info in list(self.store.list(self.path)):
                if self.attempt in info.path:
                    self.store.delete(info.path)

    def _found(self, head: Head) -> pl.DataFrame:
        """As ``Matched.rows``."""
        matched = match(self.plan, self.silver, self.keys, head, store=self.store)
        if self.tables is not None:
            self._require_deleted(matched.wanted, head, self.tables)
        return matched.rows

    def _require_deleted(self, wanted: pl.DataFrame, head: Head, tables: Sequence[tuple[SilverPlan, Table]]) -> None:
        judges = [(s, t) for s, t in tables if s.keys == self.keys.names and s.model in ("scd_type_1", "scd_type_2")]
        for silver, table in judges:
            state = table.state()
            if state is None or state.bronze_n != head.n or state.held:
                why = "holds a load back" if state is not None and state.held else "has not absorbed all of bronze"
                raise StorageError(
                    "SLV-013", f"The table {why}, so it cannot tell which keys were deleted.", where=str(silver.entity),
                    fix=f"medallion run {self.plan.name}, or medallion approve {self.plan.name}.",
                )  # fmt: skip
            with reading(str(silver.entity)):
                live = table.scan().filter(*_live(silver)).join(wanted.lazy(), on=list(self.keys.names)).collect()
            if live.height:
                self._refuse_live(f"{live.height} of the keys are live in {silver.entity}.", live[KEY][0])
        if not judges:
            self._refuse_live("No scd_type_1 or scd_type_2 table with these keys says that they were deleted.", 0)

    def _refuse_live(self, what: str, first: int) -> None:
        raise ConfigError(
            "CLI-015", what, where=f"{self.plan.name}  --keys, number {first + 1}",
            fix="delete the key at its source and load that; or take it out of history and tables alike with --live.",
        )  # fmt: skip

    def _rewritten(self, commit: Commit, drop: Mapping[tuple[object, ...], pl.Series]) -> Rewrite:
        kept: list[Part] = []
        for part in commit.load.parts:
            gone = drop.get((commit.n, part.ordinal))
            if gone is None:
                kept.append(part)
            elif len(gone) < part.rows:
                rows = part_rows(self.store, self.path, part)
                rest = rows.filter(~pl.int_range(pl.len(), dtype=pl.Int64).is_in(gone.implode()))
                how = self.plan.bronze.compression
                kept.append(rewrite(part, rest, self.store, self.path, attempt=self.attempt, compression=how))
        return Rewrite(commit.n, tuple(kept), sum(part.rows for part in kept))


def _live(silver: SilverPlan) -> list[pl.Expr]:
    current = [pl.col(IS_CURRENT)] if silver.model == "scd_type_2" else []
    return [*current, ~pl.col(IS_DELETED)] if silver.delete_mode == "tombstone" else current


def _gone(store: Store, path: str, log: CommitLog, head: Head, rewrites: Sequence[Rewrite]) -> tuple[str, ...]:
    """Parts that some commit names and that no load has after ``rewrites``, as far as they still exist."""
    now = {r.n: r.parts for r in rewrites}
    needed = {p.path for c in head.live for p in now.get(c.n, c.load.parts)}
    needed |= {c.load.quarantine.path for c in head.live if c.load.quarantine is not None}
    named: set[str] = set()
    for record in log.commits():
        if not isinstance(record, Note):
            parts = (
                record.load.parts if record.load.quarantine is None else (*record.load.parts, record.load.quarantine)
            )
            named |= {part.path for part in parts}
        elif not isinstance(record.act, Approval):
            named |= {part.path for r in record.act.rewrites for part in r.parts}
    there = {info.path.removeprefix(f"{path}/") for info in store.list(path)}
    return tuple(sorted((named - needed) & there))
