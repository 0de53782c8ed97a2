"""Takes secret values out of texts: messages, logs, metadata."""

import base64
import json
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from medallion_assets.errors import InvalidProject, MedallionError, Problem

__all__ = ["scrub", "scrub_error"]

_SHORTEST = 4
"""A shorter value would turn every ``1`` or ``dev`` of a text into stars and protects nothing."""


def scrub(text: str, values: Iterable[str]) -> str:
    """``text`` with each value replaced by ``***``, also where it is percent-encoded, base64 or escaped for JSON."""
    spellings = {s for value in values if len(value) >= _SHORTEST for s in _spellings(value)}
    for spelling in sorted(spellings, key=lambda s: (-len(s), s)):
        text = text.replace(spelling, "***")
    return text


def scrub_error(error: MedallionError, values: Iterable[str]) -> MedallionError:
    """The same error without the values; the very same object when it holds none."""
    values = tuple(values)
    if scrub(str(error), values) == str(error):
        return error
    if isinstance(error, InvalidProject):
        return InvalidProject(_scrub_problem(p, values) for p in error.problems)
    clean = _scrub_problem(error.problem, values)
    return type(error)(clean.code, clean.what, where=clean.where, fix=clean.fix)


def _scrub_problem(problem: Problem, values: tuple[str, ...]) -> Problem:
    return Problem(problem.code, scrub(problem.what, values), scrub(problem.where, values), scrub(problem.fix, values))


def _spellings(value: str) -> tuple[str, ...]:
    encoded = base64.b64encode(value.encode()).decode()
    return (value, quote(value, safe=""), quote_plus(value), encoded, json.dumps(value)[1:-1])
