"""What a request says: template fields filled in, references resolved at the moment of use."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from medallion_assets.errors import ExtractionError
from medallion_assets.intent.template import render
from medallion_assets.lake.ports import Bounds
from medallion_assets.lake.window import Partition

__all__ = ["Filled"]

_REFERENCE = re.compile(r"(\$\$?\{[^{}]*\})")
_SAFE_IN_PATH = "/%:@!$&'()*+,;=~?"


@dataclass(frozen=True, slots=True)
class Filled:
    """What template fields stand for in one read, and how references are resolved."""

    partition: Partition
    timezone: str
    resolve: Callable[[str], str]
    bounds: Bounds | None = None
    parent: Mapping[str, str] = field(default_factory=dict)

    def text(self, template: str, values: Mapping[str, str] | None = None) -> str:
        """Fields and references each on their own: a value that looks like a reference stays what it is."""
        bounds = None if self.bounds is None else (self.bounds.lower, self.bounds.upper)
        values = self.parent if values is None else values
        return "".join(
            self.resolve(piece)
            if _REFERENCE.fullmatch(piece)
            else render(piece, self.partition, self.timezone, bounds=bounds, values=values)
            for piece in _REFERENCE.split(template)
        )

    def path(self, template: str) -> str:
        """As :meth:`text`; a value of a parent is one segment. Raises ExtractionError SRC-064."""
        for name, value in self.parent.items():
            if value in ("", ".", "..") and f"{{{name}}}" in template:
                raise ExtractionError(
                    "SRC-064",
                    f"The parent's `{name}` is {value!r}, which cannot be a part of a path.",
                    where=template,
                    fix="Leave such parents out with parents.records, a JMESPath with a filter.",
                )
        quoted = {name: quote(value, safe="") for name, value in self.parent.items()}
        return quote(self.text(template, quoted), safe=_SAFE_IN_PATH)

    def json(self, value: object) -> object:
        match value:
            case str():
                return self.text(value)
            case dict():
                return {key: self.json(inner) for key, inner in value.items()}
            case list():
                return [self.json(inner) for inner in value]
        return value
