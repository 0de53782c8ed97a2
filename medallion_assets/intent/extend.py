"""``extends: _base.yaml``: a document laid over its bases."""

from collections.abc import Mapping, Sequence
from posixpath import dirname, join, normpath

from medallion_assets.intent.located import Located, problem_at
from medallion_assets.intent.merge import INTENT_TAGS, merge
from medallion_assets.intent.tagged import did_you_mean
from medallion_assets.intent.tree import Branch, Leaf

__all__ = ["extended"]


def extended(
    document: Branch, file: str, documents: Mapping[str, Sequence[Branch]], problems: list[Located]
) -> Branch | None:
    """Lay ``document`` over its base, that over its own, and so on; None when that cannot be done (INT-014)."""
    return _extended(document, file, documents, problems, (file,))


def _extended(
    document: Branch,
    file: str,
    documents: Mapping[str, Sequence[Branch]],
    problems: list[Located],
    seen: tuple[str, ...],
) -> Branch | None:
    entry = document.entries.get("extends")
    if entry is None:
        return document
    own = Branch({key: e for key, e in document.entries.items() if key != "extends"}, document.at, document.flow)
    target = entry.node.value if isinstance(entry.node, Leaf) and isinstance(entry.node.value, str) else ""
    base = normpath(join(dirname(file), target)) if target else ""
    wrong = _wrong(base, target, documents, seen)
    if wrong:
        at = entry.node.at
        problems.append(problem_at(at, ("extends",), ("INT-014", *wrong)))
        return None
    if len(documents[base]) != 1:  # what is wrong with the base has been said
        return None
    lower = _extended(documents[base][0], base, documents, problems, (*seen, base))
    if lower is None:
        return None
    merged = merge(lower, own, INTENT_TAGS)
    return merged if isinstance(merged, Branch) else own


def _wrong(
    base: str, target: str, documents: Mapping[str, Sequence[Branch]], seen: tuple[str, ...]
) -> tuple[str, str] | None:
    if not target:
        return "`extends` does not name a file.", "Write one relative path, like `_base.yaml`."
    if base in seen:
        circle = " → ".join((*seen[seen.index(base) :], base))
        return f"The bases go in a circle: {circle}.", "Remove one `extends`."
    if base not in documents:
        bases = [name for name in documents if name.rpartition("/")[2].startswith("_")]
        return (
            f"There is no file '{base}'.",
            "Name a base relative to this file; bases start with `_`." + did_you_mean(base, bases),
        )
    if len(documents[base]) > 1:
        return f"'{base}' holds {len(documents[base])} documents.", "Keep one document in a base."
    return None
