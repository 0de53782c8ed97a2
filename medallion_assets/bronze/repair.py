"""The copies beside the parts, for people and tools: ``_metadata.json`` and ``_checksums.json``.

Both are derived from commits alone and name the newest n: the one tells of that load, the other lists the files of
every live load in the folder. Nothing here ever reads them to decide anything. ``sha256sum``
and the like can check a folder with ``_checksums.json``: its paths are relative to the folder it lies in.
"""

import json
from collections.abc import Sequence
from hashlib import sha256

from medallion_assets.bronze.commit import CommitLog
from medallion_assets.errors import NotFound
from medallion_assets.lake.manifest import Commit, FileFact, Head, Load, Part
from medallion_assets.lake.ports import Store

__all__ = ["rebuild_copies", "refresh_copies", "write_copies"]

_Json = str | int | None | list["_Json"] | dict[str, "_Json"]


def write_copies(store: Store, path: str, commits: Sequence[Commit]) -> tuple[str, ...]:
    """Write those copies for the folder of ``commits``, its live loads by n, that are not there as they should be;
    returns their paths. ``path`` is the dataset's folder. Raises StorageError.
    """
    newest = commits[-1]
    folder = f"{path}/{newest.load.path}"
    copies = {"_checksums.json": _checksums(commits), "_metadata.json": _metadata(path, newest)}
    written = []
    for name, content in copies.items():
        data = json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n"
        if _current(store, f"{folder}/{name}") != data:
            store.put(f"{folder}/{name}", data)
            written.append(f"{folder}/{name}")
    return tuple(written)


def refresh_copies(store: Store, path: str, log: CommitLog, commit: Commit, head: Head) -> Head:
    """Write the copies for the folder of ``commit``, again if a newer load of it appeared meanwhile; ``head`` is any
    earlier head. Returns the newest head seen.
    """
    while True:
        head = log.extend(head)
        here = _by_folder(head).get(commit.load.path, [commit])
        if not write_copies(store, path, here):
            return head


def rebuild_copies(store: Store, path: str) -> tuple[str, ...]:
    """Make the copies of every live partition of a dataset what they should be; returns the paths written."""
    folders = _by_folder(CommitLog(store, path).head()).values()
    return tuple(p for commits in folders for p in write_copies(store, path, commits))


def _by_folder(head: Head) -> dict[str, list[Commit]]:
    """Folder → the live loads in it, by n."""
    found: dict[str, list[Commit]] = {}
    for commit in head.live:
        found.setdefault(commit.load.path, []).append(commit)
    return found


def _current(store: Store, path: str) -> bytes | None:
    try:
        return store.get(path)
    except NotFound:
        return None


def _checksums(commits: Sequence[Commit]) -> _Json:
    loads = [commit.load for commit in commits]
    files = [
        _file(load, part)
        for load in loads
        for part in (load.parts if load.quarantine is None else (*load.parts, load.quarantine))
    ]
    return {"algorithm": "sha256", "n": commits[-1].n, "files": files}


def _file(load: Load, part: Part) -> _Json:
    relative = part.path.removeprefix(f"{load.path}/")
    return {"path": relative, "bytes": part.bytes, "rows": part.rows, "sha256": part.sha256}


def _metadata(path: str, commit: Commit) -> _Json:
    load = commit.load
    names = dict(segment.split("=", 1) for segment in f"{path}/{load.path}".split("/") if "=" in segment)
    schema = "\n".join(f"{c.name}\t{c.type}" for c in load.schema)
    return {
        "n": commit.n,
        "system": names.get("system"),
        "table": names.get("table"),
        "pattern": load.pattern,
        "partition": load.partition,
        "run_date": names.get("dt"),
        "window": {"start": load.window.start.isoformat(), "end": load.window.end.isoformat()},
        "run_id": load.run_id,
        "rows": load.rows,
        "refused": load.refused,
        "parts": len(load.parts),
        "columns": [{"name": c.name, "type": c.type} for c in load.schema],
        "schema_sha256": sha256(schema.encode()).hexdigest(),
        "content_sha256": load.content,
        "cursor": {"before": load.cursor_before, "after": load.cursor_after},
        "source": {
            "files": [_source_file(f) for f in load.source.files],
            "facts": {key: load.source.facts[key] for key in sorted(load.source.facts)},
        },
        "replaces": list(load.replaces),
        "started_at": load.started_at.isoformat(),
        "finished_at": load.finished_at.isoformat(),
        "config_sha256": load.intent,
        "code_version": load.code_version,
    }


def _source_file(fact: FileFact) -> _Json:
    return {
        "path": fact.path,
        "bytes": fact.bytes,
        "modified": fact.modified,
        "hash": fact.hash,
        "rows": fact.rows,
    }
