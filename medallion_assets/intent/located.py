"""An intent with the places of its values, and validation errors as problems at those places."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from medallion_assets.errors import Problem
from medallion_assets.intent.base import Plain, shown
from medallion_assets.intent.model import Intent
from medallion_assets.intent.slips import comma_slips, comma_words
from medallion_assets.intent.source import Source
from medallion_assets.intent.tagged import did_you_mean
from medallion_assets.intent.tree import At, Branch, Entry, Key, Leaf, Node, path_text, place, step, to_data

if TYPE_CHECKING:
    from medallion_assets.intent.shape import Variant

__all__ = ["Located", "LocatedIntent", "Words", "problem_at", "structural_problems"]


Words = tuple[str, str, str]
"""Code, what is wrong, how to mend it."""


@dataclass(frozen=True, slots=True)
class Located:
    """A problem with the place that sorts it: file, line, column."""

    order: tuple[str, int, int]
    problem: Problem


@dataclass(frozen=True, slots=True)
class LocatedIntent:
    """An intent that is valid, where it stands and what is questionable about it."""

    intent: Intent
    file: str
    """Path below the project, with ``/``."""
    line: int
    tree: Branch
    """The merged document."""
    warnings: tuple[Problem, ...] = ()
    whole_source: Source | None = None
    """``load.full_refresh.source`` merged over ``source``."""

    def where(self, *path: Key) -> str:
        """``file:line:column  key.path`` of the value at ``path``, or of the nearest that is written down."""
        keys, at = place(self.tree, path)
        return f"{at}  {path_text(keys)}".rstrip()


def structural_problems(error: ValidationError, root: type[BaseModel], tree: Node, prefix: str) -> Iterator[Located]:
    """Every error of one document. ``prefix`` is ``INT`` or ``PLT``."""
    data = to_data(tree)
    for detail in error.errors(include_url=False):
        yield _located(detail, root, tree, data, prefix)


def _located(detail: ErrorDetails, root: type[BaseModel], tree: Node, data: object, prefix: str) -> Located:
    loc = detail["loc"]
    keys, at = place(tree, loc)
    code, what, fix = _words(detail, root, data, keys)
    if detail["type"] in ("extra_forbidden", "missing"):
        parent, at = place(tree, loc[:-1])
        keys = (*parent, loc[-1])
        entry = _entry(tree, keys)
        at = entry.at if entry else at
    slip = _slip(tree, keys, code)
    return problem_at(at, keys, slip or (code, what, fix), prefix)


def problem_at(at: At, keys: Sequence[Key], words: Words, prefix: str = "INT") -> Located:
    """A problem in one style: a sentence, its place and an imperative in lower case. PLT codes mirror INT codes."""
    code, what, fix = words
    where = f"{at}  {path_text(keys)}".rstrip()
    return Located(
        at,
        Problem(code.replace("INT", prefix), what[:1].upper() + what[1:], where, fix[:1].lower() + fix[1:]),
    )


def _node(tree: Node, keys: Sequence[Key]) -> Node | None:
    node: Node | None = tree
    for key in keys:
        node = step(node, key) if node else None
    return node


def _entry(tree: Node, keys: Sequence[Key]) -> Entry | None:
    node, last = _node(tree, keys[:-1]), keys[-1]
    return node.entries.get(last) if isinstance(node, Branch) and isinstance(last, str) else None


def _words(detail: ErrorDetails, root: type[BaseModel], data: object, keys: Sequence[Key]) -> Words:
    """Code, what is wrong, and the fix."""
    context: Mapping[str, object] = detail.get("ctx") or {}
    given, kind, loc = detail.get("input"), detail["type"], detail["loc"]
    if kind == "medallion":
        words = str(context["code"]), str(context["what"]), str(context["fix"])
    elif kind == "extra_forbidden":
        words = _unknown_key(str(loc[-1]), root, loc[:-1], data)
    elif kind == "missing":
        words = "INT-005", f"`{loc[-1]}` is missing.", f"add `{loc[-1]}:`."
    elif kind == "literal_error":
        choices = re.findall(r"'([^']*)'", str(context["expected"]))
        words = _not_a_choice(str(keys[-1]) if keys else "", given, choices)
    elif kind in ("model_type", "dict_type"):
        words = _not_a_mapping(given)
    elif kind == "too_short":
        words = "INT-042", "The list is empty.", "name at least one."
    elif kind in ("greater_than", "greater_than_equal"):
        least = f"more than {context['gt']}" if "gt" in context else f"at least {context['ge']}"
        words = "INT-042", f"{shown(given)} is too small.", f"write {least}."
    else:
        raise AssertionError(f"no words for the validation error {kind}")
    return words


def _not_a_choice(key: str, given: object, choices: Sequence[str]) -> Words:
    if isinstance(given, Plain) and given.value is None:
        return (
            "INT-008",
            f"`{key}: {given.text}` chooses nothing.",
            f"use one of {', '.join(choices)}, or remove the line.",
        )
    text = given.text if isinstance(given, Plain) else str(given)
    hint = did_you_mean(text, choices)
    return "INT-007", f"{shown(given)} is not a choice of `{key}`.", f"use one of {', '.join(choices)}.{hint}"


def _not_a_mapping(given: object) -> Words:
    if isinstance(given, Plain) and given.value is None:
        return "INT-008", "The value is null, and a mapping is expected.", "write its keys, or remove the line."
    return "INT-006", f"{shown(given)} is not a mapping.", "write `key: value` lines, or `{key: value}`."


def _unknown_key(key: str, root: type[BaseModel], path: Sequence[Key], data: object) -> Words:
    from medallion_assets.intent.shape import variant_at  # only errors need it

    chosen = variant_at(root, path, data)
    if chosen is None:
        return "INT-003", f"`{key}` is not a key here.", "remove it."
    owners = _owners(key, chosen)
    if owners and chosen.variants:
        tag = chosen.variants.tagged.tag
        return (
            "INT-009",
            f"`{key}` belongs to {', '.join(owners)}, and this is `{tag}: {chosen.tag}`.",
            f"remove `{key}`, or change `{tag}`.",
        )
    known = sorted(chosen.model.model_fields)
    holder = f"`{chosen.variants.tagged.tag}: {chosen.tag}`" if chosen.variants else _holder(root, path)
    return "INT-003", f"`{key}` is not a key of {holder}.", f"use one of {', '.join(known)}.{did_you_mean(key, known)}"


def _holder(root: type[BaseModel], path: Sequence[Key]) -> str:
    names = [key for key in path if isinstance(key, str)]
    if names:
        return f"`{names[-1]}`"
    return "an intent" if root is Intent else "platform.yaml"


def _owners(key: str, chosen: "Variant") -> list[str]:
    if chosen.variants is None:
        return []
    return sorted(tag for tag, model in chosen.variants.by_tag.items() if key in model.model_fields)


def _slip(tree: Node, keys: Sequence[Key], code: str) -> Words | None:
    """A slip of the pen that YAML took for something else."""
    if code in ("INT-003", "INT-008", "INT-009") and keys:
        parent = _node(tree, keys[:-1])
        if isinstance(parent, Branch) and keys[-1] in comma_slips(parent):
            return comma_words(str(keys[-1]))
    if code in ("INT-006", "INT-010", "INT-011", "INT-012"):
        return _template_slip(_node(tree, keys))
    return None


def _template_slip(node: Node | None) -> Words | None:
    """``{run_date}`` without quotes is a mapping to YAML: say so."""
    if not isinstance(node, Branch) or not node.flow or len(node.entries) != 1:
        return None
    name, entry = next(iter(node.entries.items()))
    if isinstance(entry.node, Leaf) and isinstance(entry.node.value, Plain) and not entry.node.value.text:
        return "INT-017", f"`{{{name}}}` without quotes is a mapping, not text.", f'quote it: "{{{name}}}".'
    return None
