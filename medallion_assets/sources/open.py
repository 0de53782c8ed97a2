"""Sources by the plan: the one place that knows every kind."""

from collections.abc import Callable
from pathlib import Path

from medallion_assets.errors import ConfigError
from medallion_assets.intent.source import File
from medallion_assets.lake.ports import Source
from medallion_assets.plan.model import DatasetPlan
from medallion_assets.sources.files.formats import check_format
from medallion_assets.sources.files.source import FileSource

__all__ = ["open_source"]


def open_source(plan: DatasetPlan, root: Path, resolve: Callable[[str], str]) -> Source:
    """The source of a dataset. ``root``: the project's folder; ``resolve`` turns references into values.

    Raises ConfigError SRC-001 for what this version cannot read.
    """
    spec = plan.source
    if not isinstance(spec, File):
        raise _unbuilt(plan, f"Source type `{spec.type}`", "Use a file source.")
    if spec.store is not None:
        raise _unbuilt(plan, "A file source with a `store`", "Keep the files below the project, and remove `store`.")
    if spec.compression in ("bz2", "zip") or spec.member is not None:
        raise _unbuilt(plan, "A bz2 or zip file", "Use gzip or zstd.")
    check_format(spec.format, f"{plan.file}:{plan.line}")
    return FileSource(spec, root, plan.calendar.timezone, plan.bronze.pattern == "full", resolve)


def _unbuilt(plan: DatasetPlan, what: str, fix: str) -> ConfigError:
    return ConfigError("SRC-001", f"{what} is not built in this version.", where=f"{plan.file}:{plan.line}", fix=fix)
