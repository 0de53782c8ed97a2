"""The grammar of references to values that live elsewhere: ``${env:NAME}``, ``${secret:aws:NAME#field}``.

Only the spelling is judged here; ``secrets.resolve`` looks the values up at the moment of use.
"""

import re
from collections.abc import Iterator

from medallion_assets.intent.base import refusal

__all__ = ["check_references", "holds_reference"]

_OPENING = re.compile(r"\$?\$\{")
_REFERENCE = re.compile(
    r"\$\{(?:env:[A-Za-z_][A-Za-z0-9_]*(?::-[^}]*)?"
    r"|secret:(?:aws|file):[^}#]+(?:#[^}#]+)?"
    r"|secret:(?:azure|gcp):[^}/#]+/[^}#]+(?:#[^}#]+)?)\}"
)
_FORMS = (
    "${env:NAME}, ${env:NAME:-default}, ${secret:aws:NAME#field}, ${secret:azure:VAULT/NAME}, "
    "${secret:gcp:PROJECT/NAME} or ${secret:file:PATH}"
)


def _openings(text: str) -> Iterator[int]:
    """Where a ``${`` begins that is not escaped as ``$${``."""
    return (found.start() for found in _OPENING.finditer(text) if found[0] == "${")


def holds_reference(text: str) -> bool:
    """Whether ``text`` asks for an environment variable or a secret."""
    return any(text.startswith(("${env:", "${secret:"), start) for start in _openings(text))


def check_references(text: str) -> None:
    """Raise a validation error (INT-048) for a ``${`` that is no reference."""
    for start in _openings(text):
        if not _REFERENCE.match(text, start):
            end = text.find("}", start)
            shown = text[start : end + 1] if end > 0 else text[start : start + 40]
            raise refusal("INT-048", f"`{shown}` is not a reference.", f"write {_FORMS}, or `$${{` for the characters.")
