"""Commands for whoever looks after a lake: what its stores can do, whether it is whole, what in it is garbage."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from medallion_assets.cli.options import AsJson, Debug, Env, Names, Root, command, document, options_of, span
from medallion_assets.cli.silver import proofs_json, proofs_of, prove_text
from medallion_assets.errors import CheckError, Corrupt, StorageError

if TYPE_CHECKING:
    from medallion_assets.bronze.audit import Audit
    from medallion_assets.bronze.garbage import Sweep
    from medallion_assets.cli.output import Json
    from medallion_assets.lake.ports import Progress
    from medallion_assets.plan.model import DatasetPlan
    from medallion_assets.project import Project
    from medallion_assets.stores.probe import Finding

__all__ = ["doctor", "gc", "repair", "verify"]


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


# ------------------------------------------------------------------------------------------------ verify


@command
def verify(
    context: typer.Context,
    intents: Names = None,
    *,
    silver: Annotated[
        bool, typer.Option("--silver", help="Whether each silver table is what a rebuild from bronze would give.")
    ] = False,
    project: Root = None,
    env: Env = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Read every byte of every committed part and the whole commit log, and say what is not as it was written."""
    options = options_of(context, project, env, as_json, debug)
    loaded = options.load()
    if silver:
        proofs = proofs_of(loaded, intents)
        if options.as_json:
            document(proofs_json(proofs))
        else:
            print(prove_text(proofs))
        raise typer.Exit(0 if all(proof.holds for proof in proofs.values()) else CheckError.exit_code)
    from medallion_assets.cli.progress import Reporter

    found: dict[str, Audit | Corrupt] = {}
    with Reporter(loaded.scrub, options.debug) as reporter:
        for plan in _with_bronze(loaded, intents):
            found[plan.name] = _audited(loaded, plan, reporter.progress)
    if options.as_json:
        document({name: _audit_json(audit) for name, audit in found.items()})
    else:
        print(_audits_text(found))
    whole = all(not isinstance(audit, Corrupt) and not audit.faults for audit in found.values())
    raise typer.Exit(0 if whole else Corrupt.exit_code)


def _audited(loaded: "Project", plan: "DatasetPlan", progress: "Progress") -> "Audit | Corrupt":
    """A damaged log is a finding, too: the other datasets are still looked at."""
    try:
        return loaded.audit(plan, progress=progress)
    except Corrupt as error:
        return error


def _with_bronze(loaded: "Project", names: Sequence[str] | None) -> "list[DatasetPlan]":
    """The datasets that have a bronze of their own, once each."""
    chosen = list(loaded.named_plans(names)) if names else [p for p in loaded.plans if p.has_bronze]
    return list({(plan.bronze.store, plan.bronze.path): plan for plan in reversed(chosen)}.values())[::-1]


def _audits_text(found: "Mapping[str, Audit | Corrupt]") -> str:
    from medallion_assets.cli.output import table

    headers = ("dataset", "commits", "parts", "rows", "bytes", "faults")
    rows: list[tuple[str, ...]] = []
    faults: list[str] = []
    for name, audit in found.items():
        if isinstance(audit, Corrupt):
            rows.append((name, "?", "?", "?", "?", "log damaged"))
            faults.append(str(audit))
            continue
        numbers = (audit.commits, audit.parts, audit.rows, audit.bytes, len(audit.faults))
        rows.append((name, *(f"{number:,}" for number in numbers)))
        faults += [
            f"{fault.fault.code}  {name}  commit {fault.n}, partition {fault.partition}\n"
            f"  {fault.fault.path} {fault.fault.what}.\n"
            "  Fix: load the partition again (medallion run), or restore the file from a backup."
            for fault in audit.faults
        ]
    return "\n\n".join([table(headers, rows, right=headers[1:]), *faults])


def _audit_json(audit: "Audit | Corrupt") -> "Json":
    if isinstance(audit, Corrupt):
        return {"log": {"code": audit.code, "what": audit.problem.what, "where": audit.problem.where}}
    return {
        "commits": audit.commits,
        "parts": audit.parts,
        "rows": audit.rows,
        "bytes": audit.bytes,
        "faults": [
            {"code": f.fault.code, "commit": f.n, "partition": f.partition, "path": f.fault.path, "what": f.fault.what}
            for f in audit.faults
        ],
    }


# ------------------------------------------------------------------------------------------------ repair


@command
def repair(
    context: typer.Context,
    intents: Names = None,
    *,
    project: Root = None,
    env: Env = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write the copies beside the parts (_metadata.json, _checksums.json) anew where they differ from the log."""
    options = options_of(context, project, env, as_json, debug)
    loaded = options.load()
    found = {plan.name: loaded.repair(plan) for plan in _with_bronze(loaded, intents)}
    if options.as_json:
        document({name: list(paths) for name, paths in found.items()})
    else:
        written = [path for paths in found.values() for path in paths]
        print(
            "\n".join(
                [*written, f"{len(written):,} copies written." if written else "All copies are as they should be."]
            )
        )


# ------------------------------------------------------------------------------------------------ gc


@command
def gc(
    context: typer.Context,
    intents: Names = None,
    *,
    delete: Annotated[bool, typer.Option("--delete", help="Remove it; without this it is only shown.")] = False,
    grace: Annotated[
        str, typer.Option(metavar="AGE", help="Nothing younger goes: a run may be writing it (30m, 12h, 7d).")
    ] = "7d",
    project: Root = None,
    env: Env = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show, or remove, what no commit names and what was replaced longer ago than `retention.bronze`."""
    options = options_of(context, project, env, as_json, debug)
    loaded = options.load()
    age = span(grace, "medallion gc --grace")
    found = {plan.name: loaded.sweep(plan, grace=age, delete=delete) for plan in _with_bronze(loaded, intents)}
    if options.as_json:
        document({name: _sweep_json(sweep) for name, sweep in found.items()})
    else:
        print(_sweeps_text(found, deleted=delete))


def _sweeps_text(found: "Mapping[str, Sweep]", *, deleted: bool) -> str:
    from medallion_assets.cli.output import table

    rows = [
        (name, garbage.path, garbage.why, f"{garbage.bytes:,}", garbage.modified.isoformat(timespec="seconds"))
        for name, sweep in found.items()
        for garbage in sweep.garbage
    ]
    text = [table(("dataset", "object", "why", "bytes", "written"), rows, right=("bytes",))] if rows else []
    unfinished = sum(sweep.unfinished for sweep in found.values())
    young = sum(sweep.young for sweep in found.values())
    done = "Removed" if deleted else "To be removed with --delete"
    text.append(f"{done}: {len(rows):,} objects and {unfinished:,} unfinished writes.")
    if young:
        text.append(f"{young:,} more are named by no commit and too young: a run may be writing them.")
    return "\n".join(text)


def _sweep_json(sweep: "Sweep") -> "Json":
    return {
        "deleted": sweep.deleted,
        "unfinished": sweep.unfinished,
        "young": sweep.young,
        "garbage": [
            {"path": g.path, "bytes": g.bytes, "modified": g.modified.isoformat(), "why": g.why} for g in sweep.garbage
        ],
    }
