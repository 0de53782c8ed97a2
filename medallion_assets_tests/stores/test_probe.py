"""A store that ignores conditional writes is found out before anything is created in it."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest

from medallion_assets.errors import NotFound, StorageError
from medallion_assets.lake.ports import Store
from medallion_assets.stores.memory import MemoryStore
from medallion_assets.stores.open import open_store
from medallion_assets.stores.probe import MARKER, ProbedStore, examine
from medallion_assets_tests.stores.conftest import SPEC


class Careless(MemoryStore):
    """Takes every creation for an overwrite, as rclone and s3rver do."""

    def put_if_absent(self, path: str, data: bytes) -> None:
        self.put(path, data)


class Counting(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.created: list[str] = []

    def put_if_absent(self, path: str, data: bytes) -> None:
        self.created.append(path)
        super().put_if_absent(path, data)


def test_a_store_without_conditional_writes_is_refused_before_anything_is_created() -> None:
    careless = Careless()
    with pytest.raises(StorageError, match=r"STO-018[\s\S]*ignores conditional writes[\s\S]*If-None-Match"):
        ProbedStore(careless).put_if_absent("commit", b"1")
    with pytest.raises(NotFound):
        careless.get("commit")


def test_the_proof_is_made_once_a_process_and_costs_one_request_where_the_marker_lies() -> None:
    store = Counting()
    first = ProbedStore(store)
    first.put_if_absent("a", b"1")
    first.put_if_absent("b", b"1")
    ProbedStore(store).put_if_absent("c", b"1")
    assert store.created == [MARKER, MARKER, "a", "b", MARKER, "c"]
    assert [info.path for info in first.list("")] == ["a", "b", "c"]


def test_what_is_asked_of_a_probed_store_reaches_it() -> None:
    inner = MemoryStore()
    store: Store = ProbedStore(inner)
    store.put("a/b", b"123")
    assert (store.get("a/b"), store.get_range("a/b", 1, 2), store.info("a/b").bytes) == (b"123", b"23", 3)
    assert (store.url("a/b"), dict(store.options)) == (inner.url("a/b"), {})
    store.delete("a/b")
    assert list(inner.list("")) == []


def test_an_examination_tries_everything_and_leaves_nothing() -> None:
    store = MemoryStore()
    findings = examine(store)
    assert [f.what for f in findings] == ["write", "create", "create again", "read", "range", "list", "delete"]
    assert [f.problem for f in findings] == [None] * 7
    assert all(f.milliseconds >= 0 for f in findings)
    assert list(store.list("")) == []


def test_an_examination_names_what_a_careless_store_gets_wrong() -> None:
    problems = {f.what: f.problem.code for f in examine(Careless()) if f.problem}
    assert problems == {"create again": "STO-018"}


def test_an_examination_ends_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = open_store("lake", SPEC.validate_python({"type": "local", "root": str(tmp_path / "file")}), tmp_path)
    (finding,) = examine(store)
    assert (finding.what, finding.problem is not None) == ("write", True)


# ------------------------------------------------------------------ a service that answers, but not as it should


class _Service(BaseHTTPRequestHandler):
    """Just enough of S3 to create objects, or to fail in one way whatever is asked."""

    answer: ClassVar[tuple[int, str]] = (200, "")

    def _say(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        status, code = self.answer
        body = f"<Error><Code>{code}</Code></Error>".encode() if code else b""
        self.send_response(status)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_PUT = do_GET = do_HEAD = do_DELETE = do_POST = _say  # noqa: N815 - names that http.server asks for

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Service) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def store_at(endpoint: str) -> Store:
    spec = {"type": "s3", "bucket": "b", "endpoint_url": endpoint, "access_key": "key", "secret_key": "hush",
            "path_style": True}  # fmt: skip
    return open_store("lake", SPEC.validate_python(spec), Path())


def test_a_service_that_overwrites_under_if_none_match_is_refused(service: str) -> None:
    _Service.answer = (200, "")
    with pytest.raises(StorageError, match="STO-018"):
        store_at(service).put_if_absent("commit", b"1")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((403, "SignatureDoesNotMatch"), "STO-014"),
        ((404, "NoSuchBucket"), "STO-015"),
        ((400, "InvalidRequest"), "STO-016"),
        ((409, "ConditionalRequestConflict"), "STO-017"),
    ],
)
def test_a_refusal_has_a_code_and_tells_no_secret(service: str, answer: tuple[int, str], code: str) -> None:
    _Service.answer = answer
    with pytest.raises(StorageError) as caught:
        store_at(service).put_if_absent("commit", b"1")
    assert caught.value.code == code
    assert "hush" not in str(caught.value)


def test_a_creation_without_an_answer_is_unknown_and_never_repeated() -> None:
    with pytest.raises(StorageError) as caught:
        store_at("http://127.0.0.1:1").put_if_absent("commit", b"1")
    assert caught.value.code == "STO-017"
    assert "connection refused" in str(caught.value)
