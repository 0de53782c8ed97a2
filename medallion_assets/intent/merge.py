"""Deep merge of documents: platform defaults < bases < intent, and platform.yaml < its overlay.

Mappings merge key by key, lists and scalars replace, ``null`` removes. Where a tag says which variant a mapping is
(``source.type``, ``load.pattern``, …) and the two tags differ, the upper mapping replaces the lower one whole.
"""

from collections.abc import Callable, Mapping

from medallion_assets.intent.base import Plain
from medallion_assets.intent.silver import said_model
from medallion_assets.intent.tree import Branch, Entry, Leaf, Node, step

__all__ = ["INTENT_TAGS", "PLATFORM_TAGS", "merge", "with_defaults", "with_refresh_source"]

Path = tuple[str, ...]
Tags = Mapping[Path, str]
"""Path of a tagged mapping (``*`` is any key) → its tag."""

INTENT_TAGS: Tags = {
    ("source",): "type",
    ("source", "format"): "type",
    ("source", "auth"): "type",
    ("source", "pagination"): "type",
    ("load",): "pattern",
    ("silver",): "model",
}
PLATFORM_TAGS: Tags = {
    ("stores", "*"): "type",
    ("connections", "*"): "type",
    ("connections", "*", "auth"): "type",
    ("channels", "*"): "type",
    **{("defaults", *path): tag for path, tag in INTENT_TAGS.items()},
}
_SPELLINGS = ("model", "entity_kind", "history_mode", "profile")


def merge(lower: Node, upper: Node, tags: Tags, path: Path = ()) -> Node:
    """Lay ``upper`` over ``lower``. Every value keeps its own place."""
    tag = _tag_at(tags, path)
    if tag:
        lower, upper = _opened(lower, tag), _opened(upper, tag)
    if not isinstance(lower, Branch) or not isinstance(upper, Branch):
        return upper
    entries = dict(lower.entries)
    if tag and (said := _said(upper, tag)) is not None:
        if _said(lower, tag) not in (None, said):
            return upper
        entries = {key: entry for key, entry in entries.items() if key not in _tag_keys(tag)}
    for key, entry in upper.entries.items():
        below = entries.get(key)
        if below is None:
            entries[key] = entry
        elif _is_null(entry.node):
            del entries[key]
        else:
            entries[key] = Entry(entry.at, merge(below.node, entry.node, tags, (*path, key)))
    return Branch(entries, upper.at, upper.flow)


def with_defaults(defaults: Branch, document: Branch) -> Branch:
    """Lay an intent over the platform's defaults.

    A default for a tagged mapping that does not say the tag (``silver: {normalize: …}``) holds only where the
    intent has that mapping.
    """
    entries = {
        key: entry
        for key, entry in defaults.entries.items()
        if key in document.entries or not _lacks_tag(entry.node, INTENT_TAGS.get((key,)))
    }
    merged = merge(Branch(entries, document.at), document, INTENT_TAGS)
    assert isinstance(merged, Branch)  # noqa: S101 - of two mappings
    return merged


def without_nulls(node: Node) -> Node:
    """Take out keys that are null, at any depth of mappings."""
    if not isinstance(node, Branch):
        return node
    kept = {key: entry for key, entry in node.entries.items() if not _is_null(entry.node)}
    return Branch({key: Entry(e.at, without_nulls(e.node)) for key, e in kept.items()}, node.at, node.flow)


def with_refresh_source(document: Branch) -> Branch | None:
    """The document with ``load.full_refresh.source`` merged over ``source``; None when it has none."""
    node: Node | None = document
    for key in ("load", "full_refresh", "source"):
        node = step(node, key) if node else None
    source = document.entries.get("source")
    if node is None or source is None:
        return None
    merged = without_nulls(merge(source.node, node, INTENT_TAGS, ("source",)))
    return Branch({**document.entries, "source": Entry(source.at, merged)}, document.at)


def _lacks_tag(node: Node, tag: str | None) -> bool:
    return tag is not None and isinstance(node, Branch) and _said(node, tag) is None


def _tag_at(tags: Tags, path: Path) -> str | None:
    if found := tags.get(path):
        return found
    return next((tag for pattern, tag in tags.items() if "*" in pattern and _fits(pattern, path)), None)


def _fits(pattern: Path, path: Path) -> bool:
    return len(pattern) == len(path) and all(p in ("*", key) for p, key in zip(pattern, path, strict=True))


def _opened(node: Node, tag: str) -> Node:
    """The tag alone, as the mapping that it stands for."""
    if isinstance(node, Leaf) and isinstance(node.value, str):
        return Branch({tag: Entry(node.at, node)}, node.at)
    return node


def _tag_keys(tag: str) -> tuple[str, ...]:
    return _SPELLINGS if tag == "model" else ()


def _said(node: Branch, tag: str) -> str | None:
    read: Callable[[str], str | None] = node.text
    if tag == "model":
        return said_model({key: text for key in _SPELLINGS if (text := read(key)) is not None})
    return read(tag)


def _is_null(node: Node) -> bool:
    return isinstance(node, Leaf) and isinstance(node.value, Plain) and node.value.value is None
