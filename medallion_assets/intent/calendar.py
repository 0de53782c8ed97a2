"""Words for time that YAML cannot check: cron expressions and time zones."""

import re

from medallion_assets.intent.base import refusal
from medallion_assets.intent.tagged import did_you_mean

__all__ = ["CADENCES", "check_cadence", "check_cron", "check_timezone"]

CADENCES = ("hourly", "daily", "weekly", "monthly", "none", "file")
_WORDS = ("@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@annually", "@midnight")
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day of the month", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
_PART = re.compile(r"(\*|(\w+)(?:-(\w+))?)(?:/(\d{1,3}))?\Z")


def check_cron(text: str) -> str:
    """Give ``text`` back, or raise a validation error (INT-041): five fields, or a word like ``@daily``."""
    if text in _WORDS:
        return text
    parts = text.split()
    if len(parts) != len(_FIELDS):
        raise refusal(
            "INT-041",
            f"'{text}' is not a cron expression.",
            "write five fields, minute hour day month weekday, like '0 6 * * *'." + did_you_mean(text, _WORDS),
        )
    for part, field in zip(parts, _FIELDS, strict=True):
        if not all(_fits(item, field) for item in part.split(",")):
            raise refusal(
                "INT-041",
                f"'{part}' does not fit the {field[0]} of a cron expression.",
                f"write *, or numbers from {field[1]} to {field[2]} with - , and /.",
            )
    return text


def _fits(item: str, field: tuple[str, int, int, list[str]]) -> bool:
    found = _PART.match(item)
    if not found:
        return False
    first, last = _number(found[2], field), _number(found[3], field)
    if found[4] is not None and int(found[4]) == 0:
        return False
    if found[1] == "*":
        return True
    return first is not None and (found[3] is None or (last is not None and first <= last))


def _number(text: str | None, field: tuple[str, int, int, list[str]]) -> int | None:
    _, low, high, names = field
    if text is None:
        return None
    if text.lower() in names:
        return names.index(text.lower()) + low
    return int(text) if text.isascii() and text.isdigit() and low <= int(text) <= high else None


def check_cadence(text: str) -> str:
    """Give ``text`` back, or raise a validation error (INT-041)."""
    if text in CADENCES:
        return text
    if " " in text or text.startswith("@"):
        return check_cron(text)
    raise refusal(
        "INT-041",
        f"'{text}' is not a cadence.",
        f"use one of {', '.join(CADENCES)}, or a cron." + did_you_mean(text, CADENCES),
    )


def check_timezone(text: str) -> str:
    """Give ``text`` back, or raise a validation error (INT-040). UTC costs nothing."""
    if text == "UTC":
        return text
    from zoneinfo import ZoneInfo, available_timezones

    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise refusal(
            "INT-040",
            f"'{text}' is not a time zone.",
            "use a name of the IANA database, like Europe/Berlin." + did_you_mean(text, sorted(available_timezones())),
        ) from None
    return text
