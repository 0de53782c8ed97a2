"""The part of XPath that needs no more than the elements above: ``/feed/entry``, ``//entry``, ``/feed/*/entry``.

A name without a prefix is one of any namespace; ``{uri}name`` is one of that namespace, ``p:name``
one that is written so.
"""

import re
from dataclasses import dataclass

__all__ = ["Step", "xpath_steps"]

_STEP = re.compile(r"(//?)(?:\{([^{}]*)\}|([\w.-]+):)?(\*|[\w.-]+)")


@dataclass(frozen=True, slots=True)
class Step:
    """One element on the way: directly below the one before, or (``deep``) anywhere below it."""

    deep: bool
    name: str
    """``*``: any."""
    namespace: str | None = None
    prefix: str | None = None


def xpath_steps(text: str) -> tuple[Step, ...] | None:
    """The steps of a path from the document; None for what is no path or needs more than the elements above."""
    steps: list[Step] = []
    text = text.strip()
    path = text if text.startswith("/") else f"/{text}"
    at = 0
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            return None
        steps.append(Step(found[1] == "//", found[4], found[2], found[3]))
        at = found.end()
    return tuple(steps)
