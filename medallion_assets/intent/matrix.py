"""Which load patterns go with which silver models, and what a load needs."""

from collections.abc import Iterator

from medallion_assets.intent.finding import Finding
from medallion_assets.intent.load import Cdc, Incremental, Load
from medallion_assets.intent.model import Intent
from medallion_assets.intent.reading import reads_window
from medallion_assets.intent.silver import Event, Keyed, Silver, Snapshot
from medallion_assets.intent.source import Api, Bronze, Database, Source
from medallion_assets.intent.tree import Key

__all__ = ["load_findings", "pair_findings"]


_MATRIX: dict[tuple[str, str], str] = {
    ("incremental", "periodic_snapshot"): "each copy will hold the changes of its window only",
    ("cdc", "periodic_snapshot"): "each copy will hold the changes of its window only",
    ("incremental", "full_merge_dedupe"): "the table is that of the newest full load, so give `full_refresh`",
    ("cdc", "full_merge_dedupe"): "the table is that of the newest full load, so give `full_refresh`",
    ("current_history", "full_merge_dedupe"): "!a key has many rows there, each with its own interval",
    ("full", "incremental_merge"): "every row of every load will be a change",
    ("current_history", "incremental_merge"): "!intervals are no changes to merge",
    ("full", "event"): "every load repeats the events before it, so give `input_mode: replace_daily`",
    ("current_history", "event"): "each version will be an event",
    ("current_history", "derived_event"): "!versions carry their own intervals, there is nothing to derive",
}
"""Pattern and model → why that is questionable; with ``!`` why it is impossible. All other pairs go together."""
_BETTER = {
    "periodic_snapshot": "`load: full`",
    "full_merge_dedupe": "`model: scd_type_1`",
    "incremental_merge": "`load: incremental` or `model: scd_type_1`",
    "event": "`load: incremental`",
    "derived_event": "`model: scd_type_2`",
}


def load_findings(intent: Intent) -> Iterator[Finding]:
    """What is wrong or odd about ``load`` beside ``silver`` and ``source``."""
    load = intent.load
    if isinstance(intent.source, Bronze):
        yield from _anothers(intent, intent.source)
        return
    for index, silver in enumerate(intent.silver):
        path = ("silver", index)
        if load is None:
            if not isinstance(silver, Event | Snapshot):
                yield Finding(
                    "INT-031",
                    path,
                    f"`load` is missing, and {silver.model} needs to know how loads relate to each other.",
                    "Add `load: full` if each load is the complete table, `load: incremental` if it holds changes.",
                )
            continue
        yield from pair_findings(path, load, silver)
        if isinstance(load, Cdc) and isinstance(silver, Keyed) and not silver.order_by:
            yield _unordered(path, intent.source)
    if load is not None:
        yield from _cursor_findings(intent, load)
        yield from _late_findings(intent, load)
        yield from _refresh_findings(intent, load)
    if isinstance(load, Cdc) and load.operation.envelope == "none" and load.operation.column is None:
        yield Finding(
            "INT-005",
            ("load", "operation"),
            "`column` is missing: nothing says what a row does.",
            "Name the column that holds the operation code, or say `envelope: debezium`.",
        )


def _anothers(intent: Intent, source: Bronze) -> Iterator[Finding]:
    """What an intent says that is for the one that loads the rows to say."""
    if intent.load is not None:
        yield Finding(
            "INT-031", ("load",), f"The rows of `{source.dataset}` are loaded by its own intent.", "Remove `load` here."
        )
    for index, check in enumerate(intent.checks):
        if check.at == "bronze":
            yield Finding(
                "INT-031",
                ("checks", index),
                f"The rows of `{source.dataset}` are checked at bronze by its own intent.",
                "Remove `at: bronze`, or move the check there.",
            )


def pair_findings(path: tuple[Key, ...], load: Load, silver: Silver) -> Iterator[Finding]:
    """What is wrong or odd about a table of loads like these."""
    reason = _MATRIX.get((load.pattern, silver.model))
    refreshed = isinstance(load, Incremental | Cdc) and load.full_refresh is not None
    replaced = isinstance(silver, Event) and silver.input_mode == "replace_daily"
    if reason is None or (silver.model == "full_merge_dedupe" and refreshed) or (load.pattern == "full" and replaced):
        return
    impossible = reason.startswith("!")
    yield Finding(
        "INT-032" if impossible else "INT-033",
        path,
        f"`load: {load.pattern}` {'does not go' if impossible else 'is odd'} with `model: {silver.model}`: "
        f"{reason.removeprefix('!')}.",
        f"Use {_BETTER[silver.model]}.",
        warning=not impossible,
    )


def _late_findings(intent: Intent, load: Load) -> Iterator[Finding]:
    if not isinstance(load, Incremental | Cdc) or load.late_data.mode == "allow":
        return
    ordered = any(isinstance(silver, Keyed) and silver.order_by for silver in intent.silver)
    if load.late_data.column is None and load.cursor is None and not ordered:
        yield Finding(
            "INT-005",
            ("load", "late_data"),
            "`column` is missing: nothing says how old a row is.",
            "Name the column that holds the time of a row.",
        )


def _refresh_findings(intent: Intent, load: Load) -> Iterator[Finding]:
    if not isinstance(load, Incremental | Cdc) or load.full_refresh is None or load.full_refresh.source:
        return
    changes = isinstance(load, Cdc) or (intent.source is not None and reads_window(intent.source))
    if changes:
        yield Finding(
            "INT-005",
            ("load", "full_refresh"),
            "`source` is missing: what the intent reads are changes of a window, not the whole state.",
            "Say where the whole state is: `full_refresh: {every: 7d, source: {path: …}}`.",
        )


def _unordered(path: tuple[Key, ...], source: Source | None) -> Finding:
    parallel = isinstance(source, Database) and source.parallel is not None
    return Finding(
        "INT-044" if parallel else "INT-045",
        path,
        "The changes of a key have no `order_by`, and "
        + ("parallel readers give them in any order." if parallel else "are ordered by partition and position only."),
        "Add `order_by` with the column that the source counts up.",
        warning=not parallel,
    )


def _cursor_findings(intent: Intent, load: Load) -> Iterator[Finding]:
    source = intent.source
    if (
        not isinstance(load, Incremental)
        or load.cursor
        or not isinstance(source, Api | Database)
        or reads_window(source)
    ):
        return
    harmless = bool(intent.silver) and all(isinstance(silver, Event) and silver.keys for silver in intent.silver)
    yield Finding(
        "INT-046" if harmless else "INT-036",
        ("load",),
        "Nothing says which rows are new"
        + (": every run reads all, and the event keys drop what is known." if harmless else "."),
        "Add `load.cursor`, or put `{window_start}` (in SQL `:window_start`) into the request.",
        warning=harmless,
    )
