"""Which files a partition consists of. Nothing outside the project can be named, matched or reached by a link."""

import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import translate
from pathlib import Path

from medallion_assets.errors import ConfigError, ExtractionError
from medallion_assets.intent.template import WINDOW_FIELDS, fields, render
from medallion_assets.lake.window import Partition

__all__ = ["Found", "Pattern", "find", "refused"]

_REFERENCE = re.compile(r"\$\$\{|\$\{[^{}]*\}")
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it was when it was listed.

    ``name`` is its path below the root, with ``/``; what a reference stands for is written as the reference, because
    names go into the commit log and values of references go nowhere.
    """

    path: Path
    name: str
    bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """``source.path`` for one partition. ``windowed``: it names the partition, so its files belong to that alone."""

    template: str
    path: str
    windowed: bool
    references: tuple[tuple[str, str], ...] = ()
    """(value, the reference that it came from), longest value first."""

    @classmethod
    def of(cls, template: str, partition: Partition, timezone: str, resolve: Callable[[str], str]) -> "Pattern":
        """Fill in references, then the partition. Values of references are text: their braces are no fields."""
        values = {reference: resolve(reference) for reference in _REFERENCE.findall(template)}
        text = _REFERENCE.sub(lambda m: values[m[0]].replace("{", "{{").replace("}", "}}"), template)
        references = sorted(((v, r) for r, v in values.items() if v), key=lambda pair: -len(pair[0]))
        windowed = any(field.name in WINDOW_FIELDS for field in fields(text))
        return cls(template, render(text, partition, timezone), windowed, tuple(references))

    def name_of(self, path: str) -> str:
        """A path below the root as it may be written down."""
        for value, reference in self.references:
            path = path.replace(value, reference)
        return path

    def __str__(self) -> str:
        return self.path if self.path == self.template else f"{self.path} (from {self.template})"


def find(patterns: tuple[Pattern, ...], root: Path) -> tuple[Found, ...]:
    """Files that match, each once, by name. A wildcard does not match a leading dot; ``**`` matches folders.

    Raises ConfigError SRC-003 for a path that leaves the root; ExtractionError SRC-002 when a pattern matches nothing,
    SRC-003 for a link out of the root, SRC-004 for what is not a regular file, SRC-005 when the system refuses.
    """
    root = Path(os.path.realpath(root))
    found: dict[str, Found] = {}
    for pattern in patterns:
        names = list(_matches(root, _segments(pattern), pattern))
        if not names:
            raise ExtractionError(
                "SRC-002",
                f"No file matches {pattern}.",
                where=str(root / pattern.path),
                fix="Put the file there, correct source.path, or ask for a partition that has one.",
            )
        found.update((name, _regular(root, name, pattern)) for name in names)
    return tuple(found[name] for name in sorted(found))


def _segments(pattern: Pattern) -> list[str]:
    segments = [s for s in pattern.path.split("/") if s not in ("", ".")]
    if pattern.path.startswith(("/", "~")) or ".." in segments or "\0" in pattern.path or not segments:
        raise ConfigError(
            "SRC-003",
            f"{pattern} is not a path below the project.",
            where=pattern.path.replace("\0", "\\0"),
            fix="Write a path relative to the project's folder, without `..`; or name a store.",
        )
    return segments


def _matches(root: Path, segments: list[str], pattern: Pattern, base: str = "") -> Iterator[str]:
    """Names below the root that match, folders of ``base`` already matched. Folders themselves only when named."""
    first, rest = segments[0], segments[1:]
    if first == "**":
        yield from _matches(root, rest or ["*"], pattern, base)
        for entry in _entries(root, base, pattern):
            if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                yield from _matches(root, segments, pattern, _join(base, entry.name))
        return
    for name in _named(root, first, pattern, base, folders=bool(rest)) if _WILD.search(first) else (first,):
        if rest:
            yield from _matches(root, rest, pattern, _join(base, name))
        elif os.path.lexists(root / base / name):
            yield _join(base, name)


def _named(root: Path, shape: str, pattern: Pattern, base: str, *, folders: bool) -> Iterator[str]:
    """Entries of a folder whose name fits ``shape``: its folders, or everything else."""
    fits = re.compile(translate(shape)).match
    for entry in _entries(root, base, pattern):
        hidden = entry.name.startswith(".") and not shape.startswith(".")
        if not hidden and fits(entry.name) and entry.is_dir() == folders:
            yield entry.name


def _join(base: str, name: str) -> str:
    return f"{base}/{name}" if base else name


def _entries(root: Path, base: str, pattern: Pattern) -> list["os.DirEntry[str]"]:
    _inside(root, base, pattern)
    try:
        with os.scandir(root / base) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise refused(root / base, error) from error


def _inside(root: Path, name: str, pattern: Pattern) -> None:
    real = Path(os.path.realpath(root / name))
    if real != root and root not in real.parents:
        raise ExtractionError(
            "SRC-003",
            f"A link leads out of the project: {name} is {real}.",
            where=str(pattern),
            fix="Replace the link by the file, or keep the files in a store and name it.",
        )


def _regular(root: Path, name: str, pattern: Pattern) -> Found:
    _inside(root, name, pattern)
    path = Path(os.path.realpath(root / name))
    try:
        facts = path.stat()
    except OSError as error:
        raise refused(path, error) from error
    if not stat.S_ISREG(facts.st_mode):
        kind = "a folder" if stat.S_ISDIR(facts.st_mode) else "a pipe, socket or device"
        raise ExtractionError(
            "SRC-004",
            f"{name} is {kind}, not a file.",
            where=str(path),
            fix="For the files of a folder write a wildcard, like `folder/*.csv`.",
        )
    return Found(path, pattern.name_of(name), facts.st_size, facts.st_mtime_ns)


def refused(path: Path, error: OSError) -> ExtractionError:
    """Why the system did not let us have a file: gone, no permission, a failing disk."""
    what = "It was there and is gone" if isinstance(error, FileNotFoundError) else (error.strerror or str(error))
    return ExtractionError(
        "SRC-005",
        f"The file cannot be read: {what}.",
        where=str(path),
        fix="Give the user that runs this the right to read it, or run again when the file is complete.",
    )
