"""Commands for silver tables: build them again, and look at what was left out of them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from medallion_assets.cli.options import AsJson, Debug, Env, Names, Root, command, document, options_of, span
from medallion_assets.errors import CheckError

if TYPE_CHECKING:
    import polars as pl

    from medallion_assets.cli.output import Json
    from medallion_assets.project import Project
    from medallion_assets.runs.proof import Proof

__all__ = ["optimize", "proofs_json", "proofs_of", "prove_text", "quarantine", "rebuild", "vacuum"]


@command
def rebuild(
    context: typer.Context,
    intents: Names = None,
    *,
    project: Root = None,
    env: Env = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Compute silver tables from nothing but bronze; a table that is the same is not written."""
    options = options_of(context, project, env, as_json, debug)
    loaded = options.load()
    from medallion_assets.cli.output import table
    from medallion_assets.cli.progress import Reporter

    rows = []
    with Reporter(loaded.scrub, options.debug) as reporter:
        for plan in loaded.select(intents or []):
            for silver in plan.silvers:
                done = loaded.refine(plan, silver, progress=reporter.progress, afresh=True)
                engine = f"{done.engine}: {done.engine_why}"
                rows.append((str(silver.entity), done.rows, done.changed, done.quarantined, done.written, engine))
    if options.as_json:
        keys = ("table", "rows", "changed", "quarantined", "written", "engine")
        document([dict(zip(keys, row, strict=True)) for row in rows])
        return
    lines = [(t, f"{n:,}", f"{c:,}", f"{q:,}", "yes" if w else "no") for t, n, c, q, w, _ in rows]
    print(
        table(("table", "rows", "changed", "quarantined", "written"), lines, right=("rows", "changed", "quarantined"))
    )


# ------------------------------------------------------------------------------------------------ verify --silver


def proofs_of(loaded: "Project", names: Sequence[str] | None) -> "dict[str, Proof]":
    """Each table of these datasets against its rebuild."""
    plans = list(loaded.named_plans(names)) if names else [p for p in loaded.plans if not p.not_built]
    return {str(silver.entity): loaded.prove(plan, silver) for plan in plans for silver in plan.silvers}


def prove_text(found: "dict[str, Proof]") -> str:
    """A table of the tables, then what differs."""
    from medallion_assets.cli.output import table

    headers = ("table", "up to commit", "rows", "missing", "extra", "equal to its rebuild")
    rows = [
        (name, str(p.bronze_n or "?"), f"{p.rows:,}", f"{p.missing:,}", f"{p.extra:,}", "yes" if p.holds else "no")
        for name, p in found.items()
    ]
    blocks = [table(headers, rows, right=headers[1:5])]
    for name, proof in found.items():
        if not proof.holds:
            why = (
                "it has never been built, or something else has written to it"
                if proof.bronze_n is None
                else proof.schema
            )
            details = "; ".join((*((why,) if why else ()), *proof.shown))
            blocks.append(f"CHK-016  {name}\n  The table is not its rebuild: {details}.\n  Fix: medallion rebuild.")
    return "\n\n".join(blocks)


def proofs_json(found: "dict[str, Proof]") -> "Json":
    """The same for programs."""
    return {
        name: {
            "equal": p.holds,
            "bronze_n": p.bronze_n,
            "rows": p.rows,
            "missing": p.missing,
            "extra": p.extra,
            "shown": list(p.shown),
            "schema": p.schema,
        }
        for name, p in found.items()
    }


# ------------------------------------------------------------------------------------------------ quarantine

quarantine = typer.Typer(
    name="quarantine", help="Rows that were not used: list them, show them, try them again.", add_completion=False,
    rich_markup_mode=None, no_args_is_help=True,
)  # fmt: skip


@command
def vacuum(
    context: typer.Context,
    intents: Names = None,
    *,
    delete: Annotated[bool, typer.Option("--delete", help="Remove them; without this they are only shown.")] = False,
    grace: Annotated[
        str | None, typer.Option(metavar="AGE", help="Versions superseded since stay (12h, 7d): the intent's, or 7d.")
    ] = None,
    project: Root = None,
    env: Env = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show, or remove, files of silver tables that only versions older than `retention.silver` need."""
    options = options_of(context, project, env, as_json, debug)
    loaded = options.load()
    age = None if grace is None else span(grace, "medallion vacuum --grace")
    plans = [loaded.plan(name) for name in intents] if intents else [p for p in loaded.plans if not p.not_built]
    found = {str(s.entity): loaded.vacuum(s, grace=age, delete=delete) for plan in plans for s in plan.silvers}
    if options.as_json:
        document({name: list(files) for name, files in found.items()})
        return
    from medallion_assets.cli.output import table

    rows = [(name, file) for name, files in found.items() for file in files]
    if rows:
        print(table(("table", "file"), rows))
    print(f"{'Removed' if delete else 'To be removed with --delete'}: {len(rows):,} files.")


@command
def optimize(
    context: typer.Context,
    intents: Names = None,
    *,
    project: Root = None,
    env: Env = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Join the small files of silver tables into larger ones; the rows stay, and what readers read meanwhile."""
    options = options_of(context, project, env, as_json, debug)
    loaded = options.load()
    plans = [loaded.plan(name) for name in intents] if intents else [p for p in loaded.plans if not p.not_built]
    found = {str(silver.entity): loaded.optimize(silver) for plan in plans for silver in plan.silvers}
    if options.as_json:
        document({name: asdict(done) for name, done in found.items()})
        return
    from medallion_assets.cli.output import table

    headers = ("table", "files before", "files", "bytes before", "bytes")
    rows = [
        (name, f"{done.files_before:,}", f"{done.files:,}", f"{done.bytes_before:,}", f"{done.bytes:,}")
        for name, done in found.items()
    ]
    print(table(headers, rows, right=headers[1:]))


@quarantine.command("list")
@command
def _list(
    context: typer.Context,
    intents: Names = None,
    *,
    project: Root = None,
    env: Env = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Count them by place, partition and reason."""
    options = options_of(context, project, env, as_json, debug)
    rows = _held(options.load(), intents)
    found = [] if rows is None else _counts(rows)
    if options.as_json:
        document([dict(zip(("place", "partition", "reason", "rows"), row, strict=True)) for row in found])
        return
    from medallion_assets.cli.output import table

    lines = [(place, partition, reason, f"{count:,}") for place, partition, reason, count in found]
    print(
        table(("place", "partition", "reason", "rows"), lines, right=("rows",))
        if lines
        else "Nothing is in quarantine."
    )


@quarantine.command("show")
@command
def _show(
    context: typer.Context,
    intents: Names = None,
    *,
    limit: Annotated[int, typer.Option(min=1, help="Rows to show.")] = 20,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show values of datasets with personal columns.")] = False,
    project: Root = None,
    env: Env = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show them: reason, what was wrong, the value, and where it came from."""
    options = options_of(context, project, env, as_json, debug)
    rows = _held(options.load(), intents, reveal=reveal)
    found = [] if rows is None else list(rows.head(limit).iter_rows(named=True))
    if options.as_json:
        document(found)
        return
    from medallion_assets.cli.output import table

    lines = [tuple("" if value is None else str(value) for value in row.values()) for row in found]
    print(table(tuple(found[0]), lines) if found else "Nothing is in quarantine.")
    if rows is not None and rows.height > limit:
        print(f"{rows.height - limit:,} more; --limit shows them.")


@quarantine.command("release")
@command
def _release(
    context: typer.Context,
    intents: Names = None,
    *,
    project: Root = None,
    env: Env = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Try them again after the intent was mended: silver is computed anew; what still does not fit stays.

    Rows that bronze could not read come with their file: load its partition again (`medallion run --date D --force`).
    """
    options = options_of(context, project, env, as_json, debug)
    loaded = options.load()
    before, plans = _held(loaded, intents), loaded.select(intents or [])
    for plan in plans:
        for silver in plan.silvers:
            loaded.refine(plan, silver, afresh=True)
    after = _held(loaded, intents)
    counts = [0 if rows is None else rows.height for rows in (before, after)]
    if options.as_json:
        document({"before": counts[0], "after": counts[1]})
    else:
        print(f"{counts[0]:,} rows were in quarantine, {counts[1]:,} are.")
    raise typer.Exit(CheckError.exit_code if counts[1] else 0)


def _held(loaded: "Project", names: Sequence[str] | None, *, reveal: bool = True) -> "pl.DataFrame | None":
    """All of them with their ``place`` (bronze dataset or silver table); None when there is none."""
    import polars as pl

    frames = []
    for plan in loaded.named_plans(names) if names else loaded.plans:
        personal = any(column.pii for column in plan.columns)
        for place, rows in loaded.quarantined(plan):
            shown = rows if reveal or not personal else rows.with_columns(value=pl.lit("***"))
            frames.append(shown.select(pl.lit(place).alias("place"), pl.all()))
    whole = pl.concat(frames) if frames else None
    return None if whole is None or not whole.height else whole


def _counts(rows: "pl.DataFrame") -> list[tuple[str, str, str, int]]:
    import polars as pl

    counted = rows.group_by("place", "partition", "reason", maintain_order=True).agg(pl.len().alias("rows"))
    return list(counted.iter_rows())
