"""Unions told apart by a required literal tag.

pydantic's own discriminated unions build every variant at once and put tag names into error places. Here only the
variants that a project uses are built, the tag alone is a shorthand, and a key of another variant is named as such.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import entry_points
from typing import Any, get_args

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, ValidationError, core_schema

from medallion_assets.intent.base import Plain, refusal, shown

__all__ = ["Tagged", "Variants", "did_you_mean", "refusal_at"]


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """`` Did you mean `x`?``, or nothing when no known word is near."""
    from difflib import get_close_matches  # only errors need it

    near = get_close_matches(given, list(known), 1)
    return f" Did you mean `{near[0]}`?" if near else ""


@dataclass(frozen=True)
class Tagged:
    """Marks ``Annotated[A | B, Tagged("type", "source type")]`` as a union told apart by the key ``tag``.

    ``noun`` is what an error calls the variants. ``prepare`` may rewrite the mapping before the tag is read.
    """

    tag: str
    noun: str
    prepare: Callable[[Mapping[str, object]], Mapping[str, object]] | None = None
    synonyms: tuple[tuple[str, str], ...] = ()
    """Words that people write for a tag value, for "did you mean"."""
    group: str | None = None
    """Entry points of installed packages that add variants, by tag value."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Build a schema that knows the variants but does not build them."""
        return core_schema.no_info_plain_validator_function(Variants(self, get_args(source) or (source,)).validate)


class Variants:
    """The variants of one union, by tag value."""

    def __init__(self, tagged: Tagged, models: tuple[type[BaseModel], ...]) -> None:
        self.tagged = tagged
        self.models = models

    @cached_property
    def by_tag(self) -> dict[str, type[BaseModel]]:
        return {
            value: model for model in self.models for value in get_args(model.model_fields[self.tagged.tag].annotation)
        }

    def find(self, value: str) -> type[BaseModel] | None:
        """The variant of a tag value: our own, or an installed package's."""
        own = self.by_tag.get(value)
        return own if own is not None or self.tagged.group is None else _plugin(self.tagged.group, value)

    def everything(self) -> dict[str, type[BaseModel]]:
        """All variants by tag value, those of installed packages too."""
        group = self.tagged.group
        names = () if group is None else entry_points(group=group).names
        added: dict[str, type[BaseModel]] = {}
        for name in names:
            with suppress(PydanticCustomError):  # said when an intent names it
                model = _plugin(str(group), name)
                added |= {} if model is None else {name: model}
        return {**added, **self.by_tag}

    def validate(self, given: object) -> BaseModel:
        """Give the variant. Raises ValidationError of the variant, or a custom error for the tag."""
        if isinstance(given, self.models):
            return given
        tag = self.tagged.tag
        data = {tag: given} if isinstance(given, str) else given
        if not isinstance(data, Mapping):
            raise refusal(
                "INT-006",
                f"{shown(given)} is not a {self.tagged.noun}.",
                f"write a mapping with the key `{tag}`, or one of {self._choices()} alone.",
            )
        if self.tagged.prepare:
            data = self.tagged.prepare(data)
        if tag not in data:
            raise refusal("INT-005", f"`{tag}` is missing.", f"add `{tag}:` with one of {self._choices()}.")
        chosen = data[tag]
        model = self.find(chosen) if isinstance(chosen, str) else None
        if model is None:
            raise self._unknown_tag(given, chosen)
        return model.model_validate(data)

    def _choices(self) -> str:
        return ", ".join(sorted(self.by_tag))

    def _meant(self, text: str) -> str:
        from difflib import get_close_matches  # only errors need it

        synonyms = dict(self.tagged.synonyms)
        near = get_close_matches(text.lower(), [*self.by_tag, *synonyms], 1)
        return f" Did you mean `{synonyms.get(near[0], near[0])}`?" if near else ""

    def _unknown_tag(self, given: object, chosen: object) -> Exception:
        text = chosen.text if isinstance(chosen, Plain) else str(chosen)
        error = refusal(
            "INT-004",
            f"{shown(chosen)} is not a {self.tagged.noun}.",
            f"use one of {self._choices()}.{self._meant(text)}",
        )
        return error if isinstance(given, str) else refusal_at(error, self.tagged.tag)


@cache
def _plugin(group: str, name: str) -> type[BaseModel] | None:
    """A variant of an installed package. Raises a validation error (INT-004) when it cannot be loaded."""
    for found in entry_points(group=group, name=name):
        try:
            model = found.load()
        except Exception as error:  # noqa: BLE001 - whatever their package does when it is imported
            raise refusal(
                "INT-004", f"the package of `{found.value}` cannot be loaded: {error}.", "mend or remove the package."
            ) from None
        if isinstance(model, type) and issubclass(model, BaseModel):
            return model
    return None


def refusal_at(error: PydanticCustomError, key: str) -> ValidationError:
    """Put an error at a key below the value that is being validated."""
    return ValidationError.from_exception_data("tagged", [InitErrorDetails(type=error, loc=(key,), input=None)])
