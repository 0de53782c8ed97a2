"""Secrets that an owner wrote out instead of referring to them, taken out of what a plan prints."""

import re
from collections.abc import Mapping

__all__ = ["masked"]

_SECRET_KEY = re.compile(
    r"(?:token|value|password|client_secret|refresh_token|private_key|secret_key|sas|x-api-key|authorization|cookie)\Z",
    re.IGNORECASE,
)
_ONLY_REFERENCE = re.compile(r"(?:[A-Za-z]+ )?\$\{[^{}]*\}\Z")
_USER_INFO = re.compile(r"(?<=://)([^:/@\s]*):((?!\$\{)[^@/\s]+)@")


def masked(value: object, key: str = "") -> object:
    """A JSON value with ``***`` for every text under a key that holds secrets, and for passwords in URLs.

    A reference (``${env:NAME}``, also after one word as in ``Bearer ${…}``) names a secret and is none: it stays.
    """
    if isinstance(value, Mapping):
        return {name: masked(inner, str(name)) for name, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner, key) for inner in value]
    if isinstance(value, str):
        if _SECRET_KEY.match(key) and not _ONLY_REFERENCE.match(value):
            return "***"
        return _USER_INFO.sub(r"\1:***@", value)
    return value
