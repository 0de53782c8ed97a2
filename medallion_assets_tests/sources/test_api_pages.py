"""Every kind of pagination reads every row once, in order, whatever the place of its parameters; and ends for sure."""

import pytest

from medallion_assets.errors import ExtractionError
from medallion_assets_tests.sources.api_reading import read, source
from medallion_assets_tests.sources.api_server import Answers, Asked, Reply, serving

ROWS = [{"id": n, "name": f"row {n}"} for n in range(1, 26)]
EXPECTED = [(str(row["id"]), row["name"]) for row in ROWS]
SIZE = 10


def paged(kind: str) -> Answers:
    """A server of ROWS by that kind of pagination, ten at a time."""

    def answer(asked: Asked) -> Reply:
        params = asked.params
        match kind:
            case "none":
                return Reply.of(ROWS)
            case "offset":
                start = int(params["offset"])
                assert params["limit"] == str(SIZE)
            case "page":
                start = (int(params["page"]) - 1) * SIZE
            case "link_header" | "next_url":
                start = int(params.get("from", 0))
            case _:
                start = int(params.get("cursor", "0"))
        rows, end = ROWS[start : start + SIZE], start + SIZE
        more = end < len(ROWS)
        match kind:
            case "cursor_body":
                return Reply.of({"data": {"items": rows}, "meta": {"next": str(end) if more else None}})
            case "cursor_header":
                return Reply(200, Reply.of(rows).body, {"X-Next": str(end)} if more else {})
            case "cursor_last":
                return Reply.of(rows)
            case "link_header":
                link = f'<http://other/>; rel="last", <{asked.path}?from={end}>; rel="prefetch next"' if more else ""
                return Reply.of(rows, Link=link)
            case "next_url":
                return Reply.of({"rows": rows, "next": f"{asked.path}?from={end}" if more else ""})
        return Reply.of(rows)

    return answer


KINDS: dict[str, dict[str, object]] = {
    "none": {},
    "offset": {"pagination": {"type": "offset", "page_size": SIZE}},
    "page": {"pagination": {"type": "page", "size_param": "size", "page_size": SIZE}},
    "cursor_body": {"pagination": {"type": "cursor", "next": "meta.next"}, "records": "data.items"},
    "cursor_header": {"pagination": {"type": "cursor", "next_header": "x-next"}},
    "cursor_last": {"pagination": {"type": "cursor", "next_from_last": "id"}},
    "link_header": {"pagination": {"type": "link_header"}},
    "next_url": {"pagination": {"type": "next_url", "next": "next"}, "records": "rows"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_reads_every_row_in_order(kind: str) -> None:
    with serving(paged(kind)) as server:
        got = read(source(server.url, {"path": "/v1/rows", **KINDS[kind]}))
    assert got.table == EXPECTED
    assert got.facts["url"] == server.url
    assert got.facts["requests"] == str(len(server.asked))
    assert got.facts["retries"] == "0"


@pytest.mark.parametrize("place", ["query", "body", "header"])
@pytest.mark.parametrize("kind", ["offset", "page", "cursor_body", "cursor_header", "cursor_last"])
def test_parameters_in_their_place(kind: str, place: str) -> None:
    spec = dict(KINDS[kind])
    pagination = spec.pop("pagination")
    assert isinstance(pagination, dict)
    with serving(paged(kind)) as server:
        asked_by = {"method": "POST", "body": {"kind": "all"}, "pagination": {**pagination, "place": place}}
        api = source(server.url, {**spec, **asked_by})
        assert read(api).table == EXPECTED
    assert all(asked.method == "POST" and asked.params["kind"] == "all" for asked in server.asked)


@pytest.mark.parametrize("kind", ["link_header", "next_url"])
def test_addresses_of_a_post_keep_its_body(kind: str) -> None:
    with serving(paged(kind)) as server:
        assert read(source(server.url, {"method": "POST", "body": {"kind": "all"}, **KINDS[kind]})).table == EXPECTED
    assert all(asked.params["kind"] == "all" for asked in server.asked)


@pytest.mark.parametrize("kind", ["offset", "page"])
def test_pages_ahead_keep_their_order(kind: str) -> None:
    with serving(paged(kind)) as server:
        got = read(source(server.url, {"concurrency": 4, **KINDS[kind]}))
    assert got.table == EXPECTED
    assert got.facts["pages"] == "4"


def test_the_same_cursor_again_is_an_error() -> None:
    rows = iter(range(1_000))
    with serving(lambda _: Reply.of({"rows": [{"id": next(rows)}], "next": "a"})) as server:
        api = source(server.url, {"records": "rows", "pagination": {"type": "cursor", "next": "next"}})
        with pytest.raises(ExtractionError, match=r"SRC-059[\s\S]*same cursor"):
            read(api)
    assert len(server.asked) == 2


@pytest.mark.parametrize("kind", ["offset", "page"])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_server_that_ignores_the_page_is_found(kind: str, concurrency: int) -> None:
    same = r"SRC-059[\s\S]*Page 2 has the same records"
    with serving(lambda _: Reply.of(ROWS[:SIZE])) as server, pytest.raises(ExtractionError, match=same):
        read(source(server.url, {"concurrency": concurrency, **KINDS[kind]}))
    assert len(server.asked) <= concurrency + 1


def test_more_pages_than_the_most_is_an_error() -> None:
    with serving(paged("page")) as server, pytest.raises(ExtractionError, match=r"SRC-059[\s\S]*more than 2 pages"):
        read(source(server.url, {"pagination": {"type": "page", "max_pages": 2}}))


def test_a_server_that_gives_less_than_asked_for_cannot_be_read_by_offset() -> None:
    def capped(asked: Asked) -> Reply:
        start = int(asked.params["offset"])
        return Reply.of(ROWS[start : start + 5])

    with serving(capped) as server, pytest.raises(ExtractionError, match=r"SRC-063[\s\S]*5 rows where 10"):
        read(source(server.url, {"pagination": {"type": "offset", "page_size": 10}}))


@pytest.mark.parametrize("answer", [{}, {"rows": None}, {"rows": {"id": 1}}, {"row": []}, []])
def test_no_records_is_never_zero_rows(answer: object) -> None:
    with serving(lambda _: Reply.of(answer)) as server, pytest.raises(ExtractionError, match="SRC-058"):
        read(source(server.url, {"records": "rows"}))
    assert len(server.asked) == 1
