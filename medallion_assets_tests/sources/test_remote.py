"""Files in buckets and containers: one suite for every service, and a service that changes under the reader."""

import gzip
import io
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from uuid import uuid4

import polars as pl
import pytest
from pydantic import TypeAdapter

from medallion_assets.errors import ConfigError, ExtractionError
from medallion_assets.intent.platform import Store as StoreSpec
from medallion_assets.intent.source import File
from medallion_assets.lake.ports import Request
from medallion_assets.plan.compile import compile_plans
from medallion_assets.sources.files import remote
from medallion_assets.sources.files.remote import Changed, Object, RemoteFiles
from medallion_assets.sources.files.source import FileSource
from medallion_assets.sources.open import Surroundings, open_source
from medallion_assets_tests.services.objects import AzureServer, S3Server
from medallion_assets_tests.sources.reading import Got, day, gathered

SPEC: TypeAdapter[StoreSpec] = TypeAdapter(StoreSpec)
SERVICES = ("moto", pytest.param("s3", marks=pytest.mark.service), pytest.param("azure", marks=pytest.mark.service))


@dataclass(frozen=True)
class Bucket:
    """A store of platform.yaml, below a prefix of its own, and how others write to it."""

    spec: dict[str, object]
    put: Callable[[str, bytes], object]
    remove: Callable[[str], object]
    prefix: str = field(default_factory=lambda: f"landing {uuid4().hex[:8]}")

    def write(self, name: str, data: bytes) -> None:
        self.put(f"{self.prefix}/{name}", data)

    def source(self, *paths: str, whole: bool = True, changes: dict[str, object] | None = None) -> FileSource:
        from medallion_assets.intent.parse import parse_project
        from medallion_assets.intent.platform import Platform

        stores = {"landing": SPEC.validate_python({**self.spec, "prefix": self.prefix, **(changes or {})})}
        load = "full" if whole else "incremental"
        text = f"{{system: s, table: t, source: {{type: file, store: landing, path: {list(paths)}}}, load: {load}}}"
        platform = Platform.model_construct(stores={"lake": Platform().stores["lake"], **stores})
        (plan,) = compile_plans(parse_project({"intents/t.yaml": text.replace("'", '"')}, platform), platform)
        assert plan.not_built == ()
        source = open_source(plan, Surroundings(Path(), str, {}, stores))
        assert isinstance(source, FileSource)
        return source

    def read(self, *paths: str, whole: bool = True, changes: dict[str, object] | None = None) -> Got:
        return got(self.source(*paths, whole=whole, changes=changes))


def got(source: FileSource) -> Got:
    with source.read(Request(day())) as reading:
        return gathered(list(reading), reading.facts.files)


def _s3(spec: dict[str, object]) -> Bucket:
    import boto3

    client = boto3.client(
        "s3", endpoint_url=spec["endpoint_url"], aws_access_key_id=spec["access_key"],
        aws_secret_access_key=spec["secret_key"], region_name="us-east-1",
    )  # fmt: skip
    name = spec["bucket"]
    return Bucket(
        spec,
        lambda key, data: client.put_object(Bucket=name, Key=key, Body=data),
        lambda key: client.delete_object(Bucket=name, Key=key),
    )


def _azure(server: AzureServer) -> Iterator[Bucket]:
    from azure.storage.blob import ContainerClient

    key = {"account_name": server.account, "account_key": server.key}
    with ContainerClient(server.endpoint, server.container, credential=key) as client:
        yield Bucket(
            server.store(),
            lambda name, data: client.upload_blob(name, data, overwrite=True),
            client.delete_blob,
        )


@pytest.fixture(params=SERVICES)
def bucket(request: pytest.FixtureRequest) -> Iterator[Bucket]:
    if request.param == "azure":
        yield from _azure(request.getfixturevalue("azure_server"))
    else:
        server: S3Server | None = request.getfixturevalue("s3_server") if request.param == "s3" else None
        yield _s3(server.store() if server is not None else request.getfixturevalue("moto"))


ODD = ["größe 中.csv", "🙂.csv", "x#1.csv", "x%20y.csv", "x+y.csv", "a{b}.csv", "a=b&c.csv", "q~;,@.csv"]


def test_globs_templates_and_odd_names(bucket: Bucket) -> None:
    names = [
        "d/b.csv",
        "d/a.csv",
        "d/2024-01-31/x.csv",
        "d/2024-02-01/x.csv",
        "d/.hidden.csv",
        "e/a.csv",
        "d/deep/er/a.csv",
    ]
    for name in [*names, *(f"odd/{name}" for name in ODD)]:
        bucket.write(name, f'name\n"{name}"\n'.encode())

    def files(*paths: str) -> list[str]:
        found = bucket.read(*paths)
        assert [row[0] for row in found.table] == [fact.path for fact in found.files]
        return [fact.path for fact in found.files]

    assert files("d/*.csv") == ["d/a.csv", "d/b.csv"]
    assert files("d/b.csv", "./d/*.csv") == ["d/a.csv", "d/b.csv"]
    assert files("d/[!a].csv") == ["d/b.csv"]
    assert files("d/.h*.csv") == ["d/.hidden.csv"]
    assert files("*/20??-*/x.csv") == ["d/2024-01-31/x.csv", "d/2024-02-01/x.csv"]
    assert files("d/{run_date}/*.csv") == ["d/2024-01-31/x.csv"]
    assert files("**/x.csv") == ["d/2024-01-31/x.csv", "d/2024-02-01/x.csv"]
    assert files("d/**/a.csv") == ["d/a.csv", "d/deep/er/a.csv"]
    assert files("?/a.csv") == ["d/a.csv", "e/a.csv"]
    assert files("odd/*") == sorted(f"odd/{name}" for name in ODD)
    assert files("odd/a{{b}}.csv") == ["odd/a{b}.csv"]


def test_a_missing_file_is_no_file_and_a_missing_bucket_is_an_error(bucket: Bucket) -> None:
    bucket.write("a.csv", b"x\n1\n")
    for path in ("b.csv", "*.tsv", "no/*.csv", "a.csv/x"):
        with pytest.raises(ExtractionError) as caught:
            bucket.read(path)
        assert caught.value.code == "SRC-002"
    nowhere: dict[str, object] = {"bucket": "no-such-bucket"} if "bucket" in bucket.spec else {"container": "no-such"}
    for path in ("b.csv", "*.csv"):
        with pytest.raises(ExtractionError) as caught:
            bucket.read(path, changes=nowhere)
        assert caught.value.code == "SRC-029", caught.value
        assert "no such" in str(caught.value)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x.csv", "d/../../x.csv", "~/x.csv"])
def test_no_path_leaves_the_prefix(bucket: Bucket, path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        bucket.read(path)
    assert caught.value.code == "SRC-003"


def test_what_shows_a_folder_is_no_file(bucket: Bucket) -> None:
    bucket.write("d/", b"")
    bucket.write("d/a.csv", b"x\n1\n")
    assert [fact.path for fact in bucket.read("d/*").files] == ["d/a.csv"]
    assert [fact.path for fact in bucket.read("**").files] == ["d/a.csv"]


def test_what_another_program_wrote_a_moment_ago_is_seen(bucket: Bucket) -> None:
    source = bucket.source("d/*.csv")
    for count in (1, 2, 3):
        bucket.write(f"d/{count}.csv", b"x\n1\n")
        assert len(source.listed(day())) == count
    bucket.remove(f"{bucket.prefix}/d/1.csv")
    assert len(source.listed(day())) == 2


def test_every_format_reads_from_it(bucket: Bucket) -> None:
    frame = pl.DataFrame({"a": ["1", "2"]})
    parquet = io.BytesIO()
    frame.write_parquet(parquet)
    for name, data in {
        "a.csv": b"a\n1\n2\n", "b.csv.gz": gzip.compress(b"a\n1\n2\n"), "c.jsonl": b'{"a":1}\n{"a":"2"}\n',
        "d.json": b'[{"a":1},{"a":2}]', "e.parquet": parquet.getvalue(),
    }.items():  # fmt: skip
        bucket.write(name, data)
        found = bucket.read(name)
        assert found.rows.to_dicts() == frame.to_dicts()
        (fact,) = found.files
        assert (fact.path, fact.bytes, fact.rows) == (name, len(data), 2)


def test_a_large_file_in_blocks(bucket: Bucket) -> None:
    rows = [(str(i), "x" * (i % 50)) for i in range(700_000)]
    data = b"a,b\n" + "".join(f"{a},{b}\n" for a, b in rows).encode()
    assert len(data) > 2 * remote._BLOCK
    bucket.write("large.csv", data)
    assert bucket.read("large.csv").rows.height == len(rows)
    assert bucket.read("large.csv").rows.tail(3).rows() == rows[-3:]


def test_the_ledger_knows_a_file_by_its_etag(bucket: Bucket) -> None:
    bucket.write("a.csv", b"x\n1\n")
    (fact,) = bucket.read("*.csv").files
    ledger = {"a.csv": ("2024-01-30", fact)}
    source = bucket.source("*.csv", whole=False)
    with source.read(Request(day(), ledger=ledger)) as reading:
        assert list(reading) == []
    bucket.write("a.csv", b"x\n2\n")
    with pytest.raises(ExtractionError) as caught:
        source.read(Request(day(), ledger=ledger))
    assert caught.value.code == "SRC-018"


def test_a_file_that_is_written_while_it_is_read(bucket: Bucket) -> None:
    data = b"a\n" + b"1\n" * (12 << 20)
    bucket.write("a.csv", data)
    with pytest.raises(ExtractionError) as caught, bucket.source("a.csv").read(Request(day())) as reading:  # noqa: PT012
        for number, _ in enumerate(reading):
            if number == 1:
                bucket.write("a.csv", data[:-2])
    assert caught.value.code == "SRC-006"
    assert "changed while it was read" in str(caught.value)


@pytest.mark.service
@pytest.mark.parametrize("which", ["s3", "azure"])
def test_wrong_credentials_are_named_and_not_shown(which: str, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue(f"{which}_server")
    secret = "d3Jvbmctc2VjcmV0LW9mLXRoZS10ZXN0cw=="
    spec = {**server.store(), **({"secret_key": secret} if which == "s3" else {"key": secret})}
    with pytest.raises(ExtractionError, match="refuses access") as caught:
        Bucket(spec, lambda *_: None, lambda _: None).read("*.csv")
    assert caught.value.code == "SRC-029"
    assert secret not in str(caught.value)


def test_a_store_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    from medallion_assets.sources.files import s3

    monkeypatch.setattr(s3, "_TRIES", 1)
    spec: dict[str, object] = {
        "type": "s3", "bucket": "b", "endpoint_url": "http://127.0.0.1:9", "access_key": "k", "secret_key": "s",
    }  # fmt: skip
    with pytest.raises(ExtractionError, match="does not answer") as caught:
        Bucket(spec, lambda *_: None, lambda _: None).read("*.csv")
    assert caught.value.code == "SRC-029"


@pytest.mark.parametrize(
    ("spec", "missing"),
    [
        ({"type": "s3", "bucket": "b"}, "botocore.session"),
        ({"type": "azure", "account": "a", "container": "c"}, "azure.storage.blob"),
    ],
)
def test_without_the_extra(spec: dict[str, object], missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, missing, None)
    with pytest.raises(ConfigError) as caught:
        Bucket(spec, lambda *_: None, lambda _: None).source("*.csv")
    assert caught.value.code == "SRC-030"
    assert f"medallion-assets[{'aws' if spec['type'] == 's3' else 'azure'}]" in str(caught.value)


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "s3", "bucket": "b", "access_key": "k"},
        {"type": "azure", "account": "a", "container": "c", "credential": "key"},
        {"type": "azure", "account": "a", "container": "c", "credential": "sas"},
    ],
)
def test_half_a_credential(spec: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        Bucket(spec, lambda *_: None, lambda _: None).source("*.csv")
    assert caught.value.code == "STO-020"


# ------------------------------------------------------------------ a service that changes under the reader


@dataclass
class Fickle:
    """Objects in memory whose content changes at a chosen request."""

    data: bytes
    at: int = -1
    to: bytes | None = None
    base: str = "s3://fickle"
    asked: int = 0

    def _now(self) -> Object | None:
        self.asked += 1
        if self.asked == self.at + 1:
            self.data = self.to or b""
            self.gone = self.to is None
        if getattr(self, "gone", False):
            return None
        return Object("a.csv", len(self.data), str(hash(self.data)), datetime(2024, 1, 1, tzinfo=timezone.utc))

    def listed(self, prefix: str, *, deep: bool) -> Iterator[Object | str]:
        found = self._now()
        yield from () if found is None else (found,)

    def info(self, key: str) -> Object | None:
        return self._now()

    def read(self, found: Object, start: int, length: int) -> bytes:
        now = self._now()
        if now is None or now.etag != found.etag:
            raise Changed(None if now is None else (now.bytes, now.etag))
        return self.data[start : start + length]


OLD, NEW = b"a\n" + b"1\n" * 40, b"a\n" + b"2\n" * 40


def _source(objects: Fickle) -> FileSource:
    return FileSource(
        File.model_validate({"type": "file", "path": "*.csv"}), RemoteFiles(objects, ""), "UTC", True, str
    )


@pytest.mark.parametrize("to", [NEW, NEW[:-2], OLD + b"1\n", None], ids=["same size", "shorter", "longer", "gone"])
def test_one_version_or_a_failure_whenever_it_changes(to: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_BLOCK", 16)
    still = Fickle(OLD)
    assert got(_source(still)).table == [("1",)] * 40
    outcomes = []
    for at in range(still.asked):
        objects = Fickle(OLD, at, to)
        try:
            rows = {str(row[0]) for row in got(_source(objects)).table}
        except ExtractionError as error:
            outcomes.append(error.code)
        else:
            outcomes.append("".join(sorted(rows)))
    assert outcomes[0] in ("2", "1", "SRC-002")  # before it was listed: the new one
    assert set(outcomes[1:]) <= {"SRC-006", "SRC-005"}


def test_a_reading_that_is_left_early_ends_its_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setattr(remote, "_BLOCK", 16)
    objects = Fickle(OLD)
    place = RemoteFiles(objects, "")
    (found,) = place.find(_source(objects).patterns(day()))
    with closing(place.open(found)) as opened:
        assert opened.readinto(bytearray(5)) == 5
        assert any(thread.name.startswith("file-ahead") for thread in threading.enumerate())
    assert not any(thread.name.startswith("file-ahead") for thread in threading.enumerate())
