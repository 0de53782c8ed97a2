"""What silver means, written a second time without frames: dictionaries, sorting and loops over every boundary."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from medallion_assets.lake.manifest import Pattern

Row = dict[str, Any]
WITHHELD = "__debezium_unavailable_value"
"""Of a cell: the change does not supply it."""


@dataclass(frozen=True)
class Loaded:
    """A live load: ``parts`` of rows with k, t, a, b, perhaps s, and, for cdc, op (I, U, D, T). ``n`` is its commit."""

    n: int
    pattern: Pattern
    start: datetime
    parts: tuple[tuple[Row, ...], ...]
    refused: int = 0
    approved: bool = False

    @property
    def end(self) -> datetime:
        return self.start + timedelta(days=1)


@dataclass(frozen=True)
class Spec:
    model: str = "scd_type_2"
    ordered: bool = True
    """By t."""
    second: bool = False
    """And by s."""
    positional: bool = True
    """The source gives rows in an order; otherwise, at a tie, the greater row of the later load counts."""
    delete_mode: str = "hard_delete"
    erase_absent: bool = False
    ignore_nulls: bool = False
    track: tuple[str, ...] = ("a", "b")
    attributes: tuple[str, ...] = ("a", "b")
    fraction: float = 0.5
    """Share of keys that a load may delete where there are at least ``small``."""
    small: int = 100


@dataclass
class _Event:
    key: Any
    clock: datetime
    first: int
    t: Any
    s: Any
    op: int
    values: Row
    pos: int
    load: int
    full: bool = False
    since: int = 0
    truncate: bool = False

    def order(self, spec: Spec) -> tuple[Any, ...]:
        if not spec.ordered:
            return (self.clock, self.first, self.pos)
        return (self.clock, self.first, _comparable(self.s), self.op, *self.tail(spec))

    def tail(self, spec: Spec) -> tuple[Any, ...]:
        if spec.positional:
            return (self.pos,)
        values = [self.values.get(c) for c in spec.attributes]
        supplied = (_comparable(None if v == WITHHELD else v) for v in values)
        return (self.load, *supplied, *(v == WITHHELD for v in values), self.pos)


def _comparable(value: Any) -> tuple[bool, Any]:
    """Null is less than any other."""
    return (value is not None, value)


@dataclass
class Answer:
    rows: list[Row]
    events: int
    duplicates: int
    filtered: int
    absences: int
    labels: dict[int, tuple[Any, str]] = field(default_factory=dict)
    held: list[tuple[int, int, int]] = field(default_factory=list)
    """Commit, keys and missing keys of each load that is treated as if it were not there."""


def oracle(loads: Iterable[Loaded], spec: Spec) -> Answer:
    loads = sorted(loads, key=lambda x: (x.start, x.pattern != "full", x.n))
    events, labels, starts, present, partial = _rows(loads, spec)
    total = len(events)
    if spec.delete_mode == "ignore":
        events = [e for e in events if e.op == 0]
    line = _Line(loads, spec, starts, present, partial)
    held = _held(events, line) if spec.model.startswith("scd") and spec.delete_mode != "ignore" else []
    out = {i for i, _, _ in held}
    events = [e for e in events if e.load not in out]
    filtered = total - len(events)
    distinct, told, absences = line.of(events, out)
    slices = line.slices
    if spec.model == "full_merge_dedupe":
        newest = max((i for i, x in enumerate(loads) if x.pattern == "full"), default=None)
        told = [e for e in told if e.load == newest]
    rows = []
    for key in [] if slices else sorted({e.key for e in told}):
        own = sorted((e for e in told if e.key == key), key=lambda e: e.order(spec))
        rows += _of_key(key, own, spec)
    if slices:
        rows = _last(told, slices, spec)
    for row in rows:
        row["_run_date"], row["_bronze_part"] = labels[row.pop("since")]
    named = [(loads[i].n, keys, missing) for i, keys, missing in held]
    return Answer(rows, len(distinct), len(events) - len(distinct), filtered, absences, labels, named)


@dataclass
class _Line:
    """All loads in order, and what of them is a boundary."""

    loads: list[Loaded]
    spec: Spec
    starts: dict[int, int]
    present: dict[int, set[Any]]
    partial: set[int]

    @property
    def slices(self) -> list[Any] | None:
        apart: dict[str, list[Any]] = {
            "incremental_merge": [x.start for x in self.loads], "full_merge_dedupe": list(range(len(self.loads)))
        }  # fmt: skip
        return apart.get(self.spec.model)

    @property
    def fulls(self) -> list[int]:
        return [i for i, x in enumerate(self.loads) if x.pattern == "full" and i not in self.partial]

    def of(self, events: list[_Event], out: set[int]) -> tuple[list[_Event], list[_Event], int]:
        """Distinct events, those with the deletes that the loads but ``out`` imply, and how many absences imply."""
        return _told(_distinct(events, self.slices), self, out)


def _told(distinct: list[_Event], line: _Line, out: set[int]) -> tuple[list[_Event], list[_Event], int]:
    spec, starts, present = line.spec, line.starts, line.present
    bounds = []
    if spec.delete_mode != "ignore" and spec.model != "full_merge_dedupe":
        bounds = [_Event(None, line.loads[i].start, -1, None, None, 1, {}, starts[i], i, full=True, since=starts[i])
                  for i in line.fulls if i not in out]  # fmt: skip
    truncates = [e for e in distinct if e.truncate]
    told = [e for e in _winners(distinct, spec) if not e.truncate]
    absences = 0
    for bound in sorted([*bounds, *truncates], key=lambda e: e.order(spec) if e.first >= 0 else (e.clock, -1)):
        for key in {e.key for e in told}:
            place = bound.order(spec) if bound.first >= 0 else (bound.clock, -1)
            before = sorted((e for e in told if e.key == key and e.order(spec) < place), key=lambda e: e.order(spec))
            here = key in present.get(bound.load, set()) and bound.full
            live = bool(before) and before[-1].op == 0
            if here or not before or not (live or (bound.truncate and spec.delete_mode == "erase")):
                continue
            absences += bound.full
            implied = _Event(
                key, bound.clock, max(bound.first, 0), bound.t, bound.s, 1, {}, bound.pos, bound.load, bound.full
            )  # fmt: skip
            implied.since = bound.since
            told.append(implied)
    return distinct, told, absences


def _held(events: list[_Event], line: _Line) -> list[tuple[int, int, int]]:
    """Rank, keys and missing keys of loads that delete too many, but for those that are approved."""
    spec, held = line.spec, []
    before: set[Any] = set()
    for i in line.fulls:
        here = line.present.get(i, set())
        if _too_many(before, here, spec) and not line.loads[i].approved:
            held.append((i, len(before), len(before - here)))
        else:
            before = here
    out = {i for i, _, _ in held}
    waiting = sorted({e.load for e in events if e.truncate} - out)
    while waiting:
        i = waiting.pop(0)
        others = [e for e in events if e.load not in {*out, *waiting}]
        own = sorted((e.order(spec), e.clock) for e in others if e.load == i and e.truncate)
        (first, clock), (last, _) = own[0], own[-1]
        later = {j for j in line.fulls if line.loads[j].start > clock}
        told = line.of([e for e in others if e.order(spec) < first], {*out, *waiting, *later})[1]
        live = {
            k
            for k in {e.key for e in told}
            if max((e for e in told if e.key == k), key=lambda e: e.order(spec)).op == 0
        }
        again = {e.key for e in others if e.load == i and e.op == 0 and e.order(spec) > last}
        if _too_many(live, again, spec) and not line.loads[i].approved:
            held.append((i, len(live), len(live - again)))
            out.add(i)
    return held


def _too_many(before: set[Any], after: set[Any], spec: Spec) -> bool:
    return len(before) >= spec.small and len(before - after) > spec.fraction * len(before)


def _rows(loads: list[Loaded], spec: Spec) -> tuple[list[_Event], dict[int, Any], dict[int, int], Any, set[int]]:
    pos, events, labels, starts = 0, [], {}, {}
    present: dict[int, set[Any]] = {}
    partial = {i for i, x in enumerate(loads) if x.refused}
    for i, load in enumerate(loads):
        starts[i], labels[pos] = pos, (load.start.date(), f"{load.n}/0")
        pos += 1
        for ordinal, part in enumerate(load.parts, 1):
            for row in part:
                labels[pos] = (load.start.date(), f"{load.n}/{ordinal}")
                full, op = load.pattern == "full", row.get("op", "U")
                clock = row["t"] if spec.ordered else load.start
                if full and not load.start <= clock < load.end:
                    clock = load.start
                first = 0 if full and clock == load.start else 1
                if full:
                    present.setdefault(i, set()).add(row["k"])
                values = {c: row[c] for c in spec.attributes}
                code = {"I": 0, "U": 0, "D": 1, "T": 2}[op if load.pattern == "cdc" else "U"]
                t, s = row["t"] if spec.ordered else None, row["s"] if spec.second else None
                event = _Event(row["k"], clock, first, t, s, code, values, pos, i, full)
                event.truncate = code == 2
                events.append(event)
                pos += 1
    return events, labels, starts, present, partial


def _last(told: list[_Event], slices: list[Any], spec: Spec) -> list[Row]:
    """The last change of each key in each slice, or of each key of the newest full load."""
    merge = spec.model == "incremental_merge"
    for key in {e.key for e in told}:
        own = sorted((e for e in told if e.key == key), key=lambda e: e.order(spec))
        for e, values in _supplied(own):
            e.values = values
    by_key: dict[Any, list[_Event]] = {}
    for e in told:
        by_key.setdefault((slices[e.load], e.key), []).append(e)
    rows = []
    for (_, key), own in sorted(by_key.items(), key=lambda x: x[0]):
        e = max(own, key=lambda e: e.order(spec))
        said = {"operation": "delete" if e.op else "upsert"} if merge else {}
        rows.append(
            {
                **_base(key, {"t": e.t, "s": e.s, **dict.fromkeys(spec.attributes), **e.values}, spec),
                **said,
                "since": e.since,
            }
        )
    return rows


def _changes(key: Any, states: list[Row], spec: Spec) -> list[Row]:
    """Consecutive states compared on the tracked columns."""
    rows: list[Row] = []
    was: Row | None = None
    for state in [s | dict.fromkeys(spec.attributes) if s["op"] else s for s in states]:
        now = None if state["op"] else {c: state[c] for c in spec.track}
        if now != was:
            kind = "delete" if now is None else "insert" if was is None else "update"
            differs = [c for c in spec.track if (was or {}).get(c) != (now or {}).get(c)]
            rows.append({"k": key, "changed_at": state["clock"], "change_type": kind, "changed_columns": differs,
                         "before": was, "after": now, "since": state["since"]})  # fmt: skip
        was = now
    return rows


def _distinct(events: list[_Event], slices: list[Any] | None) -> list[_Event]:
    same: dict[Any, list[_Event]] = {}
    for e in events:
        values = tuple(e.values.values()) if e.op == 0 else ()
        within = slices[e.load] if slices else None
        same.setdefault((within, e.op, None if e.truncate else e.key, e.clock, e.first, e.t, e.s, values), []).append(e)
    kept = []
    for group in same.values():
        last = max(group, key=lambda e: e.pos)
        last.since = min(e.pos for e in group)
        kept.append(last)
    return kept


def _winners(events: list[_Event], spec: Spec) -> list[_Event]:
    """Of the events of a key in one full load one."""
    best: dict[Any, _Event] = {}
    for e in sorted(events, key=lambda e: (e.t, _comparable(e.s), *e.tail(spec)) if spec.ordered else (e.pos,)):
        best[(e.key, e.load) if e.full else e.pos] = e
    return list(best.values())


def _supplied(events: list[_Event], *, ignore_nulls: bool = False) -> list[tuple[_Event, Row]]:
    """A key's events in order, each with its values: what it does not supply is what was supplied since a delete."""
    supplied: Row = {}
    filled = []
    for e in events:
        if e.op:
            values = {c: supplied.get(c) if v == WITHHELD else v for c, v in e.values.items()}
            supplied = {}
        else:
            supplied |= {c: v for c, v in e.values.items() if v != WITHHELD and not (ignore_nulls and v is None)}
            values = {c: supplied.get(c) for c in e.values}
        filled.append((e, values))
    return filled


def _of_key(key: Any, events: list[_Event], spec: Spec) -> list[Row]:
    if spec.delete_mode == "erase":
        last = [i for i, e in enumerate(events) if e.op and (not e.full or spec.erase_absent)]
        events = events[last[-1] + 1 :] if last else events
    lived: Row = {"t": None, "s": None}
    filled = []
    for e, given in _supplied(events, ignore_nulls=spec.ignore_nulls):
        values = given
        if e.op and spec.delete_mode == "tombstone":
            t, s = (lived["t"], lived["s"]) if e.t is None else (e.t, e.s)
            values = values if any(v not in (None, WITHHELD) for v in e.values.values()) else dict(lived)
            values |= {"t": t, "s": s}
        if not e.op:
            values |= {"t": e.t, "s": e.s}
            lived = dict(values)
        filled.append((e, values))
    clocks = [x for i, x in enumerate(filled) if i + 1 == len(filled) or filled[i + 1][0].clock != x[0].clock]
    states: list[Row] = []
    for e, values in clocks:
        was = states[-1] if states else None
        if e.op and was and was["op"]:
            continue
        state = {"t": values.get("t"), "s": values.get("s"), **{c: values.get(c) for c in spec.attributes}}
        same = was is not None and was["op"] == e.op and all(was[c] == state[c] for c in state)
        since = was["since"] if was is not None and same else e.since
        states.append({**state, "op": 1 if e.op else 0, "clock": e.clock, "since": since})
    return {"scd_type_1": _scd1, "scd_type_2": _scd2, "derived_event": _changes}[spec.model](key, states, spec)


def _base(key: Any, state: Row, spec: Spec) -> Row:
    by = ("t", "s") if spec.second else ("t",) if spec.ordered else ()
    return {"k": key, **{c: state[c] for c in (*by, *spec.attributes)}}


def _scd1(key: Any, states: list[Row], spec: Spec) -> list[Row]:
    if not states:
        return []
    last = states[-1]
    row = _base(key, last, spec)
    if spec.delete_mode == "tombstone":
        row |= {"is_deleted": bool(last["op"]), "deleted_at": last["clock"] if last["op"] else None}
    elif last["op"]:
        return []
    return [{**row, "since": last["since"]}]


def _scd2(key: Any, states: list[Row], spec: Spec) -> list[Row]:
    rows: list[Row] = []
    open_: Row | None = None
    for state in states:
        if open_ and not state["op"] and not open_["op"] and all(open_[c] == state[c] for c in spec.track):
            open_ = {**state, "from": open_["from"]}
            continue
        rows += [_version(key, open_, state["clock"], spec)] if open_ else []
        open_ = {**state, "from": state["clock"]}
        if state["op"] and spec.delete_mode != "tombstone":
            open_ = None
    return rows + ([_version(key, open_, None, spec)] if open_ else [])


def _version(key: Any, state: Row, to: Any, spec: Spec) -> Row:
    row = {**_base(key, state, spec), "effective_from": state["from"], "effective_to": to, "is_current": to is None}
    if spec.delete_mode == "tombstone":
        row["is_deleted"] = bool(state["op"])
    return {**row, "since": state["since"]}
