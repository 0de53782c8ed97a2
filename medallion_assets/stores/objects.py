"""Stores of S3 and Azure, on obstore: whole objects, and creation under `If-None-Match`, alike on every service.

An overwrite or a read that gets no answer is tried again; a creation never is, because its lost answer would look like
a conflict: whoever asked for it finds out what is there. Nothing is contacted before the first call.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING

from medallion_assets.errors import AlreadyExists, NotFound, StorageError, StoreUnavailable
from medallion_assets.lake.ports import ObjectInfo
from medallion_assets.stores.paths import segments_of

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import AzureStore, S3Store

__all__ = ["ObjectStore"]

_WHOLE_BYTES = 8 << 20
"""Larger objects go up in pieces, side by side; none of them is visible before the last."""
_CHUNK_BYTES = 5 << 20
_CONCURRENCY = 12
_CODE = re.compile(r"<Code>(\w{1,80})</Code>")
_STATUS = re.compile(r"status(?: code)?:? (\d{3})|\b([45]\d\d) [A-Z][a-z]+")
_CAUSES = {
    "timed out": "no answer in time",
    "dns error": "the host is not known",
    "Connection refused": "connection refused",
    "connection closed": "connection closed",
    "Connection reset": "connection reset",
    "certificate": "the certificate is not trusted",
}
"""What may be told of a failure of the network. Its own words may hold a signed URL."""


class ObjectStore:
    """Objects below ``prefix`` of a bucket or container.

    ``base`` is the URL of the bucket, without a secret; ``options`` gives credentials and endpoint to readers with
    their own access. Raises StorageError STO-014 access refused, STO-015 no such bucket, STO-016 any other refusal;
    StoreUnavailable STO-017 no answer, or one that does not tell what happened.
    """

    def __init__(
        self, service: "S3Store | AzureStore", base: str, prefix: str, options: Callable[[], Mapping[str, str]]
    ) -> None:
        self._service = service
        self._base = base
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._options = options

    # ------------------------------------------------------------------ writing

    def put(self, path: str, data: bytes) -> None:
        import obstore

        with self._explained(path):
            obstore.put(
                self._service, self._key(path), data, use_multipart=len(data) > _WHOLE_BYTES, chunk_size=_CHUNK_BYTES,
                max_concurrency=_CONCURRENCY,
            )  # fmt: skip

    def put_if_absent(self, path: str, data: bytes) -> None:
        import obstore

        try:
            with self._explained(path):
                obstore.put(self._service, self._key(path), data, mode="create", use_multipart=False)
        except AlreadyExists:
            # S3 says the same when another creation is still under way, which may yet fail.
            if not self._exists(path):
                raise self._unknown(path, "another creation was under way") from None
            raise

    def _exists(self, path: str) -> bool:
        with suppress(NotFound, AlreadyExists):
            self.info(path)
            return True
        return False

    def delete(self, path: str) -> None:
        import obstore

        with suppress(NotFound), self._explained(path):
            obstore.delete(self._service, self._key(path))

    # ------------------------------------------------------------------ reading

    def get(self, path: str) -> bytes:
        import obstore

        with self._explained(path):
            return bytes(obstore.get(self._service, self._key(path)).bytes())

    def get_range(self, path: str, start: int, length: int) -> bytes:
        import obstore

        if start >= 0 and length > 0:
            with suppress(StorageError), self._explained(path):
                data = bytes(obstore.get_range(self._service, self._key(path), start=start, length=length))
                if len(data) == length:
                    return data
        size = self.info(path).bytes
        if length == 0 and 0 <= start <= size:
            return b""
        if start >= 0 and length >= 0 and start + length <= size:
            raise self._unknown(path, "fewer bytes came than were asked for")
        raise StorageError(
            "STO-012", f"Bytes {start} to {start + length} were asked for; the object has {size}.", where=self.url(path)
        )

    def info(self, path: str) -> ObjectInfo:
        import obstore

        with self._explained(path):
            return self._info(obstore.head(self._service, self._key(path)))

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        import obstore

        whole = self._key(prefix) if prefix else self._prefix.rstrip("/")
        found: list[ObjectInfo] = []
        with suppress(NotFound), self._explained(prefix):
            for chunk in obstore.list(self._service, whole or None, offset=self._key(after) if after else None):
                found += [self._info(meta) for meta in chunk]
        return iter(sorted(found, key=lambda o: o.path))

    def _info(self, meta: "ObjectMeta") -> ObjectInfo:
        """Times in whole seconds: a listing may be finer than an answer's header, and the same object looks alike."""
        modified = meta["last_modified"].replace(microsecond=0)
        return ObjectInfo(meta["path"].removeprefix(self._prefix), meta["size"], modified)

    def sweep(self, prefix: str, before: datetime, *, delete: bool) -> int:  # noqa: ARG002 - the port's
        """Uploads in pieces that were never completed belong to the service: a lifecycle rule ends them."""
        return 0

    def url(self, path: str) -> str:
        return f"{self._base}/{self._prefix}{path}"

    @property
    def options(self) -> Mapping[str, str]:
        return self._options()

    # ------------------------------------------------------------------ names and errors

    def _key(self, path: str) -> str:
        segments_of(path)
        return f"{self._prefix}{path}"

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        """Errors of the service as ours, in our own words: theirs may hold signed URLs and credentials."""
        from obstore.exceptions import (
            AlreadyExistsError,
            BaseError,
            NotFoundError,
            PermissionDeniedError,
            PreconditionError,
            UnauthenticatedError,
        )

        try:
            yield
        except (AlreadyExistsError, PreconditionError):
            raise AlreadyExists("STO-004", "An object of this name exists already.", where=self.url(path)) from None
        except (NotFoundError, FileNotFoundError) as error:
            raise self._no_bucket(str(error)) or self._no_object(path) from None
        except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
            raise StorageError(
                "STO-014", f"The store refuses access ({_facts(str(error))}).", where=self.url(path),
                fix="Check the credentials of this store in platform.yaml and the rights of their account.",
            ) from None  # fmt: skip
        except BaseError as error:
            raise self._no_bucket(str(error)) or self._refused(path, str(error)) from None

    def _no_object(self, path: str) -> NotFound:
        return NotFound("STO-003", "There is no such object.", where=self.url(path))

    def _no_bucket(self, said: str) -> StorageError | None:
        if not any(code in said for code in ("NoSuchBucket", "ContainerNotFound")):
            return None
        return StorageError(
            "STO-015", "There is no such bucket or container.", where=self._base,
            fix="Create it, or correct its name in platform.yaml.",
        )  # fmt: skip

    def _refused(self, path: str, said: str) -> StorageError:
        status = _STATUS.search(said)
        number = int(next(n for n in status.groups() if n)) if status else 0
        if 400 <= number < 500 and number not in {408, 409, 412, 425, 429}:
            return StorageError(
                "STO-016", f"The store refuses the request ({_facts(said)}).", where=self.url(path),
                fix="Run `medallion doctor`: it says what this store can do.",
            )  # fmt: skip
        return self._unknown(path, _facts(said))

    def _unknown(self, path: str, what: str) -> StoreUnavailable:
        return StoreUnavailable(
            "STO-017", f"The store did not say what became of the request: {what}.", where=self.url(path),
            fix="Run again when the store answers; what was committed stays.",
        )  # fmt: skip


def _facts(said: str) -> str:
    """What of the service's words may be shown: codes and well-known causes."""
    status = _STATUS.search(said)
    code = _CODE.search(said)
    found = [f"status {next(n for n in status.groups() if n)}"] if status else []
    found += [code[1]] if code else []
    found += [meaning for words, meaning in _CAUSES.items() if words in said]
    return ", ".join(found) or "no reason given"
