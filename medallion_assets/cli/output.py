"""Texts of results: aligned tables for people, JSON documents for programs. Pure functions."""

from collections.abc import Collection, Sequence
from dataclasses import asdict

from medallion_assets.cli.run import Outcome
from medallion_assets.lake.results import CheckResult

__all__ = ["Json", "check_json", "check_text", "outcome_json", "outcome_text", "table"]

Json = None | bool | int | float | str | Sequence["Json"] | dict[str, "Json"]
_WIDEST = 60


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = ()) -> str:
    """Columns two spaces apart; those named in ``right`` end at one edge. A cell longer than 60 characters is cut."""
    cells = [[_short(cell) for cell in row] for row in (headers, *rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(headers))]
    lines = ["  ".join("-" * width for width in widths)]
    for row in cells:
        aligned = [
            cell.rjust(width) if header in right else cell.ljust(width)
            for header, cell, width in zip(headers, row, widths, strict=True)
        ]
        lines.append("  ".join(aligned).rstrip())
    return "\n".join([lines[1], lines[0], *lines[2:]])


def outcome_text(outcome: Outcome) -> str:
    """The summary of a run: one row an asset, then what failed and what was left out."""
    headers = ("dataset", "partitions", "rows in", "written", "quarantined", "checks passed", "seconds")
    rows = [
        (
            line.asset if line.layer == "bronze" else f"  {line.asset}",
            str(line.partitions),
            f"{line.rows_in:,}",
            f"{line.written:,}",
            f"{line.quarantined:,}",
            f"{line.checks_passed}/{line.checks}",
            f"{line.seconds:.2f}",
        )
        for line in outcome.lines()
    ]
    blocks = [table(headers, rows, right=set(headers) - {"dataset"})] if rows else []
    blocks += [check_text(asset, check) for asset, check in outcome.failed_checks]
    blocks += [
        f"{work.plan.name}: no file for {len(work.absent):,} of {len(work.absent) + len(work.partitions):,} partitions"
        f" ({_ends(work.absent)}); they were left out."
        for work in outcome.work
        if work.absent
    ]
    blocks += [
        f"{work.plan.name}: {work.loaded:,} partitions are loaded and whole; they were left out."
        for work in outcome.work
        if work.loaded
    ]
    if outcome.failures:
        blocks.append(f"Failed: {', '.join(dict.fromkeys(f.dataset for f in outcome.failures))}; see the errors above.")
    elif not outcome.wrote:
        blocks.append("Nothing new: all of it was there already, and nothing was written.")
    blocks.append(f"{outcome.seconds:.2f} s")
    return "\n".join(blocks)


def outcome_json(outcome: Outcome) -> Json:
    """Everything in ``outcome_text``, and the facts of each check that did not pass."""
    return {
        "exit_code": outcome.exit_code,
        "seconds": outcome.seconds,
        "nothing_new": not outcome.wrote and not outcome.failures,
        "run_ids": list(outcome.run_ids),
        "assets": [
            {
                "asset": line.asset,
                "dataset": line.dataset,
                "layer": line.layer,
                "partitions": line.partitions,
                "rows_in": line.rows_in,
                "written": line.written,
                "quarantined": line.quarantined,
                "checks_passed": line.checks_passed,
                "checks": line.checks,
                "seconds": line.seconds,
            }
            for line in outcome.lines()
        ],
        "failed_checks": [{"asset": asset, **check_json(check)} for asset, check in outcome.failed_checks],
        "drift": [{"asset": str(done.entity), **asdict(one)} for done in outcome.refined for one in done.drift],
        "loaded_before": {work.plan.name: work.loaded for work in outcome.work if work.loaded},
        "absent": {work.plan.name: list(work.absent) for work in outcome.work if work.absent},
        "failures": [
            {
                "dataset": failure.dataset,
                "partition": failure.partition,
                "code": failure.error.code,
                "what": failure.error.problem.what,
                "where": failure.error.problem.where,
                "fix": failure.error.problem.fix,
            }
            for failure in outcome.failures
        ],
    }


def check_json(check: CheckResult) -> dict[str, Json]:
    """One verdict with its facts."""
    return {
        "check": check.name,
        "at": check.at,
        "passed": check.passed,
        "severity": check.severity,
        "blocking": check.blocking,
        "partition": check.partition,
        "summary": check.summary,
        "facts": dict(check.facts),
    }


def check_text(asset: str, check: CheckResult) -> str:
    """One line on a check that did not pass."""
    word = "FAILED" if check.severity == "error" else "Warning" if check.severity == "warn" else "Note"
    of = f" {check.partition}" if check.partition else ""
    return f"{word}  {asset}{of}  {check.name}: {check.summary}"


def _ends(keys: Sequence[str]) -> str:
    return ", ".join(keys) if len(keys) <= 3 else f"{keys[0]}, {keys[1]}, … {keys[-1]}"


def _short(cell: str) -> str:
    line = cell.replace("\n", "⏎").replace("\t", " ")
    return line if len(line) <= _WIDEST else line[: _WIDEST - 1] + "…"
