"""Content codings undone in bounded steps."""

import zlib
from collections.abc import Iterator
from http.client import HTTPException

__all__ = ["Inflate"]

_STEP = 1 << 18
_GZIP = b"\x1f\x8b"


class Inflate:
    """Decodes one body. A gzip file that is sent as it is (an export) is decoded, too."""

    def __init__(self, coding: str) -> None:
        self._coding = coding.strip().lower()

    def through(self, arriving: Iterator[bytes]) -> Iterator[bytes]:
        """Pieces of at most 256 KiB where decoded. Raises HTTPException for a damaged, cut or unknown coding."""
        if self._coding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise HTTPException(f"the coding {self._coding}")
        first = next(arriving, b"")
        while first and len(first) < 2 and (more := next(arriving, b"")):
            first += more
        if not first:
            return
        if first.startswith(_GZIP):
            yield from _inflate(first, arriving, 31)
        elif self._coding == "deflate":  # zlib's form, or the bare one that some servers send
            yield from _inflate(first, arriving, 15 if first[0] & 0x0F == 8 else -15)
        elif self._coding in ("gzip", "x-gzip"):
            raise HTTPException("not gzip")
        else:
            yield first
            yield from arriving


def _inflate(first: bytes, arriving: Iterator[bytes], kind: int) -> Iterator[bytes]:
    one, data = zlib.decompressobj(kind), first
    while True:
        try:
            out = one.decompress(data, _STEP)
        except zlib.error as error:
            raise HTTPException(f"damaged {error}") from None
        if out:
            yield out
        data = one.unconsumed_tail
        if one.eof:
            data = one.unused_data or next(arriving, b"")
            if not data:
                return
            one = zlib.decompressobj(kind)
        elif not data and len(out) < _STEP:
            data = next(arriving, b"")
            if not data:
                raise HTTPException("cut")
