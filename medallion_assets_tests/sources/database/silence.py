"""A TCP proxy that can fall silent: connections stay open, new ones are accepted, and nothing is passed on any more."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["Silence", "silence"]


class Silence:
    """Where it listens, on 127.0.0.1, and when it falls silent."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._speaks = threading.Event()
        self._speaks.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.bytes_answered = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def fall(self) -> None:
        self._speaks.clear()

    def close(self) -> None:
        self._speaks.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._open += [near, far]
                threading.Thread(target=self._pass_on, args=(near, far, False), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(far, near, True), daemon=True).start()

    def _pass_on(self, giver: socket.socket, taker: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := giver.recv(65_536):
                self._speaks.wait()
                taker.sendall(data)
                self.bytes_answered += len(data) * answers
            taker.shutdown(socket.SHUT_WR)


@contextmanager
def silence(target: int) -> Iterator[Silence]:
    proxy = Silence(target)
    try:
        yield proxy
    finally:
        proxy.close()
