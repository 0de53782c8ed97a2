"""Commands by which a person decides what the lake does not do by itself; each is recorded in bronze's commit log."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from medallion_assets.cli.options import AsJson, Debug, Env, Root, command, document, options_of

if TYPE_CHECKING:
    from medallion_assets.cli.output import Json
    from medallion_assets.lake.results import Refined
    from medallion_assets.project import Project
    from medallion_assets.runs.expunge import Expunged

__all__ = ["approve", "expunge"]

Dataset = Annotated[str, typer.Argument(metavar="DATASET", help="system.table")]


@command
def approve(
    context: typer.Context,
    dataset: Dataset,
    *,
    date: Annotated[str | None, typer.Option(metavar="D", help="Only the load of that date (default: all).")] = None,
    project: Root = None,
    env: Env = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Absorb loads that are held because they would delete too many keys."""
    options = options_of(context, project, env, as_json, debug)
    loaded = options.load()
    before = loaded.head(loaded.plan(dataset)).approved
    tables = _absorbed(loaded, dataset, date)
    head = loaded.head(loaded.plan(dataset))
    approved = [(c.n, c.load.partition) for c in head.live if c.n in head.approved - before]
    if options.as_json:
        document({"approved": [{"commit": n, "partition": key} for n, key in approved], "tables": _tables_json(tables)})
        return
    lines = [f"Approved: {key} (commit {n})." for n, key in approved] or ["Nothing is held."]
    print("\n".join([*lines, *(f"{done.entity}: {done.rows:,} rows, {done.changed:,} changed." for done in tables)]))


def _absorbed(loaded: "Project", dataset: str, date: str | None) -> "list[Refined]":
    plan = loaded.plan(dataset)
    if date is None:
        keys = {commit.load.partition for commit in loaded.head(plan).live}
    else:
        keys = {partition.key for partition in loaded.named(plan, date, restate=True)}
    return [loaded.refine(plan, silver, allow_deletes=keys) for silver in plan.silvers]


def _tables_json(tables: "Sequence[Refined]") -> "list[Json]":
    return [
        {"table": str(done.entity), "rows": done.rows, "changed": done.changed, "held": [h.n for h in done.held]}
        for done in tables
    ]


# ------------------------------------------------------------------------------------------------ expunge


@command
def expunge(
    context: typer.Context,
    dataset: Dataset,
    *,
    keys: Annotated[
        list[str], typer.Option("--keys", metavar="K", help="A key: 7, or region=eu,id=7, or JSON. Repeat for more.")
    ],
    live: Annotated[bool, typer.Option("--live", help="Also keys that are live: they leave the tables, too.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Take the rows out; without it they are only counted.")] = (
        False
    ),
    project: Root = None,
    env: Env = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Take the rows of deleted keys out of bronze for good; `medallion gc` then removes the old parts."""
    options = options_of(context, project, env, as_json, debug)
    loaded = options.load()
    done, tables = loaded.expunge(loaded.plan(dataset), keys, live=live, write=delete)
    if options.as_json:
        document(_expunged_json(done, tables))
    else:
        print(_expunged_text(done, tables))


def _expunged_text(done: "Expunged", tables: "Sequence[Refined]") -> str:
    rows, found = sum(done.rows), sum(count > 0 for count in done.rows)
    lines = [f"{found:,} of {len(done.rows):,} keys are in bronze: {rows:,} rows in {done.loads:,} loads."]
    if done.commit is not None:
        lines.append(f"Taken out by commit {done.commit}; {done.parts:,} parts were written again.")
        lines += [f"{table.entity}: {table.rows:,} rows, {table.changed:,} changed." for table in tables]
        lines.append("The old parts go with `medallion gc --delete`, once they are older than its --grace.")
    elif rows:
        lines.append(
            f"With --delete they are taken out: {done.parts:,} parts ({done.bytes:,} bytes) are written again."
        )
    if done.refused:
        lines.append(f"{done.refused:,} refused rows were not searched: they have no keys. See `medallion quarantine`.")
    return "\n".join(lines)


def _expunged_json(done: "Expunged", tables: "Sequence[Refined]") -> "Json":
    return {
        "rows": list(done.rows),
        "loads": done.loads,
        "parts": done.parts,
        "bytes": done.bytes,
        "refused": done.refused,
        "commit": done.commit,
        "tables": _tables_json(tables),
    }
