"""A commit as bytes, and back.

The bytes are one line of JSON, the same for the same record: keys in the order of the records, names in mappings
sorted, instants in UTC::

    {"format":1,"commit":{"kind":"load","n":7,"previous":"…","run_key":"…","load":{…}},"sha256":"…"}
    {"format":1,"commit":{"kind":"approval","n":8,"previous":"…","dataset":"…","act":{…}},"sha256":"…"}
    {"format":1,"commit":{"kind":"expunge","n":9,"previous":"…","dataset":"…","act":{…}},"sha256":"…"}

``sha256`` is over the bytes of the value of ``commit``: it finds damage in a commit that no later one vouches for.
The commit's own hash, which the next one carries, is over all bytes of the object.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from hashlib import sha256
from typing import Literal

import msgspec

from medallion_assets.errors import Corrupt, StorageError
from medallion_assets.lake.manifest import Approval, Commit, Expunge, Load, Note, Record
from medallion_assets.lake.window import Window

__all__ = ["FORMAT", "decode", "encode", "encode_note"]

FORMAT = 1

_START = b'{"format":1,"commit":'
_SEAL = b',"sha256":"'
_END = b'"}\n'
_TAIL = len(_SEAL) + 64 + len(_END)


@dataclass(frozen=True, slots=True)
class _Body:
    kind: Literal["load"]
    n: int
    previous: str
    run_key: str
    """dataset / pattern / window: for people and for searching; nothing is decided by it."""
    load: Load


@dataclass(frozen=True, slots=True)
class _Approval:
    kind: Literal["approval"]
    n: int
    previous: str
    dataset: str
    act: Approval


@dataclass(frozen=True, slots=True)
class _Expunge:
    kind: Literal["expunge"]
    n: int
    previous: str
    dataset: str
    act: Expunge


@dataclass(frozen=True, slots=True)
class _Kind:
    kind: str


_ENCODER = msgspec.json.Encoder(order="deterministic")
_KIND = msgspec.json.Decoder(_Kind)
_LOAD = msgspec.json.Decoder(_Body)
_NOTES: dict[str, msgspec.json.Decoder[_Approval] | msgspec.json.Decoder[_Expunge]] = {
    "approval": msgspec.json.Decoder(_Approval),
    "expunge": msgspec.json.Decoder(_Expunge),
}


def encode(n: int, previous: str, load: Load, path: str) -> bytes:
    """The bytes of commit ``n`` of the dataset whose folder is ``path``.

    Raises StorageError BRZ-009 when a text of the record (a file's name, say) is not Unicode.
    """
    load = _in_utc(load)
    window = f"{load.window.start.isoformat()}/{load.window.end.isoformat()}"
    try:
        body = _ENCODER.encode(_Body("load", n, previous, f"{_dataset(path)}/{load.pattern}/{window}", load))
    except UnicodeEncodeError as error:
        raise StorageError(
            "BRZ-009",
            f"A name or value of this load is not Unicode text: {error.object[:200]!a}.",
            where=f"{path} {load.partition}",
            fix="Rename the source file.",
        ) from None
    return _sealed(body)


def encode_note(n: int, previous: str, act: Approval | Expunge, path: str) -> bytes:
    """The bytes of commit ``n`` that notes ``act``, of the dataset whose folder is ``path``."""
    if isinstance(act, Approval):
        approval = replace(act, at=_utc(act.at))
        return _sealed(_ENCODER.encode(_Approval("approval", n, previous, _dataset(path), approval)))
    expunge = replace(act, at=_utc(act.at))
    return _sealed(_ENCODER.encode(_Expunge("expunge", n, previous, _dataset(path), expunge)))


def _dataset(path: str) -> str:
    return "/".join(path.split("/")[-2:])


def _sealed(body: bytes) -> bytes:
    return b"".join((_START, body, _SEAL, sha256(body).hexdigest().encode(), _END))


def decode(raw: bytes, where: str) -> Record:
    """The commit of these bytes, found at ``where``.

    Raises Corrupt BRZ-001 when they are not what was written, StorageError BRZ-002 when a newer version wrote them.
    """
    body = raw[len(_START) : -_TAIL]
    seal = raw[-_TAIL:]
    expected = b"".join((_SEAL, sha256(body).hexdigest().encode(), _END))
    if not raw.startswith(_START) or seal != expected:
        raise _unreadable(raw, where)
    digest = sha256(raw).hexdigest()
    try:
        note = _NOTES.get(_KIND.decode(body).kind)
        if note is not None:
            noted = note.decode(body)
            return Note(noted.n, noted.previous, noted.act, digest)
        loaded = _LOAD.decode(body)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise _newer(where, f"commit holds what this version does not know ({error})") from None
    return Commit(loaded.n, loaded.previous, loaded.load, digest)


def _unreadable(raw: bytes, where: str) -> StorageError:
    """What to say of bytes that are no commit of ours: another format, or damage."""
    try:
        found = json.loads(raw)
    except ValueError:
        found = None
    if isinstance(found, Mapping) and "format" in found and found["format"] != FORMAT:
        return _newer(where, f"commit has format {found['format']}, this version reads {FORMAT}")
    return Corrupt(
        "BRZ-001",
        "The bytes of this commit are not those that were written.",
        where=where,
        fix="Restore the file from a backup or from the store's version history.",
    )


def _newer(where: str, what: str) -> StorageError:
    return StorageError(
        "BRZ-002", f"This {what}.", where=where, fix="Use the version of medallion-assets that wrote it."
    )


def _in_utc(load: Load) -> Load:
    return replace(
        load,
        window=Window(_utc(load.window.start), _utc(load.window.end)),
        started_at=_utc(load.started_at),
        finished_at=_utc(load.finished_at),
    )


def _utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError(f"{instant} has no time zone")  # a bug of the caller, not a state of the world
    return instant.astimezone(timezone.utc)
