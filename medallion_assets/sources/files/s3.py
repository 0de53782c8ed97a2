"""Files in S3, MinIO, Ceph and what else speaks the protocol."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from medallion_assets.errors import ConfigError, ExtractionError
from medallion_assets.intent.platform import S3
from medallion_assets.sources.files.remote import Changed, Object, RemoteFiles, unreachable

__all__ = ["s3_files"]

_TRIES = 4
_GONE = {"404", "NoSuchKey", "NotFound"}
_REFUSED = {"401", "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}


def s3_files(name: str, spec: S3, root: Path, resolve: Callable[[str], str]) -> RemoteFiles:
    """The files of a store of platform.yaml. Nothing is contacted yet.

    Raises ConfigError SRC-030 without the extra, STO-020 for one key without the other.
    """
    try:
        from botocore.config import Config
        from botocore.session import Session
    except ModuleNotFoundError:
        raise ConfigError(
            "SRC-030", "Files in S3 need the extra `aws`.", where=f"platform.yaml  stores.{name}",
            fix='pip install "medallion-assets[aws]"',
        ) from None  # fmt: skip
    if (spec.access_key is None) != (spec.secret_key is None):
        raise ConfigError(
            "STO-020", "`access_key` and `secret_key` go together.", where=f"platform.yaml  stores.{name}",
            fix="give both, or none for the credentials of the machine.",
        )  # fmt: skip
    given = {
        "endpoint_url": spec.endpoint_url, "aws_access_key_id": spec.access_key,
        "aws_secret_access_key": spec.secret_key, "aws_session_token": spec.session_token,
    }  # fmt: skip
    config = Config(
        connect_timeout=10, read_timeout=60, retries={"total_max_attempts": _TRIES, "mode": "standard"},
        s3={"addressing_style": "path" if spec.path_style else "auto"},
        request_checksum_calculation="when_required", response_checksum_validation="when_required",
    )  # fmt: skip
    verify: bool | str = spec.verify_tls
    if spec.ca_file is not None and spec.verify_tls:
        verify = str(root / resolve(spec.ca_file))
    client = Session().create_client(
        "s3", region_name=resolve(spec.region) if spec.region else "us-east-1", verify=verify, config=config,
        **{key: resolve(value) for key, value in given.items() if value is not None},
    )  # fmt: skip
    return RemoteFiles(_Bucket(client, resolve(spec.bucket)), resolve(spec.prefix))


@final
class _Bucket:
    def __init__(self, client: Any, bucket: str) -> None:
        self._client, self._bucket = client, bucket
        self.base = f"s3://{bucket}"

    def listed(self, prefix: str, *, deep: bool) -> Iterator[Object | str]:
        folders = {} if deep else {"Delimiter": "/"}
        more: dict[str, str] = {}
        while True:
            with self._explained(prefix):
                page = self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, **folders, **more)
            yield from (folder["Prefix"] for folder in page.get("CommonPrefixes", ()))
            for entry in page.get("Contents", ()):
                yield Object(entry["Key"], entry["Size"], _etag(entry), entry["LastModified"])
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def info(self, key: str) -> Object | None:
        try:
            with self._explained(key):
                head = self._client.head_object(Bucket=self._bucket, Key=key)
        except Changed:
            self._refuse_no_bucket()
            return None
        return Object(key, head["ContentLength"], _etag(head), head["LastModified"])

    def read(self, found: Object, start: int, length: int) -> bytes:
        from botocore.exceptions import BotoCoreError
        from urllib3.exceptions import HTTPError

        last = ""
        for _ in range(_TRIES):
            with self._explained(found.key):
                answer = self._client.get_object(
                    Bucket=self._bucket, Key=found.key, Range=f"bytes={start}-{start + length - 1}"
                )
            if _etag(answer) != found.etag:
                raise Changed((int(answer["ContentRange"].rpartition("/")[2]), _etag(answer)))
            try:
                data: bytes = answer["Body"].read()
            except (BotoCoreError, HTTPError, OSError) as error:  # the connection broke, or was silent, within the body
                last = type(error).__name__
                continue
            if len(data) == length:
                return data
            last = "fewer bytes came than were asked for"
        raise self._silent(found.key, last)

    def _refuse_no_bucket(self) -> None:
        """An answer without a body cannot say that it is the bucket which is missing."""
        with self._explained(""):
            self._client.list_objects_v2(Bucket=self._bucket, MaxKeys=1)

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        """Errors in our own words: those of the service may hold credentials. Raises Changed for what is gone."""
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        where = f"{self.base}/{key}"
        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = str(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
            if code in _GONE:
                raise Changed(None) from None
            if code == "InvalidRange":  # it is shorter now
                raise Changed((0, "")) from None
            if code == "NoSuchBucket":
                raise unreachable(
                    "There is no such bucket.", self.base, "Create it, or correct its name in platform.yaml."
                ) from None
            if code in _REFUSED or status in _REFUSED:
                raise unreachable(
                    f"The store refuses access ({code or status}).", where,
                    "Check the credentials of this store in platform.yaml and the rights of their account.",
                ) from None  # fmt: skip
            raise self._silent(key, f"status {status} {code}".strip()) from None
        except NoCredentialsError:
            raise unreachable(
                "The machine has no credentials for the store.", where,
                "Give access_key and secret_key in platform.yaml, or the machine a profile or a role.",
            ) from None  # fmt: skip
        except BotoCoreError as error:
            raise self._silent(key, type(error).__name__) from None

    def _silent(self, key: str, what: str) -> ExtractionError:
        return unreachable(
            f"The store does not answer: {what}.", f"{self.base}/{key}", "Run again when it does; nothing was loaded."
        )


def _etag(answer: Any) -> str:
    """Services do not agree on its quotes."""
    return str(answer["ETag"]).strip('"')
