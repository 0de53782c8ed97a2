"""The command line ``medallion``: arguments, exit codes and what is printed.

Exit codes: 0 done, 1 a wrong intent, platform file or command line, 2 a source, 3 the lake, 4 a check, 130 interrupted.
Results go to stdout, progress and errors to stderr. Cold start is measured: this module imports neither Polars nor
Dagster nor rich, and each command what it needs.
"""

import atexit
import gc
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Literal

import typer

from medallion_assets.cli import decisions, silver, upkeep
from medallion_assets.cli.ddl import ddl
from medallion_assets.cli.lineage import lineage
from medallion_assets.cli.options import (
    AsJson,
    Debug,
    Env,
    Names,
    Options,
    Root,
    command,
    complain,
    document,
    options_of,
)
from medallion_assets.cli.report import report
from medallion_assets.cli.samples import samples
from medallion_assets.errors import CheckError, ConfigError, MedallionError

__all__ = ["app", "main"]

_COLLECT = (100_000, 20, 20)
"""Imports make many objects and no garbage: looking for it every 700 objects is a tenth of a cold start."""

app = typer.Typer(
    name="medallion",
    help="One short YAML file becomes exact bronze and silver.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from medallion_assets import __version__

        print(f"medallion-assets {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _common(
    context: typer.Context,
    *,
    project: Root = None,
    env: Env = None,
    as_json: AsJson = False,
    debug: Debug = False,
    version: Annotated[  # noqa: ARG001 - typer calls _version
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    context.obj = Options(project, env, as_json, debug)
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
@command
def validate(
    context: typer.Context, *, project: Root = None, env: Env = None, as_json: AsJson = False, debug: Debug = False
) -> None:
    """Read platform.yaml and every intent, and say everything that is wrong."""
    options = options_of(context, project, env, as_json, debug)
    loaded = options.load()
    from medallion_assets.cli.texts import validated_json, validated_text

    if options.as_json:
        document(validated_json(loaded))
    else:
        print(validated_text(loaded))


@app.command()
@command
def plan(
    context: typer.Context,
    intents: Names = None,
    *,
    project: Root = None,
    env: Env = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show what will happen: datasets, paths, partitions, models, columns, checks, dependencies."""
    options = options_of(context, project, env, as_json, debug)
    loaded = options.load()
    plans = list(loaded.named_plans(intents)) if intents else list(loaded.plans)
    from medallion_assets.cli.texts import plan_text, plans_text
    from medallion_assets.plan.explain import plan_json

    if options.as_json:
        document([plan_json(one) for one in plans])
    else:
        print("\n\n".join(plan_text(one) for one in plans) if intents else plans_text(plans))


@app.command()
@command
def run(
    context: typer.Context,
    intents: Names = None,
    *,
    date: Annotated[str | None, typer.Option(metavar="D", help="One date, or an hour: 2024-01-31-13:00.")] = None,
    first: Annotated[str | None, typer.Option("--from", metavar="A", help="First date of a range.")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="B", help="Last date of the range, included.")] = None,
    missing: Annotated[
        bool, typer.Option("--missing", help="Of a range only what is not loaded and whole: go on where it stopped.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Commit again although the content is the same.")] = False,
    restate: Annotated[
        bool, typer.Option("--restate", help="Load a source that is read now into an older partition; recorded.")
    ] = False,
    pattern: Annotated[
        Literal["full"] | None,
        typer.Option("--pattern", help="full: load the whole state of what is otherwise loaded by its changes."),
    ] = None,
    allow_deletes: Annotated[
        bool, typer.Option("--allow-deletes", help="Absorb loads that the guard holds for their deletes; recorded.")
    ] = False,
    tenant: Annotated[
        str | None, typer.Option("--tenant", metavar="T", help="Only the datasets of this tenant.")
    ] = None,
    dagster: Annotated[
        bool | None,
        typer.Option("--dagster/--plain", help="Record Dagster runs (default: when DAGSTER_HOME is set), or do not."),
    ] = None,
    project: Root = None,
    env: Env = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Load bronze and refine silver, dataset by dataset, dates in order.

    Without a date: the last whole partition (yesterday, for a daily one), or the current one of a source read now.
    """
    options = options_of(context, project, env, as_json, debug)
    from medallion_assets.cli.output import outcome_json, outcome_text
    from medallion_assets.cli.progress import Reporter
    from medallion_assets.cli.run import dates_of, plan_work
    from medallion_assets.cli.run import run as execute

    dates = dates_of(date, first, last, restate=restate, missing=missing, whole=pattern == "full")
    loaded = options.load()
    work, failures = plan_work(loaded, intents or [], dates, tenant)
    recorded = bool(os.environ.get("DAGSTER_HOME")) if dagster is None else dagster
    with Reporter(loaded.scrub, options.debug) as reporter:
        if dates.key is None and dates.first is None:
            reporter.newest(work)
        if recorded:
            from medallion_assets.cli.recorded import execute_recorded

            outcome = execute_recorded(
                loaded, work, failures, reporter, env=options.env, force=force, restate=restate,
                allow_deletes=allow_deletes, whole=dates.whole,
            )  # fmt: skip
        else:
            outcome = execute(loaded, work, failures, reporter, force=force, allow_deletes=allow_deletes)
    if options.as_json:
        document(outcome_json(outcome))
    else:
        print(outcome_text(outcome))
    raise typer.Exit(outcome.exit_code)


@app.command()
@command
def status(
    context: typer.Context,
    intents: Names = None,
    *,
    verify: Annotated[bool, typer.Option("--verify", help="Judge every check anew; reads every part.")] = False,
    project: Root = None,
    env: Env = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show what is committed: for which dates, how many rows, how far silver has come."""
    options = options_of(context, project, env, as_json, debug)
    from medallion_assets.cli.commands import status as look
    from medallion_assets.cli.texts import partitions_text, status_json, status_text

    found = look(options.load(), intents or [], verify=verify)
    if options.as_json:
        document([status_json(one) for one in found])
    else:
        print(status_text(found))
        if intents:
            print("".join(f"\n{partitions_text(one)}\n" for one in found), end="")
    failed = any(not check.passed and check.severity == "error" for one in found for check in one.all_checks)
    raise typer.Exit(CheckError.exit_code if failed else 0)


@app.command()
@command
def show(
    context: typer.Context,
    table: Annotated[str, typer.Argument(help="silver/<domain>/<entity> or bronze/<system>/<table>.")],
    *,
    as_of: Annotated[str | None, typer.Option("--as-of", metavar="T", help="Versions valid at that moment.")] = None,
    current: Annotated[bool, typer.Option("--current", help="Current versions only.")] = False,
    date: Annotated[str | None, typer.Option(metavar="D", help="Of bronze: the load of that date.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows to show.")] = 20,
    project: Root = None,
    env: Env = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show the first rows of a table."""
    options = options_of(context, project, env, as_json, debug)
    from medallion_assets.cli.commands import show as first_rows
    from medallion_assets.cli.texts import shown_json, shown_text

    found = first_rows(options.load(), table, as_of=as_of, current=current, key=date, limit=limit)
    if options.as_json:
        document(shown_json(found))
    else:
        print(shown_text(found))


@app.command()
@command
def ui(
    context: typer.Context,
    *,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on; anyone who can reach it can run things.")] = (
        "127.0.0.1"
    ),
    project: Root = None,
    env: Env = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Open Dagster's webserver and daemon on the project; Ctrl-C ends both."""
    options = options_of(context, project, env, as_json, debug)
    options.load()
    from medallion_assets.cli.ui import serve

    raise typer.Exit(serve(options.folder().resolve(), options.env, host, port))


@app.command()
@command
def schema(
    context: typer.Context,
    *,
    write: Annotated[bool, typer.Option("--write", help="Write schemas/<name>.schema.json for editors.")] = False,
    project: Root = None,
    env: Env = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Print the JSON Schemas of intents, or write them for editors."""
    options = options_of(context, project, env, as_json, debug)
    from medallion_assets.intent.schema import json_schemas

    schemas = json_schemas()
    if not write:
        document(schemas)
        return
    from medallion_assets.cli.commands import write_schemas

    written = [str(path) for path in write_schemas(options.folder(), schemas)]
    if options.as_json:
        document(written)
    else:
        print("\n".join(written))
        print("For an editor, first line of an intent: # yaml-language-server: $schema=../schemas/intent.schema.json")


for further in (
    upkeep.doctor,
    upkeep.verify,
    upkeep.repair,
    upkeep.gc,
    silver.rebuild,
    silver.optimize,
    silver.vacuum,
    ddl,
    lineage,
    decisions.approve,
    decisions.expunge,
    report,
    samples,
):
    app.command()(further)
app.add_typer(silver.quarantine)

_UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""click's, or the copy of it inside newer versions of typer, which has no public name."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code. No traceback, unless ``--debug`` asks for it."""
    asked = list(sys.argv[1:] if arguments is None else arguments)
    gc.set_threshold(*_COLLECT)
    atexit.register(gc.freeze)  # or the interpreter looks for garbage among all modules once more before it goes
    try:
        code = app(asked, prog_name="medallion", standalone_mode=False)
    except _UsageError as error:
        complain(str(ConfigError("CLI-006", _sentence(error), where="medallion", fix="see `medallion --help`.")))
        return ConfigError.exit_code
    except Exception as error:  # noqa: BLE001 - the border to the terminal: no traceback but on request
        return _unexpected(error, debug="--debug" in asked)
    return code if isinstance(code, int) else 0


def _sentence(error: Exception) -> str:
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    return " ".join(str(message).split())


def _unexpected(error: Exception, *, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exception(error)
    else:
        from medallion_assets.cli.run import unexpected

        complain(str(unexpected(error)))
    return error.exit_code if isinstance(error, MedallionError) else 1


if __name__ == "__main__":
    sys.exit(main())
