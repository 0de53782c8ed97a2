"""The local REST interface of the samples: bearer token, pages, JSON; nothing is stored."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qsl, urlsplit

from medallion_assets.samples.draw import World
from medallion_assets.samples.tickets import Tickets

__all__ = ["TOKEN", "serving"]

TOKEN = "sample-token"  # noqa: S105 - anybody may know it: the server is local and its data made up


@contextmanager
def serving(world: World, port: int, heard: Callable[[str], None] = lambda _: None) -> Iterator[str]:
    """Serve on 127.0.0.1 (``port`` 0: a free one) while the block runs, and give the URL.

    ``heard`` gets the line of each request. Raises OSError when the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = _reply(world, self.path, self.headers.get("Authorization", ""))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server names it
            heard(format % args)

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _reply(world: World, path: str, token: str) -> tuple[int, bytes]:
    asked = urlsplit(path)
    if token != f"Bearer {TOKEN}":
        return 401, b'{"error": "no such token"}'
    if asked.path != "/tickets":
        return 404, b'{"error": "there are /tickets"}'
    try:
        return 200, Tickets.answer(world, dict(parse_qsl(asked.query))).encode()
    except (KeyError, ValueError) as error:
        return 400, b'{"error": "' + type(error).__name__.encode() + b'"}'
