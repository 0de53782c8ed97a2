"""HTTP/1.1 over sockets of our own: every wait ends at the request's deadline, every byte is counted, the address that
is connected to is the one that was checked, and an answer that was cut is never a short one.

The standard library parses; httpx is not used because it has no deadline for a whole request and passes a body that was
cut without a length.
"""

import io
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from medallion_assets.errors import ConfigError, ExtractionError
from medallion_assets.sources.api.calls import Answer, Body, Call, origin, shown_url
from medallion_assets.sources.api.inflate import Inflate
from medallion_assets.sources.api.where import addresses

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Broken", "Wire"]

_CHUNK = 1 << 16
_FREE_BYTES = 64 << 20
"""Decoded bytes up to which no ratio is looked at."""
_MAX_RATIO = 400
Origin = tuple[str, str, int]


class Broken(Exception):
    """No answer, or one that was cut: trying again may help. The text says what happened, without addresses."""


@dataclass(frozen=True, slots=True)
class _Request:
    """A call on its way: where to, as bytes, and by when its answer has to be complete."""

    call: Call
    place: Origin
    data: bytes
    deadline: float


class _Channel:
    """A socket whose every operation ends at ``deadline``; what HTTPResponse takes for a socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.deadline = 0.0
        self.received = 0

    def remaining(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def sendall(self, data: bytes) -> None:
        self.sock.settimeout(self.remaining())
        self.sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self), _CHUNK)


class _Incoming(io.RawIOBase):
    """The bytes of one answer. Closing it leaves the socket open for the next request."""

    def __init__(self, channel: _Channel) -> None:
        super().__init__()
        self._channel = channel

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        channel = self._channel
        channel.sock.settimeout(channel.remaining())
        n = channel.sock.recv_into(memoryview(buffer))
        channel.received += n
        return n


class Wire:
    """Connections of one read, kept open between requests. Safe for several threads."""

    def __init__(self, *, ca_file: str | None = None, verify_tls: bool = True, max_bytes: int = 1 << 30) -> None:
        self._ca_file, self._verify, self._max_bytes = ca_file, verify_tls, max_bytes
        self._idle: dict[Origin, list[_Channel]] = {}
        self._lock = Lock()
        self._context: ssl.SSLContext | None = None

    def send(self, call: Call, timeout: float) -> Answer:
        """The answer, whole, whatever its status. ``timeout``: seconds for all of it.

        Raises Broken; ExtractionError SRC-050 (address), SRC-056 (too many bytes), SRC-065 (cannot be sent), SRC-067
        (certificate, before anything is sent); ConfigError SRC-068 (CA file).
        """
        request = _Request(call, origin(call.url), _written(call), time.monotonic() + timeout)
        try:
            while (channel := self._kept(request.place)) is not None:
                answer = self._on_kept(channel, request)
                if answer is not None:
                    return answer
            return self._exchange(self._connect(request), request)
        except TimeoutError:
            raise Broken(f"no complete answer within {timeout:g} s") from None
        except ssl.SSLCertVerificationError as error:
            raise _untrusted(request.place[1], error.verify_message) from None
        except ssl.SSLError as error:
            raise Broken(f"TLS failed: {error.reason or type(error).__name__}") from None
        except OSError as error:
            raise Broken(error.strerror or type(error).__name__) from None
        except HTTPException as error:
            raise Broken(f"the answer is cut or is not HTTP ({type(error).__name__})") from None

    def close(self) -> None:
        with self._lock:
            channels = [channel for kept in self._idle.values() for channel in kept]
            self._idle.clear()
        for channel in channels:
            channel.sock.close()

    def _on_kept(self, channel: _Channel, request: _Request) -> Answer | None:
        """None when the server had closed the connection while it was idle: nothing was answered on it."""
        try:
            return self._exchange(channel, request)
        except (ConnectionError, HTTPException):
            if channel.received:
                raise
            return None

    def _kept(self, place: Origin) -> _Channel | None:
        with self._lock:
            kept = self._idle.get(place)
            return kept.pop() if kept else None

    def _connect(self, request: _Request) -> _Channel:
        scheme, host, port = request.place
        context = self._tls() if scheme == "https" else None
        failure: OSError | None = None
        for family, target in addresses(host, port):
            sock = socket.socket(family, socket.SOCK_STREAM)
            channel = _Channel(sock)
            channel.deadline = request.deadline
            try:
                sock.settimeout(channel.remaining())
                sock.connect(target)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if context is not None:
                    channel.sock = context.wrap_socket(sock, server_hostname=host)
            except OSError as error:
                sock.close()
                failure = error
            else:
                return channel
        raise failure or OSError(f"no address for {host}")

    def _tls(self) -> ssl.SSLContext:
        with self._lock:
            if self._context is None:
                self._context = self._trusting()
            return self._context

    def _trusting(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self._ca_file)
        except OSError as error:
            raise ConfigError(
                "SRC-068", f"{self._ca_file} holds no certificates: {error.strerror or type(error).__name__}.",
                where="ca_file of the connection", fix="Name a file of PEM certificates, those of the CA.",
            ) from None  # fmt: skip
        if not self._verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _exchange(self, channel: _Channel, request: _Request) -> Answer:
        channel.deadline, channel.received = request.deadline, 0
        body, unbounded = Body(), False
        try:
            channel.sendall(request.data)
            response = HTTPResponse(channel, method=request.call.method)  # type: ignore[arg-type]
            response.begin()
            unbounded = response.length is None and not response.chunked
            headers = {name.lower(): value for name, value in response.getheaders()}
            for data in self._decoded(_arriving(response), headers, channel, request.call.url):
                body.write(data)
        except BaseException:
            body.close()
            channel.sock.close()
            raise
        if response.will_close:
            channel.sock.close()
        else:
            with self._lock:
                self._idle.setdefault(request.place, []).append(channel)
        unbounded = unbounded and "content-encoding" not in headers
        return Answer(response.status, headers, body, request.call.url, channel.received, unbounded)

    def _decoded(
        self, arriving: Iterator[bytes], headers: dict[str, str], channel: _Channel, url: str
    ) -> Iterator[bytes]:
        count = 0
        for data in Inflate(headers.get("content-encoding", "")).through(arriving):
            count += len(data)
            if count > self._max_bytes:
                raise _too_large(url, f"The answer is longer than {self._max_bytes:,} bytes, decoded.")
            if count > _FREE_BYTES and count > _MAX_RATIO * channel.received:
                raise _too_large(
                    url, f"{channel.received:,} bytes have become {count:,}: more than {_MAX_RATIO} times."
                )
            yield data


def _arriving(response: HTTPResponse) -> Iterator[bytes]:
    """The body as sent. Raises HTTPException when fewer bytes arrive than were announced."""
    announced, got = response.length, 0
    while data := response.read(_CHUNK):
        got += len(data)
        yield data
    if announced is not None and got < announced:
        raise _CutError(f"{got} of {announced} bytes")
    response.close()


class _CutError(HTTPException):
    pass


def _written(call: Call) -> bytes:
    parts = urlsplit(call.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Host": parts.netloc, "Accept-Encoding": "gzip", **call.headers}
    if call.body is not None:
        headers["Content-Length"] = str(len(call.body))
    lines = [f"{call.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise _unsendable(call.url, "A header holds a line break.")
    with suppress(UnicodeEncodeError):
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (call.body or b"")
    raise _unsendable(call.url, "The address or a header holds characters that HTTP cannot carry.")


def _untrusted(host: str, why: str) -> ExtractionError:
    return ExtractionError(
        "SRC-067", f"The certificate is refused: {why.rstrip('.')}. Nothing was sent.", where=host,
        fix="Of a CA of your own, name its file as `ca_file` of the connection; else the server has to mend it.",
    )  # fmt: skip


def _unsendable(url: str, what: str) -> ExtractionError:
    return ExtractionError(
        "SRC-065", what, where=shown_url(url), fix="Correct the value: a secret often ends with a stray line break."
    )


def _too_large(url: str, what: str) -> ExtractionError:
    return ExtractionError(
        "SRC-056", what, where=shown_url(url), fix="Ask for smaller pages, or raise source.max_bytes if it is sound."
    )
