"""``source.path`` for one partition."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from medallion_assets.errors import ConfigError
from medallion_assets.intent.template import WINDOW_FIELDS, fields, render
from medallion_assets.lake.window import Partition

__all__ = ["WILD", "Pattern"]

_REFERENCE = re.compile(r"\$\$\{|\$\{[^{}]*\}")
WILD = re.compile(r"[*?\[]")


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

    def segments(self) -> list[str]:
        """The names between the slashes. Raises ConfigError SRC-003 for a path that may leave where it starts."""
        segments = [s for s in self.path.split("/") if s not in ("", ".")]
        if self.path.startswith(("/", "~")) or ".." in segments or "\0" in self.path or not segments:
            raise ConfigError(
                "SRC-003",
                f"{self} is not a path below the project.",
                where=self.path.replace("\0", "\\0"),
                fix="Write a path relative to the project's folder, without `..`; or name a store.",
            )
        return segments
