"""A checkpoint: which loads are live at commit n, so that a writer need not read the whole log.

Derivable from the log and never needed: one that is missing, damaged or foreign is passed over. It names each live
commit with its hash, so what it leads to is verified against it. Its bytes are a line of JSON, sealed like a commit::

    {"checkpoint":{"format":2,"n":100,"sha256":"<of commit n>","live":[…]},"sha256":"<of the value before>"}
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

import msgspec

from medallion_assets.bronze.decide import ZERO
from medallion_assets.lake.manifest import Approval, Note, Record

__all__ = ["EVERY", "NONE", "Checkpoint", "Entry", "advance", "decode_checkpoint", "encode_checkpoint"]

EVERY = 10
"""Commits from one checkpoint to the next: as many a writer reads at most, one request each."""

_FORMAT = 2
_START = b'{"checkpoint":'
_SEAL = b',"sha256":"'
_END = b'"}\n'
_TAIL = len(_SEAL) + 64 + len(_END)


@dataclass(frozen=True, slots=True)
class Entry:
    """A live commit: its number, its hash and its window; and number and hash of the expunge that gave it its parts."""

    n: int
    sha256: str
    start: datetime
    end: datetime
    expunged: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    format: int
    n: int
    sha256: str
    """Of commit ``n``."""
    live: tuple[Entry, ...]
    """By n."""


NONE = Checkpoint(_FORMAT, 0, ZERO, ())
_DECODER = msgspec.json.Decoder(Checkpoint)


def advance(checkpoint: Checkpoint, records: Iterable[Record]) -> Checkpoint:
    """The checkpoint after these entries of the log, which continue it."""
    live = {entry.n: entry for entry in checkpoint.live}
    n, digest = checkpoint.n, checkpoint.sha256
    for record in records:
        n, digest = record.n, record.sha256
        if isinstance(record, Note):
            if not isinstance(record.act, Approval):
                touched = {rewrite.n for rewrite in record.act.rewrites} & live.keys()
                live |= {number: replace(live[number], expunged=(record.n, record.sha256)) for number in touched}
            continue
        for superseded in record.load.replaces:
            live.pop(superseded, None)
        window = record.load.window
        live[record.n] = Entry(record.n, record.sha256, window.start, window.end)
    return Checkpoint(_FORMAT, n, digest, tuple(live.values()))


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """The bytes, the same for the same checkpoint."""
    body = msgspec.json.encode(checkpoint)
    return b"".join((_START, body, _SEAL, sha256(body).hexdigest().encode(), _END))


def decode_checkpoint(raw: bytes) -> Checkpoint | None:
    """The checkpoint of these bytes, or None when they cannot be relied on."""
    body = raw[len(_START) : -_TAIL]
    if raw != b"".join((_START, body, _SEAL, sha256(body).hexdigest().encode(), _END)):
        return None
    try:
        found = _DECODER.decode(body)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None
    return found if found.format == _FORMAT else None
