"""The rules, and for each the one change of the code that breaks it."""

from dataclasses import dataclass

__all__ = ["RULES", "Rule"]


@dataclass(frozen=True, slots=True)
class Rule:
    """``old``, which the file (below ``medallion_assets``) has exactly once, becomes ``new``."""

    says: str
    file: str
    old: str
    new: str


RULES = (
    # -------------------------------------------------------------------------- which rows are one event
    Rule(
        "deletes are equal whatever their attributes",
        "silver/events.py",
        "Op.DELETE: (*shape.keys, *same),",
        "Op.DELETE: (*shape.keys, *same, *shape.attributes),",
    ),
    Rule(
        "an event is placed by its latest row",
        "silver/equal.py",
        "[nw.col(POS).max().alias(_CHOSEN), nw.col(POS).min()",
        "[nw.col(POS).min().alias(_CHOSEN), nw.col(POS).min()",
    ),
    Rule(
        "and has the technical columns of its earliest",
        "silver/equal.py",
        "nw.col(POS).min().alias(SINCE)",
        "nw.col(POS).max().alias(SINCE)",
    ),
    Rule(
        "null is equal to null",
        "silver/events.py",
        ".then(one_null).otherwise(left != right)",
        ".then(nw.lit(value=True)).otherwise(left != right)",
    ),
    # -------------------------------------------------------------------------- the order of events
    Rule(
        "at a tie a delete comes after an upsert", "silver/events.py", "*self.order_by[1:], OP,", "*self.order_by[1:],"
    ),
    Rule("all of order_by decides", "silver/events.py", "FIRST, *self.order_by[1:], OP", "FIRST, OP"),
    Rule(
        "without an order of the source the greater row decides",
        "silver/events.py",
        "return (POS,) if self.positional else (",
        "return (POS,) if self.keys else (",
    ),
    Rule(
        "of a full and another load of one window the full one comes first",
        "silver/place.py",
        'key=lambda x: (x.start, x.pattern != "full", x.end, x.n)',
        "key=lambda x: (x.start, x.end, x.n)",
    ),
    Rule(
        "a time outside its full partition's window is the window's start",
        "silver/place.py",
        "pl.when(pl.col(FULL) & ~inside).then(start)",
        "pl.when(pl.col(FULL) & ~inside).then(own)",
    ),
    Rule("a date is a midnight of the zone", "silver/place.py", "midnight(own, timezone)", 'midnight(own, "UTC")'),
    Rule(
        "ties are counted", "silver/events.py", "nw.col(TIES).cast(nw.Int64) - 1)", "nw.col(TIES).cast(nw.Int64) - 2)"
    ),
    # -------------------------------------------------------------------------- what full partitions say
    Rule(
        "of the rows of a key in a full partition one counts",
        "silver/events.py",
        "marked.filter(~nw.col(FULL) | nw.col(_LAST).is_null())",
        "marked.filter(nw.col(POS) >= 0)",
    ),
    Rule(
        "it is the highest by all of order_by",
        "silver/events.py",
        "(*shape.keys, LOAD), shape.within,",
        "(*shape.keys, LOAD), (POS,),",
    ),
    Rule(
        "a key whose row is unusable is there all the same",
        "silver/events.py",
        "nw.concat([nw.concat([elements, marks])",
        "nw.concat([nw.concat([elements, marks.head(0)])",
    ),
    Rule(
        "presence is judged before quarantine and filters",
        "runs/sharing.py",
        "full = found.rows.lazy()",
        "full = found.good.lazy()",
    ),
    Rule(
        "the first boundary without the key ends it",
        "silver/events.py",
        "agg((nw.col(_NUMBER).min() + 1)",
        "agg((nw.col(_NUMBER).max() + 1)",
    ),
    Rule(
        "only who lives can be missing",
        "silver/events.py",
        "ended.filter(gap & (nw.col(OP) == int(Op.UPSERT)))",
        "ended.filter(gap)",
    ),
    Rule(
        "a full partition with refused rows deletes nothing",
        "silver/keyed.py",
        "if rank in self.unread or self.loads[rank].refused)",
        "if rank in self.unread)",
    ),
    Rule(
        "nor does one with keys that cannot be read",
        "silver/keyed.py",
        "if rank in self.unread or self.loads[rank].refused)",
        "if self.loads[rank].refused)",
    ),
    # -------------------------------------------------------------------------- guards
    Rule(
        "a mass delete is held", "silver/guard.py", "if load not in approved and too_many(", "if not load and too_many("
    ),
    Rule("unless it is approved", "silver/guard.py", "if load not in approved and too_many(", "if too_many("),
    Rule(
        "the measure is the accepted one before",
        "silver/guard.py",
        "del chosen[place]",
        "del chosen[place - 1]",
    ),
    Rule(
        "a held load counts as not committed",
        "silver/keyed.py",
        "return kept.filter(~nw.col(LOAD).is_in(list(out))) if out else kept",
        "return kept",
    ),
    Rule(
        "a mass truncate is held",
        "silver/keyed.py",
        "found.append(load)\n                yield Hold(load, keys, missing)",
        "found.append(load)",
    ),
    Rule(
        "what a load gives again after its truncate is not missing",
        "silver/keyed.py",
        'self._count(live.join(again, on=list(keys), how="anti"))',
        "self._count(live)",
    ),
    Rule(
        "a held truncate deletes nothing",
        "silver/keyed.py",
        "return truncates.filter(~pl.col(LOAD).is_in(list(out)))",
        "return truncates",
    ),
    # -------------------------------------------------------------------------- delete modes
    Rule(
        "ignore drops deletes before anything",
        "silver/keyed.py",
        "kept = kept.filter(nw.col(OP) == int(Op.UPSERT))",
        "kept = kept",
    ),
    Rule("and truncates", "silver/keyed.py", "self.all_truncates.clear() if self.ignoring else", ""),
    Rule("and absences", "silver/keyed.py", "bool(self.fulls) and not self.ignoring and", "bool(self.fulls) and"),
    Rule("hard_delete leaves no row", "silver/scd1.py", "last.filter(~deleted).select(", "last.select("),
    Rule("hard_delete opens no version", "silver/scd2.py", "ends = ends.filter(~deleted)", "ends = ends"),
    Rule(
        "a tombstone has the last attributes",
        "silver/states.py",
        "if tombstones:\n        placed = _inherited",
        "if not tombstones:\n        placed = _inherited",
    ),
    Rule(
        "or its own, when any is not null",
        "silver/states.py",
        "silent = nw.all_horizontal(",
        "silent = nw.any_horizontal(",
    ),
    Rule("consecutive deletes are one", "silver/states.py", "kept.filter(~again)", "kept.filter(~again | again)"),
    Rule(
        "erase forgets what came before the last delete",
        "silver/events.py",
        "(nw.col(INDEX) > nw.col(_LAST))",
        "(nw.col(INDEX) >= 0)",
    ),
    Rule(
        "an absence erases only when asked",
        "silver/events.py",
        "erasing = erasing & ~nw.col(FULL)",
        "erasing = erasing",
    ),
    Rule(
        "a truncate erases all before it",
        "silver/keyed.py",
        "line.filter(nw.col(INDEX) > last)",
        "line.filter(nw.col(OP) != int(Op.TRUNCATE))",
    ),
    # -------------------------------------------------------------------------- states, versions
    Rule(
        "of events of one clock the last stands",
        "silver/states.py",
        "(nw.col(_NEXT) != nw.col(CLOCK))",
        "(nw.col(CLOCK) == nw.col(CLOCK))",
    ),
    Rule(
        "a delete ends what ignore_nulls carries on",
        "silver/states.py",
        'nw.col(f"{_NEXT}{c}").fill_null(strategy="forward").over(*shape.keys, _EPOCH,',
        'nw.col(f"{_NEXT}{c}").fill_null(strategy="forward").over(*shape.keys,',
    ),
    Rule(
        "and what Debezium withholds",
        "silver/states.py",
        'nw.col(_PREVIOUS).fill_null(strategy="forward").over(*shape.keys, _EPOCH,',
        'nw.col(_PREVIOUS).fill_null(strategy="forward").over(*shape.keys,',
    ),
    Rule(
        "a version ends when a tracked column changes",
        "silver/scd2.py",
        "with_changed(states, track,",
        "with_changed(states, (),",
    ),
    Rule(
        "and not when another does",
        "silver/scd2.py",
        "with_changed(states, track,",
        "with_changed(states, shape.attributes,",
    ),
    Rule(
        "its other columns are those of its last event",
        "silver/scd2.py",
        "runs.filter(nw.col(_NEXT).is_null() | nw.col(_NEXT))",
        "runs.filter(nw.col(_STARTS))",
    ),
    Rule(
        "technical columns name the event since which all is as it is",
        "silver/states.py",
        "began.with_columns(nw.col(SINCE).fill_null(",
        "states.with_columns(nw.col(SINCE).fill_null(",
    ),
    # -------------------------------------------------------------------------- other models
    Rule(
        "of an event key the earliest row stands",
        "silver/equal.py",
        "[nw.col(POS).min().alias(_CHOSEN)])",
        "[nw.col(POS).max().alias(_CHOSEN)])",
    ),
    Rule(
        "replace_daily keeps days apart",
        "runs/build.py",
        'daily = (LOAD,) if silver.input_mode == "replace_daily" else ()',
        "daily = ()",
    ),
    Rule(
        "incremental_merge has a key once a partition",
        "silver/merge.py",
        "(SLICE, *shape.keys), shape.order",
        "shape.keys, shape.order",
    ),
    Rule(
        "and a second load of a partition belongs to it",
        "silver/keyed.py",
        "firsts.setdefault(load.partition, rank)",
        "firsts.setdefault(str(rank), rank)",
    ),
    Rule("full_merge_dedupe is the newest full partition", "silver/keyed.py", "self.fulls[-1] if", "self.fulls[0] if"),
    Rule(
        "a delete of what was not there is no change",
        "silver/derived.py",
        "told.filter(~(deleted & fresh))",
        "told.filter(~(deleted & fresh) | deleted)",
    ),
    Rule(
        "who comes back is inserted",
        "silver/derived.py",
        "| (nw.col(earlier(OP)) == int(Op.DELETE))",
        "| nw.lit(value=False)",
    ),
    Rule(
        "an interval's last day belongs to it when it is closed",
        "silver/history.py",
        "if interval.closed:",
        "if not interval.closed:",
    ),
    # -------------------------------------------------------------------------- rows that are no events
    Rule(
        "a delete is judged on keys, order and operation alone",
        "silver/conform.py",
        "    upsert = op == Op.UPSERT\n    for name",
        "    upsert = op != Op.TRUNCATE\n    for name",
    ),
    Rule(
        "a truncate has no keys to judge",
        "silver/conform.py",
        "keyed = says & (op != Op.TRUNCATE).fill_null(value=True)",
        "keyed = says",
    ),
    Rule(
        "an unknown operation is no event",
        "silver/conform.py",
        'yield op.is_null(), f"unknown_operation',
        'yield op.is_null() & False, f"unknown_operation',
    ),
    Rule(
        "a null key is no event",
        "silver/conform.py",
        'yield keyed & cell.value.is_null(), f"null_key',
        'yield keyed & cell.misfit, f"null_key',
    ),
    Rule(
        "a key prints back the same",
        "silver/conform.py",
        "misfit = misfit | (present & ~prints_back(",
        "misfit = misfit | (present & ~present & ~prints_back(",
    ),
    Rule(
        "10 and 9 as text in some loads only are refused", "runs/learned.py", "if kinds.keys() <= {_TEXT}:", "if kinds:"
    ),
    Rule(
        "types do not depend on the order of loads",
        "silver/types.py",
        "max(getattr(left, f.name), getattr(right, f.name))",
        "getattr(right, f.name)",
    ),
    # -------------------------------------------------------------------------- runs and shares
    Rule(
        "a table ahead of its bronze stops a run",
        "runs/refine.py",
        "if absorbed > head.n:",
        "if absorbed > head.n + 99:",
    ),
    Rule("so does another log", "runs/refine.py", "if now != state.bronze_sha256:", "if now is None:"),
    Rule(
        "a key in order is later than all it had",
        "runs/follow_states.py",
        "otherwise(pl.col(CLOCK) > pl.col(_KNOWN))",
        "otherwise(pl.lit(value=True))",
    ),
    Rule(
        "a key without a row is later than every delete",
        "runs/follow_states.py",
        "deleted = pl.lit(value=True) if last is None else",
        "deleted = pl.lit(value=True) if last != 0 else",
    ),
    Rule("equal keys are in one share", "runs/build.py", "by = silver.keys or", "by = (POS,) or"),
)
