"""What a load must satisfy before anything of it becomes visible."""

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from medallion_assets.bronze.reader import ADDRESS, quarantined_part
from medallion_assets.bronze.writer import Written
from medallion_assets.errors import CheckError, Conflict, Corrupt
from medallion_assets.intent.load import Cdc, Incremental, Load
from medallion_assets.lake.manifest import Part
from medallion_assets.lake.ports import Store
from medallion_assets.lake.window import Partition
from medallion_assets.plan.model import DatasetPlan
from medallion_assets.silver.envelope import form

__all__ = ["GARBAGE_GRACE", "admit", "is_enveloped"]

GARBAGE_GRACE = timedelta(days=7)
"""Parts that no commit names may be removed once they are older than this, by the store's clock."""

_ASKED_AT_ONCE = 8
"""Sizes of parts: each is a request to an object store."""
_SHOWN_ROWS = 5
_SHOWN_CHARACTERS = 160


def admit(plan: DatasetPlan, partition: Partition, written: Written, store: Store) -> None:
    """Raise unless what was written may be committed.

    CheckError CHK-010 too many rows refused, CHK-012 the columns are not those of a strict contract, CHK-015 a column
    has a reserved name; Corrupt BRZ-010, BRZ-011 a part is not as it was written; Conflict BRZ-014 writing took so long
    that the first part might be taken for garbage.
    """
    where = f"{plan.file}:{plan.line}  {plan.name} {partition.key}"
    _refuse_limits(plan, written, store, where)
    _refuse_columns(plan, written, where)
    _refuse_parts(plan, written, store, where)


def _refuse_limits(plan: DatasetPlan, written: Written, store: Store, where: str) -> None:
    limits, refused, rows = plan.limits, written.refused, written.refused + written.rows
    broken = []
    if limits.max_rows is not None and refused > limits.max_rows:
        broken.append(f"max_rows is {limits.max_rows:,}")
    if limits.max_fraction is not None and refused > limits.max_fraction * rows:
        broken.append(f"max_fraction is {limits.max_fraction:g}")
    if not broken or written.quarantine is None:
        return
    shown = "\n".join(f"    {line}" for line in _first_refused(plan, written.quarantine, store))
    more = f"\n    … and {refused - _SHOWN_ROWS:,} more" if refused > _SHOWN_ROWS else ""
    raise CheckError(
        "CHK-010",
        f"{refused:,} of {rows:,} rows could not be read, and {' and '.join(broken)}. Nothing was committed.\n"
        f"{shown}{more}",
        where=where,
        fix=f"Correct the rows at the source, or let them go to quarantine: `quarantine: {{max_rows: {refused}}}`.",
    )


def _first_refused(plan: DatasetPlan, part: Part, store: Store) -> Iterator[str]:
    """``file:line reason: detail``, without the row's own text, which may be personal."""
    rows = quarantined_part(store, plan.bronze.path, part).head(_SHOWN_ROWS)
    for reason, detail, file, line, _ in rows.iter_rows():
        yield f"{file}:{line}  {reason}: {detail}"[:_SHOWN_CHARACTERS]


def _refuse_columns(plan: DatasetPlan, written: Written, where: str) -> None:
    names = {column.name for column in written.schema}
    reserved = sorted(names & set(ADDRESS))
    if reserved:
        raise CheckError(
            "CHK-015",
            f"The source has columns named {', '.join(reserved)}, by which bronze addresses its rows.",
            where=where,
            fix="Rename them at the source.",
        )
    if plan.schema_mode != "strict" or not names or not plan.columns or is_enveloped(plan.load, names):
        return
    absent = [column.name for column in plan.columns if names.isdisjoint(column.source_names)]
    new = sorted(names - {name for column in plan.columns for name in column.source_names} - _spoken_of(plan.load))
    if absent or new:
        said = [f"lacks {', '.join(absent)}"] if absent else []
        said += [f"has {', '.join(new)}, which `columns` does not name"] if new else []
        raise CheckError(
            "CHK-012",
            f"The source {' and '.join(said)}, and schema_mode is strict. It has {', '.join(sorted(names))}.",
            where=where,
            fix="Correct the source, name the column in `columns`, or choose `schema_mode: lenient`.",
        )


def is_enveloped(load: Load, names: Collection[str]) -> bool:
    """Whether rows with these columns are Debezium's events: what columns they hold shows when silver opens them."""
    return isinstance(load, Cdc) and load.operation.envelope == "debezium" and form(names) == "whole"


def _spoken_of(load: Load) -> set[str]:
    """Columns of the source that ``load`` names: they say what to do with a row."""
    named: list[str | None] = []
    if isinstance(load, Incremental | Cdc) and load.cursor is not None:
        named.append(load.cursor.column)
    if isinstance(load, Cdc):
        named.append(load.operation.column)
    if isinstance(load, Incremental) and load.deleted is not None:
        named.append(load.deleted.column)
    return {name for name in named if name is not None}


def _refuse_parts(plan: DatasetPlan, written: Written, store: Store, where: str) -> None:
    parts = written.parts if written.quarantine is None else (*written.parts, written.quarantine)
    paths = [f"{plan.bronze.path}/{part.path}" for part in parts]
    if len(paths) <= _ASKED_AT_ONCE:
        infos = [store.info(path) for path in paths]
    else:
        with ThreadPoolExecutor(_ASKED_AT_ONCE, "bronze-admit") as pool:
            infos = list(pool.map(store.info, paths))
    for part, info in zip(parts, infos, strict=True):
        if info.bytes != part.bytes:
            raise Corrupt(
                "BRZ-011",
                f"{part.path} has {info.bytes} bytes in the store, {part.bytes} were written.",
                where=store.url(info.path),
                fix="Check the disk or the store, then run again.",
            )
    times = [info.modified for info in infos]
    if times and max(times) - min(times) > GARBAGE_GRACE / 2:
        raise Conflict(
            "BRZ-014",
            f"Writing took {max(times) - min(times)}, longer than half the {GARBAGE_GRACE.days} days after which parts "
            "without a commit may be removed.",
            where=where,
            fix="Load shorter partitions.",
        )
