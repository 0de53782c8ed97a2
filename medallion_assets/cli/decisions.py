"""Commands by which a person decides what the lake does not do by itself; each is recorded in bronze's commit log."""

from typing import TYPE_CHECKING, Annotated

import typer

from medallion_assets.cli.options import AsJson, Debug, Env, Root, command, document, options_of

if TYPE_CHECKING:
    from medallion_assets.cli.output import Json
    from medallion_assets.lake.results import Refined
    from medallion_assets.project import Project

__all__ = ["approve"]

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


def _tables_json(tables: "list[Refined]") -> "list[Json]":
    return [
        {"table": str(done.entity), "rows": done.rows, "changed": done.changed, "held": [h.n for h in done.held]}
        for done in tables
    ]
