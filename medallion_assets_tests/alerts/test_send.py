"""Channels: what each gets, over real sockets."""

import hmac
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from medallion_assets.alerts.message import Message
from medallion_assets.alerts.send import NotSent, send
from medallion_assets.intent.platform import Email, Slack, Teams, Webhook

MESSAGE = Message(
    "check_failed", "shop.orders", "silver/shop/orders unique_keys", "2 rows.",
    datetime(2024, 1, 5, 12, tzinfo=timezone.utc), "run-1",
)  # fmt: skip
SECRETS = {"${env:URL}": "", "${env:KEY}": "s3cret-key"}


class Post:
    """One request as it came."""

    def __init__(self) -> None:
        self.body = b""
        self.headers: dict[str, str] = {}


@contextmanager
def _listening(status: int = 200) -> Iterator[tuple[str, Post]]:
    got = Post()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.body = self.rfile.read(int(self.headers["Content-Length"]))
            got.headers = dict(self.headers)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook", got
        server.shutdown()


def _resolve(text: str) -> str:
    return SECRETS.get(text, text)


def test_a_webhook_gets_signed_json() -> None:
    with _listening() as (url, got):
        channel = Webhook(type="webhook", url=url, headers={"X-Team": "data"}, secret="${env:KEY}")
        send(channel, MESSAGE, _resolve)
    assert json.loads(got.body) == {
        "event": "check_failed",
        "dataset": "shop.orders",
        "subject": "silver/shop/orders unique_keys",
        "text": "2 rows.",
        "at": "2024-01-05T12:00:00+00:00",
        "run_id": "run-1",
        "deduplication_key": "check_failed:shop.orders:silver/shop/orders unique_keys",
    }
    expected = hmac.new(b"s3cret-key", got.body, sha256).hexdigest()
    assert got.headers["X-Medallion-Signature"] == f"sha256={expected}"
    assert got.headers["X-Team"] == "data"


def test_slack_and_teams_get_their_shapes() -> None:
    with _listening() as (url, got):
        send(Slack(type="slack", url=url), MESSAGE, _resolve)
        title = "shop.orders: check failed (silver/shop/orders unique_keys)"
        assert json.loads(got.body) == {"text": f"*{title}*\n2 rows."}
        send(Teams(type="teams", url=url), MESSAGE, _resolve)
        (attachment,) = json.loads(got.body)["attachments"]
        assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        assert [block["text"] for block in attachment["content"]["body"]] == [title, "2 rows."]


@pytest.mark.parametrize("status", [301, 404, 500])
def test_an_answer_that_is_no_success_is_not_sent(status: int) -> None:
    with _listening(status) as (url, _), pytest.raises(NotSent, match=f"answered {status}"):
        send(Webhook(type="webhook", url=url), MESSAGE, _resolve)


def test_a_channel_that_is_not_there_tells_no_secret() -> None:
    with pytest.raises(NotSent) as raised:
        send(Slack(type="slack", url="http://127.0.0.1:9/T0/s3cret"), MESSAGE, _resolve)
    assert "s3cret" not in str(raised.value)


class _Smtp(socketserver.StreamRequestHandler):
    """The least of a mail server."""

    def handle(self) -> None:
        self.wfile.write(b"220 mail\r\n")
        data = False
        for line in self.rfile:
            if data:
                self.server.mail.append(line.decode())  # type: ignore[attr-defined] # set by the test
                data = line != b".\r\n"
                if not data:
                    self.wfile.write(b"250 ok\r\n")
                continue
            word = line.split()[0].upper()
            data = word == b"DATA"
            self.wfile.write({b"DATA": b"354 go\r\n", b"QUIT": b"221 bye\r\n"}.get(word, b"250 ok\r\n"))
            if word == b"QUIT":
                return


def test_mail_is_sent() -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Smtp) as server:
        server.mail = []  # type: ignore[attr-defined] # read below
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        channel = Email(type="email", to=("a@x.org", "b@x.org"), sender="lake@x.org", host="127.0.0.1", port=port)
        send(channel, MESSAGE, _resolve)
        server.shutdown()
        text = "".join(server.mail)  # type: ignore[attr-defined] # set above
    assert "Subject: shop.orders: check failed (silver/shop/orders unique_keys)" in text
    assert "To: a@x.org, b@x.org" in text
    assert "2 rows." in text
