"""A project's folder: platform.yaml, its overlays and ``intents/**/*.yaml``, as text and as plans."""

from collections.abc import Mapping
from pathlib import Path

from medallion_assets.errors import ConfigError, Problem
from medallion_assets.intent.parse import parse_platform, parse_project
from medallion_assets.intent.platform import Platform
from medallion_assets.plan.cache import MANY, Planned, cached, key_of
from medallion_assets.plan.compile import compile_plans

__all__ = ["is_of", "planned", "read_intents", "read_platform"]


def read_platform(root: Path, env: str | None) -> Platform:
    """platform.yaml with the overlay for ``env``. Raises InvalidProject; ConfigError CLI-004, CLI-010."""
    file = root / "platform.yaml"
    overlay = root / f"platform.{env}.yaml"
    platform = parse_platform(
        _read(root, file) if file.is_file() else None,
        _read(root, overlay) if env and overlay.is_file() else None,
        file.name,
        overlay.name,
    )
    if env and not overlay.is_file() and env != platform.environment:
        raise ConfigError(
            "CLI-010",
            f"There is no environment '{env}': {overlay.name} does not exist.",
            where=str(root),
            fix=f"write {overlay.name}, or leave --env and MEDALLION_ENV out for '{platform.environment}'.",
        )
    return platform


def is_of(problem: Problem, file: str) -> bool:
    """Whether a problem stands in ``file``: ``file:line:column  key``."""
    return problem.where == file or problem.where.startswith(f"{file}:")


def read_intents(root: Path) -> Mapping[str, str]:
    """Path below ``root`` → text of every intent. Raises ConfigError CLI-001, CLI-004, CLI-011."""
    files = {p.relative_to(root).as_posix(): _read(root, p) for p in _intent_files(root)}
    if not files:
        raise ConfigError(
            "CLI-001",
            f"There are no intents below {root / 'intents'}.",
            where=str(root),
            fix="name the project's folder with --project, or write intents/<name>.yaml.",
        )
    return files


def _intent_files(root: Path) -> list[Path]:
    folder = root / "intents"
    for file in sorted(folder.rglob("*.yml")):
        raise ConfigError(
            "CLI-011",
            "An intent's file name ends in .yaml; this one would not be read.",
            where=file.relative_to(root).as_posix(),
            fix=f"rename it to {file.with_suffix('.yaml').name}.",
        )
    return sorted(folder.rglob("*.yaml"))


def _read(root: Path, file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise ConfigError(
            "CLI-004",
            f"The file cannot be read: {reason}.",
            where=file.relative_to(root).as_posix(),
            fix="save it as UTF-8 and check who may read it.",
        ) from None


def planned(root: Path, platform: Platform, files: Mapping[str, str]) -> Planned:
    """Plans and warnings, from ``.medallion`` below ``root`` when they were compiled before."""

    def compiled() -> Planned:
        intents = parse_project(files, platform)
        return compile_plans(intents, platform), tuple(problem for located in intents for problem in located.warnings)

    if len(files) < MANY:
        return compiled()
    return cached(root / ".medallion", key_of(files, platform), compiled)
