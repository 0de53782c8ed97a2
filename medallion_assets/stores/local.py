"""A folder as a store: durable, atomic, and unable to reach outside its root.

A write goes to a temporary name in the object's own folder, is fsynced, takes its name by ``link(2)`` (fails when
the name exists: that is ``put_if_absent``) or ``rename(2)`` (replaces), and the folder is fsynced. Every folder on
the way is opened relative to the one above with O_NOFOLLOW, so no symbolic link below the root is ever followed,
also not one that appears while we look.
"""

import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from uuid import uuid4

from medallion_assets.errors import AlreadyExists, NotFound, StorageError, StoreUnavailable
from medallion_assets.lake.ports import ObjectInfo
from medallion_assets.stores.paths import TEMPORARY, segments_of

__all__ = ["LocalStore"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # NONBLOCK: a FIFO must not hang us

_FAILURES = {
    errno.ENOSPC: ("STO-005", "The disk is full", "Free some space and run again; nothing was committed."),
    errno.EFBIG: ("STO-005", "The file is larger than the limit allows", "Raise the limit, or lower load.chunk.bytes."),
    errno.EDQUOT: ("STO-006", "The quota is used up", "Free some space or raise the quota, then run again."),
    errno.EROFS: ("STO-007", "The file system is read-only", "Mount it writable, or choose another root."),
    errno.EACCES: ("STO-008", "Permission denied", "Give the user that runs this the right to read and write there."),
    errno.EPERM: ("STO-008", "Permission denied", "Give the user that runs this the right to read and write there."),
    errno.ELOOP: ("STO-002", "A symbolic link is in the way", "Replace it: links below a store's root are refused."),
    errno.ENOTDIR: ("STO-002", "A file or link stands where a folder should be", "Move it away."),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_CANNOT_LINK = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class LocalStore:
    """Objects as files below ``root``, which is created by the first write.

    Raises StorageError naming the path and the cause: STO-005 disk full, STO-006 quota, STO-007 read-only,
    STO-008 permission, STO-009 anything else, STO-002 a link or odd file in the way, STO-011 a file system without
    hard links. StoreUnavailable STO-010: the name was taken but the folder could not be made durable.
    """

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.realpath(root))

    # ------------------------------------------------------------------ writing

    def put(self, path: str, data: bytes) -> None:
        *parents, name = segments_of(path)
        with self._explained(path), self._folder(parents, create=True) as folder, _temporary(folder, data) as temporary:
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            self._settle(folder, path)

    def put_if_absent(self, path: str, data: bytes) -> None:
        *parents, name = segments_of(path)
        with self._explained(path), self._folder(parents, create=True) as folder:
            if _exists(folder, name):  # spares the write; link(2) decides
                raise self._taken(folder, path)
            with _temporary(folder, data) as temporary:
                self._link(folder, temporary, name, path)
                self._settle(folder, path)

    def delete(self, path: str) -> None:
        *parents, name = segments_of(path)
        with suppress(NotFound), self._explained(path), self._folder(parents) as folder:
            os.unlink(name, dir_fd=folder)
            self._settle(folder, path)

    def _link(self, folder: int, temporary: str, name: str, path: str) -> None:
        try:
            os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError:
            raise self._taken(folder, path) from None
        except OSError as error:
            if error.errno not in _CANNOT_LINK:
                raise
            raise StorageError(
                "STO-011",
                f"This file system cannot make hard links ({error.strerror}), so commits cannot be atomic.",
                where=self.url(path),
                fix="Keep the lake on ext4, xfs, btrfs, zfs or apfs, or in an object store.",
            ) from error

    def _settle(self, folder: int, path: str) -> None:
        """Make the folder's entries durable. The change is visible already, so a failure is an unknown outcome."""
        try:
            os.fsync(folder)
        except OSError as error:
            raise StoreUnavailable(
                "STO-010",
                f"The change is visible, but it is unknown whether it would survive a power cut ({error.strerror}).",
                where=self.url(path),
                fix="Check the disk, then run again.",
            ) from error

    def _taken(self, folder: int, path: str) -> AlreadyExists:
        """Whoever learns that an object exists may build on it, so it is made durable first."""
        self._settle(folder, path)
        return AlreadyExists("STO-004", "An object of this name exists already.", where=self.url(path))

    # ------------------------------------------------------------------ reading

    def get(self, path: str) -> bytes:
        with self._file(path) as (file, facts):
            return _read(file, 0, facts.st_size)

    def get_range(self, path: str, start: int, length: int) -> bytes:
        with self._file(path) as (file, facts):
            if start >= 0 and length >= 0 and start + length <= facts.st_size:
                data = _read(file, start, length)
                if len(data) == length:
                    return data
            raise StorageError(
                "STO-012",
                f"Bytes {start} to {start + length} were asked for; the object has {facts.st_size}.",
                where=self.url(path),
            )

    def info(self, path: str) -> ObjectInfo:
        with self._file(path) as (_, facts):
            return _info(path, facts)

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        segments = segments_of(prefix) if prefix else ()
        found: Sequence[ObjectInfo] = ()
        with suppress(NotFound), self._explained(prefix), self._folder(segments) as folder:
            found = sorted(_below(folder, f"{prefix}/" if prefix else ""), key=lambda o: o.path)
        return (info for info in found if info.path > after)

    def sweep(self, prefix: str, before: datetime, *, delete: bool) -> int:
        """Temporary files that a kill left behind."""
        count = 0
        with suppress(NotFound), self._explained(prefix), self._folder(segments_of(prefix)) as folder:
            count = _unfinished(folder, before, delete=delete)
        return count

    def url(self, path: str) -> str:
        return str(self._root / path)

    @property
    def options(self) -> Mapping[str, str]:
        return {}

    # ------------------------------------------------------------------ folders and files by descriptor

    @contextmanager
    def _folder(self, segments: Sequence[str], *, create: bool = False) -> Iterator[int]:
        """Descriptor of the folder, opened name by name; FileNotFoundError when it is not there."""
        current = self._open_root(create=create)
        try:
            for segment in segments:
                below = _open_below(current, segment, create=create)
                os.close(current)
                current = below
            yield current
        finally:
            os.close(current)

    def _open_root(self, *, create: bool) -> int:
        try:
            return os.open(self._root, _FOLDER)
        except FileNotFoundError:
            if not create:
                raise
        missing = [self._root, *self._root.parents]
        known = next(i for i, p in enumerate(missing) if p.is_dir())
        for folder in reversed(missing[:known]):
            with suppress(FileExistsError):
                folder.mkdir()
            _sync_folder(folder.parent)
        return os.open(self._root, _FOLDER)

    @contextmanager
    def _file(self, path: str) -> Iterator[tuple[int, os.stat_result]]:
        *parents, name = segments_of(path)
        with self._explained(path), self._folder(parents) as folder:
            file = os.open(name, _OLD_FILE, dir_fd=folder)
            try:
                facts = os.fstat(file)
                if stat.S_ISDIR(facts.st_mode):
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
                if not stat.S_ISREG(facts.st_mode):
                    raise StorageError("STO-002", "This is not a regular file.", where=self.url(path))
                yield file, facts
            finally:
                os.close(file)

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        """Turn an OSError into a StorageError that names the path and the cause."""
        try:
            yield
        except FileNotFoundError as error:
            raise NotFound("STO-003", "There is no such object.", where=self.url(path)) from error
        except OSError as error:
            code, what, fix = _FAILURES.get(error.errno or 0, ("STO-009", "The file system failed", ""))
            raise StorageError(code, f"{what} ({error.strerror}).", where=self.url(path), fix=fix) from error


@contextmanager
def _temporary(folder: int, data: bytes) -> Iterator[str]:
    """Name of a new fsynced file in ``folder`` with these bytes; removed afterwards if it is still there."""
    name = f"{TEMPORARY}{uuid4().hex}"
    file = os.open(name, _NEW_FILE, 0o666, dir_fd=folder)
    try:
        try:
            _write(file, data)
            os.fsync(file)
        finally:
            os.close(file)
        yield name
    finally:
        with suppress(OSError):  # renamed away, or the sweep's work
            os.unlink(name, dir_fd=folder)


def _write(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _read(file: int, start: int, length: int) -> bytes:
    """Up to ``length`` bytes from ``start``; fewer only at the end of the file."""
    pieces = []
    while length > 0 and (piece := os.pread(file, min(length, 1 << 30), start)):
        pieces.append(piece)
        start += len(piece)
        length -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _open_below(folder: int, name: str, *, create: bool) -> int:
    flags = _FOLDER | os.O_NOFOLLOW
    try:
        return os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        if not create:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=folder)
    os.fsync(folder)
    return os.open(name, flags, dir_fd=folder)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, _FOLDER)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _below(folder: int, prefix: str) -> Iterator[ObjectInfo]:
    """Regular files below an open folder, in no order; links and temporary files are passed over."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                with suppress(FileNotFoundError):  # removed while we list
                    below = os.open(entry.name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                    try:
                        yield from _below(below, f"{prefix}{entry.name}/")
                    finally:
                        os.close(below)
            elif not entry.name.startswith(TEMPORARY) and (info := _listed(entry, prefix)) is not None:
                yield info


def _unfinished(folder: int, before: datetime, *, delete: bool) -> int:
    """Temporary files older than ``before`` below an open folder: their number; with ``delete`` they are removed."""
    count = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # finished or removed while we look
                if entry.is_dir(follow_symlinks=False):
                    below = os.open(entry.name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                    try:
                        count += _unfinished(below, before, delete=delete)
                    finally:
                        os.close(below)
                elif (
                    entry.name.startswith(TEMPORARY) and _info("", entry.stat(follow_symlinks=False)).modified < before
                ):
                    if delete:
                        os.unlink(entry.name, dir_fd=folder)
                    count += 1
    return count


def _listed(entry: "os.DirEntry[str]", prefix: str) -> ObjectInfo | None:
    """None for what is no regular file, or was deleted while we list."""
    try:
        return (
            _info(prefix + entry.name, entry.stat(follow_symlinks=False))
            if entry.is_file(follow_symlinks=False)
            else None
        )
    except FileNotFoundError:
        return None


def _info(path: str, facts: os.stat_result) -> ObjectInfo:
    return ObjectInfo(path, facts.st_size, _EPOCH + timedelta(microseconds=facts.st_mtime_ns // 1000))
