"""Bytes of a text file as UTF-8: byte order marks removed, other encodings turned into UTF-8 while reading.

UTF-8 itself is passed on unread: the formats find bad bytes and can say in which row.
"""

import codecs
import io
from typing import TYPE_CHECKING

from medallion_assets.errors import ConfigError, ExtractionError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["as_utf8"]

_CHUNK = 1 << 18
_OTHER_MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def as_utf8(stream: io.BufferedReader, encoding: str, where: str) -> io.BufferedReader:
    """``stream`` in UTF-8 without a mark.

    Raises ConfigError SRC-011 for an unknown encoding, ExtractionError SRC-011
    when the first bytes are the mark of another encoding, or (while reading) for bytes that are not ``encoding``.
    """
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise ConfigError(
            "SRC-011",
            f"'{encoding}' is not an encoding that Python knows.",
            where=where,
            fix="Set source.format.encoding to utf-8, utf-16, latin-1, cp1252, …",
        ) from None
    if name not in ("utf-8", "utf-8-sig"):
        return io.BufferedReader(_Transcoded(stream, name, where), _CHUNK)
    start = stream.peek(4)[:4]
    for mark, other in _OTHER_MARKS:
        if start.startswith(mark):
            raise ExtractionError(
                "SRC-011",
                f"The file begins with the mark of {other.upper()}, and {encoding} is expected.",
                where=f"{where}:1",
                fix=f"Set source.format.encoding to {other}.",
            )
    if start.startswith(codecs.BOM_UTF8):
        stream.read(3)
    return stream


class _Transcoded(io.RawIOBase):
    def __init__(self, stream: io.BufferedReader, encoding: str, where: str) -> None:
        super().__init__()
        self._stream, self._encoding, self._where = stream, encoding, where
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._line = 1
        self._first = True
        self._output = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        while not self._output and not self._ended:
            self._output = memoryview(self._next())
        view = memoryview(buffer).cast("B")
        n = min(len(view), len(self._output))
        view[:n] = self._output[:n]
        self._output = self._output[n:]
        return n

    def _next(self) -> bytes:
        data = self._stream.read(_CHUNK)
        self._ended = not data
        try:
            text = self._decoder.decode(data, final=not data)
            if self._first and text:
                text, self._first = text.removeprefix("\ufeff"), False
            out = text.encode()
        except UnicodeError as error:
            raise self._wrong(error) from error
        self._line += out.count(b"\n")
        return out

    def _wrong(self, error: UnicodeError) -> ExtractionError:
        line, what = self._line, str(error)
        if isinstance(error, UnicodeDecodeError):
            good = bytes(error.object[: error.start]).decode(self._encoding, "ignore")
            line += good.count("\n")
            what = f"the bytes {error.object[error.start : error.end].hex(' ')} ({error.reason})"
        return ExtractionError(
            "SRC-011",
            f"This is not {self._encoding}: {what}.",
            where=f"{self._where}:{line}",
            fix="Set source.format.encoding to the encoding of the file.",
        )
