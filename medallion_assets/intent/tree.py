"""A loaded document: values with the place each came from, so that a merged intent still knows its files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from medallion_assets.intent.base import Plain

__all__ = [
    "At",
    "Branch",
    "Entry",
    "Items",
    "Key",
    "Leaf",
    "Node",
    "from_data",
    "path_text",
    "place",
    "step",
    "to_data",
]

Key: TypeAlias = str | int


class At(NamedTuple):
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar."""

    value: str | Plain
    at: At


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple["Node", ...]
    at: At


class Entry(NamedTuple):
    """A value under a key. ``at`` is the place of the key."""

    at: At
    node: "Node"


@dataclass(frozen=True, slots=True)
class Branch:
    """A mapping. ``flow``: written inside ``{ }``."""

    entries: Mapping[str, Entry]
    at: At
    flow: bool = False

    def text(self, key: str) -> str | None:
        """The text under ``key``, if that is what lies there."""
        entry = self.entries.get(key)
        return (
            entry.node.value if entry and isinstance(entry.node, Leaf) and isinstance(entry.node.value, str) else None
        )


Node: TypeAlias = Leaf | Items | Branch


def to_data(node: Node) -> object:
    """Values as ``base`` takes them: str, Plain, list, dict."""
    match node:
        case Leaf():
            return node.value
        case Items():
            return [to_data(item) for item in node.items]
        case Branch():
            return {key: to_data(entry.node) for key, entry in node.entries.items()}


def from_data(value: object, at: At) -> Node:
    """Give plain Python values a tree, all at one place."""
    if isinstance(value, Mapping):
        return Branch({str(key): Entry(at, from_data(item, at)) for key, item in value.items()}, at)
    if isinstance(value, list | tuple):
        return Items(tuple(from_data(item, at) for item in value), at)
    if value is None or isinstance(value, bool | int | float):
        return Leaf(Plain("null" if value is None else str(value).lower(), value), at)
    return Leaf(str(value), at)


def step(node: Node, key: Key) -> Node | None:
    """Go one key down. A list of one may be written as the one: index 0 of anything else is itself."""
    match node:
        case Branch() if isinstance(key, str):
            entry = node.entries.get(key)
            return entry.node if entry else None
        case Items() if isinstance(key, int):
            return node.items[key] if 0 <= key < len(node.items) else None
        case Leaf() | Branch() if key == 0:
            return node
    return None


def place(root: Node, path: Sequence[Key]) -> tuple[tuple[Key, ...], At]:
    """Give the keys of ``path`` that exist and the place of the last of them. Parts that are no keys are left out."""
    node, at, keys = root, root.at, []
    for key in path:
        below = step(node, key)
        if below is None:
            continue
        if below is not node:
            keys.append(key)
        node, at = below, below.at
    return tuple(keys), at


def path_text(keys: Sequence[Key]) -> str:
    """``checks[2].columns``."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return text.removeprefix(".")
