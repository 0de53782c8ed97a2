"""The records of one answer: JSON, JSON Lines or CSV, text kept as text."""

import codecs
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import msgspec
from xxhash import xxh3_128_digest

from medallion_assets.errors import ExtractionError
from medallion_assets.intent.source import Csv
from medallion_assets.lake.ports import Batch
from medallion_assets.sources.api.calls import Answer, Body, shown_url
from medallion_assets.sources.api.pages import Seen
from medallion_assets.sources.api.wire import Broken
from medallion_assets.sources.files.json import Nested, elements_at, find_text, read_json, read_json_lines
from medallion_assets.sources.files.json_rows import FAILURES, Element, Rows

__all__ = ["Page", "Reader", "nothing"]

_CHARSET = re.compile(r'charset\s*=\s*"?([^\s;"]+)', re.IGNORECASE)
_LINES = ("ndjson", "jsonl", "json-lines", "jsonlines", "x-json-stream")


@dataclass
class Page:
    """An answer that was read: its batches once, then what a flow of pages may know of it."""

    answer: Answer
    form: str
    elements: list[bytes] | None
    """Texts of the records of JSON held in memory; None: read as a stream."""
    rows: int = 0

    def seen(self) -> Seen:
        """After the last batch."""
        body, where = self.answer.body, shown_url(self.answer.url)
        last = self.elements[-1] if self.elements else b"null"
        content = body.data() if body.small else b""
        marked = content if self.elements is None else b"\0".join(self.elements)
        return Seen(
            rows=self.rows,
            digest=xxh3_128_digest(marked) if marked else body.digest,
            url=self.answer.url,
            headers=self.answer.headers,
            find=lambda path: find_text(_all(body), path, where) if body.bytes else None,
            last=lambda path: find_text(last, path, where),
        )

    def close(self) -> None:
        self.answer.body.close()


def nothing(url: str) -> Page:
    """The page of an answer that a rule skips."""
    return Page(Answer(204, {}, Body(), url, 0), "json", [])


@dataclass(frozen=True)
class Reader:
    """Answers of one source into pages, and pages into batches. ``name`` stands where a file's name would."""

    form: str
    records: str | None
    rows: Rows
    nested: Nested

    def page(self, answer: Answer) -> Page:
        """Judge an answer as far as it is held in memory.

        Raises Broken; ExtractionError SRC-058, ConfigError SRC-019.
        """
        form = self._form(answer)
        body = answer.body
        if answer.status == 204:
            return Page(answer, form, [])
        if body.bytes == 0:
            raise Broken("an empty answer, which is not JSON" if form == "json" else "an empty answer")
        if not body.small:
            return Page(answer, form, None)
        _utf8(answer)
        if form == "json":
            return Page(answer, form, self._elements(body.data(), shown_url(answer.url)))
        if answer.unbounded:
            raise Broken("lines without a length, a chunked coding or gzip: a cut would not be seen")
        return Page(answer, form, None)

    def batches(self, page: Page) -> Iterator[Batch]:
        """The rows of a page, counted."""
        for batch in self._read(page):
            page.rows += batch.rows.height + len(batch.refused)
            if batch.rows.height or batch.refused:
                yield batch

    def _read(self, page: Page) -> Iterator[Batch]:
        where = name = shown_url(page.answer.url)
        if page.elements is not None:
            yield self.rows.batch(Element(text, 1) for text in page.elements)
            return
        with page.answer.body.stream() as stream:
            match page.form:
                case "csv":
                    from medallion_assets.sources.files.csv import read_csv

                    yield from read_csv(stream, Csv(type="csv"), name=name, where=where)
                case "jsonl":
                    yield from read_json_lines(stream, name=name, where=where, nested=self.nested, changes=True)
                case _:
                    yield from read_json(stream, name=name, where=where, nested=self.nested, records=self.records)

    def _form(self, answer: Answer) -> str:
        kind = answer.headers.get("content-type", "").lower().partition(";")[0]
        if self.form != "auto":
            return self.form
        if any(word in kind for word in _LINES):
            return "jsonl"
        if "html" in kind:
            raise Broken("a page for people (HTML)")
        return "csv" if kind.endswith("/csv") else "json"

    def _elements(self, document: bytes, where: str) -> list[bytes]:
        if self.records is None:
            with suppress(*FAILURES):
                return [bytes(element) for element in msgspec.json.decode(document, type=list[msgspec.Raw])]
        else:
            try:
                return elements_at(document, where, self.records)
            except ExtractionError as error:
                if error.code != "SRC-014":
                    raise
        try:
            msgspec.json.decode(document)
        except FAILURES as error:
            raise Broken(f"this is not JSON: {error}") from None
        what = "The answer is not a list" if self.records is None else f"`{self.records}` finds no list in the answer"
        raise ExtractionError(
            "SRC-058",
            f"{what}, so it is not known whether there are rows.",
            where=where,
            fix="Say where the records are with source.records; where an answer without them means that there are "
            "none, write a JMESPath such as `data.items || `[]``.",
        )


def _all(body: Body) -> bytes:
    if body.small:
        return body.data()
    with body.stream() as stream:
        return stream.read()


def _utf8(answer: Answer) -> None:
    """Other character sets become UTF-8, and its mark goes."""
    named = _CHARSET.search(answer.headers.get("content-type", ""))
    data = answer.body.data()
    try:
        charset = codecs.lookup(named[1]).name if named else "utf-8"
        text = data.decode("utf-8" if charset == "ascii" else charset)
        if charset not in ("utf-8", "ascii"):
            data = text.encode()
    except (LookupError, UnicodeDecodeError):
        raise Broken(f"bytes that are not {named[1] if named else 'UTF-8'}") from None
    data = data.removeprefix(codecs.BOM_UTF8)
    if data != answer.body.data():
        answer.body.replace(data)
