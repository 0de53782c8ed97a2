"""Template fields in paths, params, headers and bodies: ``{run_date:%Y/%m/%d}``, ``{window_start:epoch}``.

``{{`` and ``}}`` stand for braces; references (``${env:…}``) are left as they are. A field is ``run_date`` (bare: ISO
date), ``window_start`` or ``window_end`` (bare: ISO 8601 in UTC with ``Z``; ``:epoch`` whole seconds, ``:epoch_ms``
milliseconds) or ``tenant``. A strftime format is applied to the local time of the dataset's time zone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo

from medallion_assets.intent.base import refusal
from medallion_assets.intent.tagged import did_you_mean
from medallion_assets.lake.window import Partition

__all__ = ["FIELDS", "WINDOW_FIELDS", "Field", "fields", "render"]

FIELDS = ("run_date", "window_start", "window_end", "tenant")
WINDOW_FIELDS = frozenset({"run_date", "window_start", "window_end"})
"""Fields that make a source readable as of a past partition."""

_TOKEN = re.compile(r"\$\$?\{[^{}]*\}|\{\{|\}\}|\{([^{}]*)\}|[{}]")
"""A reference (``${env:…}``, left alone), a doubled brace, a field, or a brace that is nothing of these."""
_DIRECTIVES = frozenset("aAbBdfGHIjmMpSuUVwWyYzZ%")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a template; ``format`` is empty when none is given."""

    name: str
    format: str


def fields(text: str, known: tuple[str, ...] = FIELDS) -> tuple[Field, ...]:
    """Fields in order. Raises a validation error (INT-037) for an unknown field, a bad format or a lone brace."""
    return tuple(_field(found, known) for found in _TOKEN.finditer(text) if not _is_literal(found[0]))


def render(
    text: str,
    partition: Partition,
    timezone_name: str = "UTC",
    tenant: str | None = None,
    *,
    bounds: tuple[str | None, str | None] | None = None,
    values: Mapping[str, str] | None = None,
) -> str:
    """Fill in the fields for one partition. Raises a validation error (INT-037) as :func:`fields` does.

    ``bounds``: what ``{window_start}`` and ``{window_end}`` stand for instead of the partition's window: instants in
    ISO 8601, or cursors of another kind, which are taken as they are. Without a lower one, the beginning is 1970;
    without an upper one, the end is the partition's. ``values``: further fields, which take no format.
    """
    zone = _zone(timezone_name)
    known = (*FIELDS, *(values or ()))

    def fill(found: re.Match[str]) -> str:
        if _is_literal(found[0]):
            return found[0] if found[0].startswith("$") else found[0][0]
        field = _field(found, known)
        if values is not None and field.name in values:
            return values[field.name]
        if field.name == "tenant":
            if tenant is None:
                raise refusal("INT-037", "`{tenant}` has no value here.", "list the tenants under `tenants`.")
            return tenant
        if bounds is None or field.name == "run_date":
            instant = partition.window.end if field.name == "window_end" else partition.window.start
        else:
            bound = _bound(field, partition, bounds)
            if isinstance(bound, str):
                return bound
            instant = bound
        return _instant(field, instant, partition, zone)

    return _TOKEN.sub(fill, text)


def _is_literal(token: str) -> bool:
    return token.startswith("$") or token in ("{{", "}}")


def _bound(field: Field, partition: Partition, bounds: tuple[str | None, str | None]) -> datetime | str:
    """The instant of a bound; its text when it is none."""
    text = bounds[field.name == "window_end"]
    if text is None:
        return partition.window.end if field.name == "window_end" else _EPOCH
    if text.isdecimal():
        return text
    try:
        instant = datetime.fromisoformat(text.removesuffix("Z") + ("+00:00" if text.endswith("Z") else ""))
    except ValueError:
        return text
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=timezone.utc)


def _instant(field: Field, instant: datetime, partition: Partition, zone: tzinfo) -> str:
    if field.format == "epoch":
        return str((instant - _EPOCH) // timedelta(seconds=1))
    if field.format == "epoch_ms":
        return str((instant - _EPOCH) // timedelta(milliseconds=1))
    if field.format:
        return instant.astimezone(zone).strftime(field.format)
    if field.name == "run_date":
        return partition.run_date.isoformat()
    return instant.astimezone(timezone.utc).replace(tzinfo=None).isoformat() + "Z"


def _field(found: re.Match[str], known: tuple[str, ...]) -> Field:
    if found[1] is None:
        raise refusal(
            "INT-037", f"`{found[0]}` opens or closes no field.", f"write `{found[0] * 2}` for the brace itself."
        )
    name, _, form = found[1].partition(":")
    if name not in known:
        raise refusal(
            "INT-037",
            f"`{{{name}}}` is not a template field.",
            f"use one of {', '.join(f'{{{field}}}' for field in known)}, or double the braces: `{{{{{name}}}}}`."
            + did_you_mean(name, known),
        )
    if form:
        _check_format(name, form)
    return Field(name, form)


def _check_format(name: str, form: str) -> None:
    if form in ("epoch", "epoch_ms") and name.startswith("window_"):
        return
    directives = re.findall(r"%(.?)", form)
    wrong = [letter for letter in directives if letter not in _DIRECTIVES or not letter]
    if wrong or not directives or name not in WINDOW_FIELDS:
        raise refusal(
            "INT-037",
            f"`{form}` is not a format of `{{{name}}}`.",
            "use strftime directives like %Y-%m-%d"
            + (", `epoch` or `epoch_ms`." if name.startswith("window_") else ".")
            if name in WINDOW_FIELDS
            else f"write `{{{name}}}`.",
        )


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return timezone.utc
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)
