"""Commands for whoever looks after a lake: what its stores can do."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typer

from medallion_assets.cli.options import AsJson, Debug, Env, Root, command, document, options_of
from medallion_assets.errors import StorageError

if TYPE_CHECKING:
    from medallion_assets.cli.output import Json
    from medallion_assets.stores.probe import Finding

__all__ = ["doctor"]


@command
def doctor(
    context: typer.Context, *, project: Root = None, env: Env = None, as_json: AsJson = False, debug: Debug = False
) -> None:
    """Try every store of platform.yaml: write, create, create again, read, list, delete."""
    options = options_of(context, project, env, as_json, debug)
    loaded = options.load()
    from medallion_assets.stores.probe import examine

    found: dict[str, tuple[Finding, ...]] = {}
    for name in loaded.platform.stores:
        found[name] = examine(loaded.store(name))
    if options.as_json:
        document(_findings_json(found))
    else:
        print(_findings_text(found))
    failed = any(finding.problem for findings in found.values() for finding in findings)
    raise typer.Exit(StorageError.exit_code if failed else 0)


def _findings_text(found: "Mapping[str, Sequence[Finding]]") -> str:
    from medallion_assets.cli.output import table

    rows = [
        (name, finding.what, f"{finding.milliseconds:.1f}", "ok" if finding.problem is None else finding.problem.code)
        for name, findings in found.items()
        for finding in findings
    ]
    problems = [str(f.problem) for findings in found.values() for f in findings if f.problem is not None]
    return "\n\n".join([table(("store", "tried", "ms", "result"), rows, right=("ms",)), *problems])


def _findings_json(found: "Mapping[str, Sequence[Finding]]") -> "Json":
    return {
        name: [
            {
                "tried": finding.what,
                "ms": round(finding.milliseconds, 3),
                "problem": None
                if finding.problem is None
                else {"code": finding.problem.code, "what": finding.problem.problem.what},
            }
            for finding in findings
        ]
        for name, findings in found.items()
    }
