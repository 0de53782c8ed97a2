"""HTTPS: who answers is verified before anything is sent, and a refusal says why."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from medallion_assets.errors import ConfigError, ExtractionError
from medallion_assets.intent.platform import ApiConnection
from medallion_assets.lake.ports import Request
from medallion_assets.sources.api.source import ApiSource
from medallion_assets.sources.open import Surroundings, open_source
from medallion_assets_tests.services.certificates import Authority
from medallion_assets_tests.sources.api_reading import read, source
from medallion_assets_tests.sources.api_server import Asked, Reply, serving
from medallion_assets_tests.sources.reading import day
from medallion_assets_tests.sources.test_source import plan_of

TOKEN = "a-canary-token"
BEARER = {"auth": {"type": "bearer", "token": TOKEN}}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def rows(_: Asked) -> Reply:
    return Reply.of([{"id": 1}])


def api(url: str, ca: Authority | None, spec: Mapping[str, object] = BEARER, **connection: object) -> ApiSource:
    trusted = {} if ca is None else {"ca_file": str(ca.file)}
    return source(url, {**spec, "timeout": "5s"}, connection={**trusted, **connection})


def test_who_is_of_the_trusted_authority_is_asked(authority: Authority) -> None:
    with serving(rows, authority.server()) as server:
        assert read(api(server.url, authority)).table == [("1",)]
        assert server.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("of a CA that the system does not know", "unable to get local issuer certificate"),
        ("of another CA", "unable to get local issuer certificate"),
        ("of another host", "certificate is not valid for '127.0.0.1'"),
        ("expired", "certificate has expired"),
        ("not yet valid", "certificate is not yet valid"),
    ],
)
def test_who_is_not_is_told_nothing(authority: Authority, case: str, said: str) -> None:
    context = {
        "of another CA": lambda: Authority(authority.folder, "other").server(),
        "of another host": lambda: authority.server("crm.example.com"),
        "expired": lambda: authority.server(days=(-9, -1)),
        "not yet valid": lambda: authority.server(days=(1, 9)),
    }.get(case, authority.server)()
    with serving(rows, context) as server:
        with pytest.raises(ExtractionError, match="SRC-067") as caught:
            read(api(server.url, None if "system" in case else authority))
        assert said in str(caught.value)
        assert not server.asked
        assert server.connections == 1  # another try would change nothing


def test_credentials_of_a_login_go_to_nobody_unknown(authority: Authority) -> None:
    login = Authority(authority.folder, "other").server()
    with serving(rows, authority.server()) as server, serving(rows, login) as tokens:
        auth = {
            "type": "oauth2_client_credentials", "token_url": f"{tokens.url}/token", "client_id": "me",
            "client_secret": TOKEN,
        }  # fmt: skip
        with pytest.raises(ExtractionError, match="SRC-067"):
            read(api(server.url, authority, {"auth": auth}))
        assert not [*server.asked, *tokens.asked]


def test_a_redirect_does_not_lead_out_of_tls_nor_to_a_stranger(authority: Authority) -> None:
    stranger = Authority(authority.folder, "other").server("localhost")
    with serving(rows) as plain, serving(rows, stranger) as other:
        for to, code in ((plain.url, "SRC-050"), (other.url.replace("127.0.0.1", "localhost"), "SRC-067")):
            moved = Reply(302, b"", {"Location": f"{to}/x"})
            with serving(lambda _, moved=moved: moved, authority.server()) as server:  # type: ignore[misc]
                with pytest.raises(ExtractionError, match=code):
                    read(api(server.url, authority, {**BEARER, "allow_hosts": ["localhost"]}))
                assert len(server.asked) == 1
        assert not [*plain.asked, *other.asked]


def test_verifying_can_be_left_out(authority: Authority) -> None:
    with serving(rows, authority.server("crm.example.com", (-9, -1))) as server:
        assert read(api(server.url, None, verify_tls=False)).table == [("1",)]


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_that_holds_no_authority_is_an_error(tmp_path: Path, authority: Authority, content: str | None) -> None:
    if content is not None:
        (tmp_path / "wrong.pem").write_text(content)
    with serving(rows, authority.server()) as server:
        with pytest.raises(ConfigError, match=r"SRC-068[\s\S]*wrong.pem"):
            read(api(server.url, None, ca_file=str(tmp_path / "wrong.pem")))
        assert not server.asked


def test_the_file_of_the_authority_is_below_the_project(tmp_path: Path, authority: Authority) -> None:
    with serving(rows, authority.server()) as server:
        connection = ApiConnection(type="api", base_url=server.url, ca_file=authority.file.name)
        around = Surroundings(tmp_path, str, {"crm": connection}, {})
        with open_source(plan_of("{type: api, connection: crm}"), around).read(Request(day())) as reading:
            assert [row for batch in reading for row in batch.rows.rows()] == [("1",)]


@contextmanager
def speaking(text: bytes) -> Iterator[str]:
    """The https address of one who says the same to everybody, and then nothing."""
    kept: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                kept.append(listening.accept()[0])
                kept[-1].sendall(text)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in kept:
        connection.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "TLS failed: "), (b"", "within 0.2 s")],
)
def test_who_speaks_no_tls_or_nothing_gives_no_answer(text: bytes, said: str) -> None:
    with speaking(text) as url, pytest.raises(ExtractionError, match=rf"SRC-051[\s\S]*{said}"):
        read(source(url, {**BEARER, "timeout": "200ms"}))
