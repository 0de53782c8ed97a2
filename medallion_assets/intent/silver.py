"""``silver``: the model of a silver table. Every model lists its own keys."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema

from medallion_assets.intent.base import (
    Columns,
    Flag,
    Fraction,
    Keys,
    Many,
    Name,
    Plain,
    Positive,
    Spec,
    Text,
    refusal,
    shown,
    text_of,
)
from medallion_assets.intent.tagged import Tagged, did_you_mean, refusal_at

__all__ = [
    "MEANINGS",
    "SPELLINGS",
    "DerivedEvent",
    "Event",
    "FullDedupe",
    "Keyed",
    "Merge",
    "Normalize",
    "Scd1",
    "Scd2",
    "Silver",
    "SilverBase",
    "Snapshot",
    "Stateful",
    "said_model",
]


class Normalize(Spec):
    """What to do with text before it is cast."""

    trim_strings: Flag = False
    empty_strings_as_null: Flag = False
    null_values: Many[Text] = ()


class SilverBase(Spec):
    """Keys of every model."""

    entity: Name | None = None
    attributes: Columns = ()
    """Columns to keep beside keys and ``order_by``; default: all."""
    exclude: Columns = ()
    normalize: Normalize = Normalize.model_construct()
    partition_by: Columns = ()
    """``column``, ``day(column)`` or ``month(column)``."""
    format: Literal["delta", "parquet"] = "delta"
    exports: Many[Literal["csv"]] = ()
    version: Positive = 1
    store: Name | None = None
    owners: Many[Text] = ()
    engine: Literal["auto", "polars", "duckdb", "spark"] | None = None
    """Default: the intent's."""


class Keyed(SilverBase):
    """A model with one order of events for each key."""

    keys: Keys
    order_by: Columns = ()
    on_tie: Literal["keep", "fail"] = "keep"


def _ignore_nulls(given: object) -> bool | tuple[str, ...]:
    value = given.value if isinstance(given, Plain) else given
    if isinstance(value, bool):
        return value
    return tuple(text_of(name) for name in (given if isinstance(given, list | tuple) else (given,)))


class Stateful(Keyed):
    """A model that holds the present state of each key."""

    delete_mode: Literal["ignore", "tombstone", "hard_delete", "erase"] = "hard_delete"
    max_delete_fraction: Fraction = 0.5
    erase_absent: Flag = False
    ignore_nulls: Annotated[
        bool | tuple[str, ...],
        BeforeValidator(_ignore_nulls),
        WithJsonSchema({"type": ["boolean", "string", "array"], "items": {"type": "string"}}),
    ] = False
    """A null means "not supplied": for every attribute, or for these."""


class Snapshot(SilverBase):
    """A copy of each partition."""

    model: Literal["periodic_snapshot"]


class FullDedupe(Keyed):
    """The highest event of each key of the newest full partition."""

    model: Literal["full_merge_dedupe"]


class Merge(Keyed):
    """The last change of each key in each partition, for a MERGE downstream."""

    model: Literal["incremental_merge"]


class Scd1(Stateful):
    """One row for each live key."""

    model: Literal["scd_type_1"]


class Scd2(Stateful):
    """One row for each version of a key."""

    model: Literal["scd_type_2"]
    track: Columns = ()
    """Columns whose change opens a version; default: all attributes but ``order_by``."""
    track_except: Columns = ()


class Event(SilverBase):
    """One row for each event."""

    model: Literal["event"]
    keys: Columns = ()
    event_time: Text | None = None
    input_mode: Literal["append_log", "replace_daily"] = "append_log"


class DerivedEvent(Keyed):
    """One row for each change between consecutive states of a key."""

    model: Literal["derived_event"]
    delete_mode: Literal["ignore", "tombstone"] = "tombstone"
    track: Columns = ()
    track_except: Columns = ()


_PROFILES = {
    "analytics": "scd_type_2",
    "operational": "scd_type_1",
    "merge_ready": "full_merge_dedupe",
    "cdc_delta": "incremental_merge",
    "snapshot": "periodic_snapshot",
}
_HISTORY = {"scd2": "scd_type_2", "scd1": "scd_type_1", "latest_only": "scd_type_1"}
_KINDS = {"state": "scd_type_2", "derived_state": "scd_type_2", "event": "event", "derived_event": "derived_event"}
SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "entity_kind": tuple(_KINDS),
    "history_mode": tuple(_HISTORY),
    "profile": tuple(_PROFILES),
}
"""Keys that may stand for ``model``, with their values."""


MEANINGS: tuple[tuple[tuple[tuple[str, str], ...], str], ...] = (
    *(
        ((("entity_kind", kind), ("history_mode", history)), model)
        for kind in ("state", "derived_state")
        for history, model in _HISTORY.items()
    ),
    *(((("entity_kind", kind),), model) for kind, model in _KINDS.items()),
    *(((("profile", profile),), model) for profile, model in _PROFILES.items()),
)
"""What keys and values, without ``model``, mean which model."""


def _resolve(data: Mapping[str, object]) -> Mapping[str, object]:
    """Replace entity_kind, history_mode and profile by the one model that they and ``model`` mean."""
    said = {key: data[key] for key in SPELLINGS if key in data}
    if not said:
        return data
    for key, value in said.items():
        if value not in SPELLINGS[key]:
            error = refusal(
                "INT-007",
                f"{shown(value)} is not a choice of `{key}`.",
                f"use one of {', '.join(SPELLINGS[key])}.{did_you_mean(str(value), SPELLINGS[key])}",
            )
            raise refusal_at(error, key)
    meant = _meanings({key: str(value) for key, value in said.items()})
    if "model" in data:
        meant["model"] = str(data["model"])
    if len(set(meant.values())) != 1:
        raise refusal(
            "INT-034",
            f"The model is said twice: {', '.join(f'`{key}` means {model}' for key, model in meant.items())}.",
            "keep one of them.",
        )
    rest = {key: value for key, value in data.items() if key not in SPELLINGS}
    return {"model": next(iter(meant.values())), **rest}


def said_model(said: Mapping[str, str]) -> str | None:
    """The model that ``model`` and the keys of ``SPELLINGS`` mean; None when they say none, or differ."""
    known = {key: value for key, value in said.items() if value in SPELLINGS.get(key, ())}
    models = {*_meanings(known).values(), *([said["model"]] if "model" in said else [])}
    return models.pop() if len(models) == 1 else None


def _meanings(said: Mapping[str, str]) -> dict[str, str]:
    meant: dict[str, str] = {}
    kind, history = said.get("entity_kind"), said.get("history_mode")
    if kind in {"state", "derived_state"} and history:
        meant["entity_kind with history_mode"] = _HISTORY[history]
    else:
        if kind:
            meant["entity_kind"] = _KINDS[kind]
        if history:
            meant["history_mode"] = _HISTORY[history]
    if profile := said.get("profile"):
        meant["profile"] = _PROFILES[profile]
    return meant


Silver: TypeAlias = Annotated[
    Snapshot | FullDedupe | Scd1 | Scd2 | Merge | Event | DerivedEvent, Tagged("model", "silver model", _resolve)
]
