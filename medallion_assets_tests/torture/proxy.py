"""A TCP proxy that now and then resets, cuts, stalls or delays a connection."""

import asyncio
import threading
from contextlib import suppress
from random import Random

__all__ = ["Proxy"]

_STALL_S = 0.3


class Proxy:
    """Listens on ``port`` of 127.0.0.1 in a thread and passes on to ``target``. A connection is spoiled with
    ``chance``: after a random number of bytes it is reset, ended, or halted for a moment. ``spoiled`` counts them.
    """

    def __init__(self, target: int, seed: int, chance: float) -> None:
        self._target, self._random, self.chance = target, Random(seed), chance
        self.spoiled = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Proxy":  # noqa: PYI034 - Self is not in Python 3.10
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fate = self._random.choice(["reset", "cut", "stall"]) if self._random.random() < self.chance else "none"
        self.spoiled += fate != "none"
        after = self._random.choice([1, 100, 400, 1_000, 5_000, 20_000])
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        side = self._random.random() < 0.5  # requests or answers
        pipes = [
            self._pipe(reader, far_writer, fate if side else "none", after, writer),
            self._pipe(far_reader, writer, "none" if side else fate, after, far_writer),
        ]
        await asyncio.gather(*pipes, return_exceptions=True)
        for one in (writer, far_writer):
            with suppress(OSError):
                one.close()

    async def _pipe(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fate: str, left: int,
        other: asyncio.StreamWriter,
    ) -> None:  # fmt: skip
        while data := await reader.read(65_536):
            if fate != "none" and len(data) >= left:
                writer.write(data[:left])
                with suppress(OSError):
                    await writer.drain()
                if fate != "stall":
                    for one in (writer, other):
                        one.transport.abort() if fate == "reset" else one.close()
                    return
                await asyncio.sleep(_STALL_S)
                data, fate = data[left:], "none"
            left -= len(data)
            writer.write(data)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()
