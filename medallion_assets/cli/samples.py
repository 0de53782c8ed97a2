"""``medallion samples``: a project of made-up data that runs at once, and a REST interface for a part of it."""

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medallion_assets.cli.options import AsJson, Debug, command, complain, document, options_of
from medallion_assets.errors import ConfigError

if TYPE_CHECKING:
    from medallion_assets.samples.draw import World
    from medallion_assets.samples.project import Made

__all__ = ["samples"]

_PORT = 8765
_LOOK_S = 0.2


@command
def samples(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder, or one that has samples.")],
    *,
    rows: Annotated[int, typer.Option(min=1, help="Rows of each source, about.")] = 1_000,
    days: Annotated[int, typer.Option(min=1, max=3_660, help="Days that they lie in.")] = 7,
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The first of them.")] = datetime(2024, 1, 1),  # noqa: DTZ001 - a date
    seed: Annotated[int, typer.Option(help="Another seed makes other data; the same one the same bytes.")] = 1,
    serve: Annotated[bool, typer.Option("--serve", help="Then serve the REST interface until Ctrl-C.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of --serve; 0: any that is free.")] = _PORT,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Make a project of made-up sources, and what its silver tables must hold."""
    options = options_of(context, None, None, as_json, debug)
    from medallion_assets.samples.draw import World
    from medallion_assets.samples.project import make

    world = World(rows, days, seed, date(start.year, start.month, start.day))
    folder = options.folder() / folder
    made = make(folder, world)
    if options.as_json:
        document([{"dataset": one.name, "rows": one.rows, "expected": dict(one.expected)} for one in made])
    else:
        _show(made, folder, world)
    if serve:
        _serve(world, port)


def _show(made: "tuple[Made, ...]", folder: Path, world: "World") -> None:
    from medallion_assets.cli.output import table

    lines = [
        (one.name, f"{one.rows:,}", ", ".join(f"{name} {count:,}" for name, count in one.expected.items()))
        for one in made
    ]
    print(table(("dataset", "rows", "expected rows"), lines, ("rows",)))
    first, last = world.dates[0], world.dates[-1]
    print(f"Now: medallion -C {folder} run --from {first} --to {last}")
    print("desk.tickets reads a REST interface: start it first with --serve, in another terminal.")


def _serve(world: "World", port: int) -> None:
    from time import sleep

    from medallion_assets.samples.api import serving

    try:
        with serving(world, port, complain) as url:
            elsewhere = "" if url.endswith(f":{_PORT}") else f" Elsewhere: export SAMPLES_URL={url}"
            print(f"Serving {url}/tickets until Ctrl-C.{elsewhere}", flush=True)
            while True:  # Polars makes the system go on with a wait that Ctrl-C interrupts: it is looked for in between
                sleep(_LOOK_S)
    except OSError as error:
        raise ConfigError(
            "CLI-012", f"Nothing can listen on 127.0.0.1:{port}: {error.strerror}.", where="medallion samples",
            fix="choose another port: --port 0 takes a free one.",
        ) from None  # fmt: skip
