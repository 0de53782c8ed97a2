"""An HTTP server of the tests on a picked port: what it answers, and how it breaks, is told by a function."""

import gzip
import io
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    number: int
    """From 1, over the server."""
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def params(self) -> dict[str, str]:
        """Query, and members of a JSON body, and headers beginning with X-Page-."""
        query = dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))
        inside = json.loads(self.body) if self.body.startswith(b"{") else {}
        return {**self.headers, **query, **{k: str(v) for k, v in inside.items()}}


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b"[]"
    headers: dict[str, str] = field(default_factory=dict)
    length: bool = True
    """Whether Content-Length is sent; without it the connection's end is the body's."""
    announce: int = 0
    """Added to the Content-Length."""
    reset_at: int | None = None
    """Reset the connection after so many bytes of the whole answer."""
    drip: float = 0.0
    """Seconds before each byte of the body."""
    hang: bool = False

    @staticmethod
    def of(value: object, status: int = 200, **headers: str) -> "Reply":
        return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})

    def gzipped(self) -> "Reply":
        return Reply(self.status, gzip.compress(self.body), {**self.headers, "Content-Encoding": "gzip"})


Answers = Callable[[Asked], Reply]


class Server:
    """``context``: speaks TLS with it. ``connections`` counts those that came, also when nothing was asked."""

    def __init__(self, answers: Answers, context: ssl.SSLContext | None = None) -> None:
        self.answers, self.context = answers, context
        self.connections = 0
        self.asked: list[Asked] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.url = f"{'http' if context is None else 'https'}://127.0.0.1:{self.port}"
        self._lock = threading.Lock()
        self.stopped = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.stopped.set()
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._secured, args=(connection,), daemon=True).start()

    def _secured(self, connection: socket.socket) -> None:
        if self.context is None:
            return self._serve(connection)
        with connection:
            try:
                secured = self.context.wrap_socket(connection, server_side=True)
            except OSError:  # the client has hung up
                return None
            return self._serve(secured)

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as incoming:
            try:
                while self._one(connection, incoming):
                    pass
            except OSError:
                pass

    def _one(self, connection: socket.socket, incoming: io.BufferedReader) -> bool:
        line = incoming.readline()
        if not line:
            return False
        head = b""
        while (more := incoming.readline()) not in (b"\r\n", b""):
            head += more
        headers = dict(BytesParser().parsebytes(head).items())
        body = incoming.read(int(headers.get("Content-Length", 0)))
        method, target, _ = line.decode("latin-1").split(" ")
        with self._lock:
            asked = Asked(len(self.asked) + 1, method, target, headers, body)
            self.asked.append(asked)
        return self._reply(connection, self.answers(asked))

    def _reply(self, connection: socket.socket, reply: Reply) -> bool:
        if reply.hang:
            self.stopped.wait(30)
            return False
        headers = dict(reply.headers)
        if reply.length:
            headers["Content-Length"] = str(len(reply.body) + reply.announce)
        lines = [f"HTTP/1.1 {reply.status} Said", *(f"{k}: {v}" for k, v in headers.items())]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        if reply.reset_at is not None:
            connection.sendall((head + reply.body)[: reply.reset_at])
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if reply.drip:
            connection.sendall(head)
            for at in range(len(reply.body)):
                if self.stopped.wait(reply.drip):
                    return False
                connection.sendall(reply.body[at : at + 1])
            return True
        connection.sendall(head + reply.body)
        return reply.length and not reply.announce


@contextmanager
def serving(answers: Answers, context: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(answers, context)
    try:
        yield server
    finally:
        server.close()
