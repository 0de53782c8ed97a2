"""What every command of the line takes, and how its errors become texts and exit codes."""

import functools
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ParamSpec

import typer

from medallion_assets.errors import ConfigError, InvalidProject, MedallionError

if TYPE_CHECKING:
    from medallion_assets.project import Project

__all__ = [
    "AsJson",
    "Debug",
    "Env",
    "Names",
    "Options",
    "Root",
    "command",
    "complain",
    "document",
    "options_of",
    "span",
]

INTERRUPTED = 130

Root = Annotated[Path | None, typer.Option("--project", "-C", metavar="DIR", help="The project's folder (default: .).")]
Env = Annotated[str | None, typer.Option("--env", metavar="NAME", help="Overlay platform.NAME.yaml ($MEDALLION_ENV).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document to stdout.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback for an error.")]
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[INTENT]...", help="system.table, of one tenant system.table@tenant; default: all."),
]


@dataclass(frozen=True, slots=True)
class Options:
    """What every command takes, before its name or after it; the one after it wins."""

    root: Path | None = None
    env: str | None = None
    as_json: bool = False
    debug: bool = False

    def folder(self) -> Path:
        return self.root or Path()

    def load(self) -> "Project":
        from medallion_assets.project import Project

        return Project.load(self.folder(), self.env)


P = ParamSpec("P")


def command(function: Callable[P, None]) -> Callable[P, None]:
    """A command whose MedallionErrors are printed and become its exit code."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
            sys.stdout.flush()
        except MedallionError as error:
            context = kwargs["context"]
            before = context.obj if isinstance(context, typer.Context) else None
            if kwargs["debug"] or (isinstance(before, Options) and before.debug):
                raise
            if kwargs["as_json"] or (isinstance(before, Options) and before.as_json):
                problems = error.problems if isinstance(error, InvalidProject) else (error.problem,)
                document({"problems": [asdict(problem) for problem in problems]})
            complain(str(error))
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            complain("Interrupted. What was committed stays; run it again to go on.")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # the reader of our output, such as `head`, has gone: nobody is left to tell
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit from None

    return wrapped


def options_of(context: typer.Context, root: Path | None, env: str | None, as_json: bool, debug: bool) -> Options:
    """What was said before the command's name or after it."""
    before = context.obj if isinstance(context.obj, Options) else Options()
    return Options(root or before.root, env or before.env, as_json or before.as_json, debug or before.debug)


def complain(text: str) -> None:
    """To stderr."""
    print(text, file=sys.stderr)


def document(value: object) -> None:
    """One JSON document to stdout."""
    import json

    print(json.dumps(value, indent=2, ensure_ascii=False))


def span(text: str, option: str) -> timedelta:
    """Raises ConfigError CLI-013."""
    from pydantic import TypeAdapter, ValidationError

    from medallion_assets.intent.base import Duration

    try:
        return TypeAdapter(Duration).validate_python(text)
    except ValidationError:
        raise ConfigError(
            "CLI-013", f"{text!r} is not a span of time.", where=option, fix="write 30m, 12h or 7d."
        ) from None
