"""Every fault under every kind of pagination: all rows after another try, or a typed error; never some of the rows.

The fault strikes one request, the first or the second of a list: once (another try must mend it, where that may help),
or every time (an error must come, within bounded time and requests).
"""

import gzip
import json
import time
from collections.abc import Callable
from email.utils import formatdate

import pytest

from medallion_assets.errors import ExtractionError, MedallionError
from medallion_assets_tests.sources.api_reading import FastTimer, read, source
from medallion_assets_tests.sources.api_server import Asked, Reply, serving
from medallion_assets_tests.sources.test_api_pages import EXPECTED, KINDS, paged

NOW = FastTimer().at
BOMB = gzip.compress(b"[" + b" " * 90_000_000 + b"]")
Fault = Callable[[Reply], Reply]


def _raw(text: str, **headers: str) -> Fault:
    return lambda good: Reply(200, text.encode(), {**good.headers, **headers})


def _cut(good: Reply) -> Reply:
    return Reply(200, good.body[: len(good.body) // 2], good.headers, length=False)


def _short(good: Reply) -> Reply:
    half = good.body[: len(good.body) // 2]
    return Reply(200, half, good.headers, announce=len(good.body) - len(half))


def _moved(to: str, status: int = 302) -> Fault:
    return lambda _: Reply(status, b"", {"Location": to})


def _gzip_cut(good: Reply) -> Reply:
    packed = good.gzipped()
    return Reply(200, packed.body[:-6], packed.headers)


MENDED: dict[str, tuple[Fault, set[str]]] = {
    "429": (lambda _: Reply(429, b""), {"SRC-053"}),
    "429 seconds": (lambda _: Reply(429, b"", {"Retry-After": "3"}), {"SRC-053"}),
    "429 date": (lambda _: Reply(429, b"", {"Retry-After": formatdate(NOW + 5, usegmt=True)}), {"SRC-053"}),
    "500": (lambda _: Reply(500, b"oops"), {"SRC-053"}),
    "502": (lambda _: Reply(502, b"<html>"), {"SRC-053"}),
    "503": (lambda _: Reply(503, b""), {"SRC-053"}),
    "hang": (lambda _: Reply(hang=True), {"SRC-051"}),
    "drip": (lambda good: Reply(200, good.body, good.headers, drip=0.05), {"SRC-051"}),
    "reset at once": (lambda good: Reply(200, good.body, good.headers, reset_at=0), {"SRC-051"}),
    "reset in head": (lambda good: Reply(200, good.body, good.headers, reset_at=20), {"SRC-051"}),
    "reset in body": (lambda good: Reply(200, good.body, good.headers, reset_at=150), {"SRC-051"}),
    "cut with length": (_short, {"SRC-051"}),
    "cut without length": (_cut, {"SRC-057"}),
    "gzip cut": (_gzip_cut, {"SRC-051"}),
    "gzip damaged": (lambda _: Reply(200, b"\x1f\x8b\x08junk", {"Content-Encoding": "gzip"}), {"SRC-051"}),
    "coding unknown": (lambda good: Reply(200, good.body, {"Content-Encoding": "br"}), {"SRC-051"}),
    "invalid JSON": (_raw('[{"id": 1,}]'), {"SRC-057"}),
    "NaN": (_raw('[{"id": NaN}]'), {"SRC-057"}),
    "empty body": (_raw(""), {"SRC-057"}),
    "HTML": (lambda _: Reply(200, b"<html>", {"Content-Type": "text/html"}), {"SRC-057"}),
    "not UTF-8": (lambda _: Reply(200, b'[{"id": "\xff"}]', {}), {"SRC-057"}),
    "not its charset": (lambda _: Reply(200, b"[\xff]", {"Content-Type": "text/json; charset=utf-16"}), {"SRC-057"}),
    "not HTTP": (lambda _: Reply(200, b"", {"A": "\r\n" * 3 + "x"}, reset_at=5), {"SRC-051"}),
}
"""Fault → what is raised when it never ends."""
REFUSED: dict[str, tuple[Fault, set[str]]] = {
    "429 too long": (lambda _: Reply(429, b"", {"Retry-After": "3600"}), {"SRC-054"}),
    "429 far date": (lambda _: Reply(429, b"", {"Retry-After": formatdate(NOW + 9999, usegmt=True)}), {"SRC-054"}),
    "400": (lambda _: Reply(400, b"no such field"), {"SRC-052"}),
    "401": (lambda _: Reply(401, b""), {"SRC-052"}),
    "404": (lambda _: Reply(404, b""), {"SRC-052"}),
    "206": (lambda good: Reply(206, good.body), {"SRC-052"}),
    "wrong type": (_raw('"a text"'), {"SRC-058"}),
    "wrong object": (_raw('{"error": "quota"}'), {"SRC-058"}),
    "gzip bomb": (
        lambda _: Reply(200, BOMB, {"Content-Encoding": "gzip"}),
        {"SRC-056"},
    ),
    "redirect loop": (lambda _: Reply(302, b"", {"Location": "/a"}), {"SRC-062"}),
    "redirect cross-host": (_moved("http://localhost:1/x"), {"SRC-050"}),
    "redirect to metadata": (_moved("http://169.254.169.254/latest"), {"SRC-050"}),
    "redirect to file": (_moved("file:///etc/passwd"), {"SRC-050"}),
    "redirect nowhere": (_moved("http://[bad"), {"SRC-050"}),
}


def _striking(kind: str, at: int, fault: Fault, *, always: bool) -> Callable[[Asked], Reply]:
    healthy, struck = paged(kind), set[str]()

    def answer(asked: Asked) -> Reply:
        if asked.path == "/b":
            return Reply(302, b"", {"Location": "/a"})
        if asked.path == "/a":
            return Reply(302, b"", {"Location": "/b"})
        good = healthy(asked)
        first = asked.target not in struck
        struck.add(asked.target)
        if len(struck) >= at and (first or always) and (always or len(struck) == at):
            return fault(good)
        return good

    return answer


def _positions(kind: str) -> tuple[int, ...]:
    return (1,) if kind == "none" else (1, 2)


def _patience(fault: str) -> str:
    """Short only where it is waited for: a busy machine may take its time to answer."""
    return "100ms" if fault in ("hang", "drip") else "5s"


PLACES = [(kind, at) for kind in KINDS for at in _positions(kind)]


@pytest.mark.parametrize("fault", MENDED)
@pytest.mark.parametrize(("kind", "at"), PLACES)
def test_another_try_gives_every_row(kind: str, at: int, fault: str) -> None:
    timer = FastTimer()
    with serving(_striking(kind, at, MENDED[fault][0], always=False)) as server:
        got = read(source(server.url, {"path": "/rows", "timeout": _patience(fault), **KINDS[kind]}, timer=timer))
    assert got.table == EXPECTED
    unseen = fault == "reset at once" and at == 2  # on a kept connection: the server may have closed it before
    assert got.facts["retries"] == ("0" if unseen else "1")
    assert fault not in ("429 seconds", "429 date") or timer.slept[-1] in (3.0, 5.0)


@pytest.mark.parametrize("fault", [*MENDED, *REFUSED])
@pytest.mark.parametrize(("kind", "at"), PLACES)
def test_a_fault_that_stays_is_a_typed_error_in_bounded_time(kind: str, at: int, fault: str) -> None:
    make, codes = {**MENDED, **REFUSED}[fault]
    began = time.monotonic()
    with serving(_striking(kind, at, make, always=True)) as server:
        api = source(server.url, {"path": "/rows", "timeout": _patience(fault), **KINDS[kind]})
        with pytest.raises(MedallionError) as caught:
            read(api)
    assert caught.value.code in codes
    assert time.monotonic() - began < 5
    assert len(server.asked) <= at - 1 + 12


def test_the_combinations_are_counted() -> None:
    assert len(PLACES) * (2 * len(MENDED) + len(REFUSED)) == 900


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_page_is_zero_rows(kind: str) -> None:
    def answer(_: Asked) -> Reply:
        return Reply.of({"data": {"items": []}, "rows": []} if "records" in KINDS[kind] else [])

    with serving(answer) as server:
        assert read(source(server.url, KINDS[kind])).rows.height == 0
    assert len(server.asked) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_no_content_is_zero_rows(kind: str) -> None:
    with serving(lambda _: Reply(204, b"", length=False)) as server:
        assert read(source(server.url, KINDS[kind])).rows.height == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["mark", "gzip", "utf-16", "deflate"])
def test_every_row_in_other_bytes(kind: str, form: str) -> None:
    import zlib

    healthy = paged(kind)

    def answer(asked: Asked) -> Reply:
        good = healthy(asked)
        match form:
            case "mark":
                return Reply(200, b"\xef\xbb\xbf" + good.body, good.headers)
            case "gzip":
                return good.gzipped()
            case "deflate":
                return Reply(200, zlib.compress(good.body), {**good.headers, "Content-Encoding": "deflate"})
        kind_of = {"Content-Type": "application/json; charset=utf-16"}
        return Reply(200, good.body.decode().encode("utf-16"), {**good.headers, **kind_of})

    with serving(answer) as server:
        assert read(source(server.url, KINDS[kind])).table == EXPECTED


def test_a_record_that_is_none_is_refused_beside_the_others() -> None:
    with serving(lambda _: Reply(200, b'[{"id": 1}, 5, {"id": 2}]')) as server:
        got = read(source(server.url))
    assert got.table == [("1",), ("2",)]
    assert [(r.reason, r.detail, r.raw) for r in got.refused] == [("json", "not an object", "5")]


def test_values_keep_their_characters() -> None:
    body = b'[{"a": 9223372036854775808, "b": 1.10, "c": {"x": [1.0]}, "d": true, "e": null, "f": "007", "g": 1e5}]'
    with serving(lambda _: Reply(200, body)) as server:
        got = read(source(server.url))
    assert got.rows.row(0) == ("9223372036854775808", "1.10", '{"x": [1.0]}', "true", None, "007", "1e5")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-ndjson", "".join(json.dumps({"id": i, "name": n}) + "\n" for i, n in EXPECTED)),
        ("text/csv; header=present", "id,name\n" + "".join(f"{i},{n}\n" for i, n in EXPECTED)),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_lines_and_csv(kind: str, body: str, packed: bool) -> None:
    reply = Reply(200, body.encode(), {"Content-Type": kind})
    if packed:  # an export: the gzip file itself
        reply = Reply(200, gzip.compress(body.encode()), {"Content-Type": kind})
    with serving(lambda _: reply) as server:
        assert read(source(server.url)).table == EXPECTED


def test_lines_that_could_have_been_cut_unseen_are_refused() -> None:
    reply = Reply(200, b'{"id": 1}\n', {"Content-Type": "application/x-ndjson"}, length=False)
    with serving(lambda _: reply) as server, pytest.raises(ExtractionError, match=r"SRC-057[\s\S]*cut"):
        read(source(server.url))


def test_a_big_list_is_read_from_disk() -> None:
    rows = [{"id": n, "text": "x" * 1000} for n in range(12_000)]
    with serving(lambda _: Reply.of(rows)) as server:
        got = read(source(server.url, {"timeout": "20s"}))
    assert got.rows["id"].to_list() == [str(n) for n in range(12_000)]
    assert set(got.rows["text"]) == {"x" * 1000}


def test_an_answer_longer_than_allowed() -> None:
    reply = Reply(200, b"[" + b" " * 3000 + b"]")
    with serving(lambda _: reply) as server, pytest.raises(ExtractionError, match="SRC-056"):
        read(source(server.url, {"max_bytes": "2KB"}))
