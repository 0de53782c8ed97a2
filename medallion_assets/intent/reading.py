"""What a source needs to be read, and what its request says."""

from collections.abc import Iterator

from pydantic_core import PydanticCustomError

from medallion_assets.intent.api import CursorPages, NextUrl, NoPages, Offset, Page, Parent, SessionTok
from medallion_assets.intent.cells import cells
from medallion_assets.intent.finding import Finding
from medallion_assets.intent.fixed_width import fixed_width_findings
from medallion_assets.intent.model import Intent
from medallion_assets.intent.plugin import PluginSource
from medallion_assets.intent.source import Api, Bronze, Database, Excel, File, FixedWidth, Kafka, Python, Source, Xml
from medallion_assets.intent.template import FIELDS, WINDOW_FIELDS, fields
from medallion_assets.intent.tree import Key
from medallion_assets.intent.xpath import xpath_steps

__all__ = ["reads_window", "request_texts", "source_findings"]


def source_findings(intent: Intent, source: Source) -> Iterator[Finding]:
    """What is wrong with ``source`` as a whole."""
    match source:
        case File():
            yield from _file(source)
        case Api():
            yield from _api(source)
        case Database():
            yield from _one_of({"connection": source.connection, "url": source.url})
            if source.table is not None and source.query is not None:
                yield Finding(
                    "INT-047", ("source", "query"), "Both `table` and `query` are given.", "Keep one of them."
                )
        case Kafka():
            yield from _one_of({"connection": source.connection, "brokers": source.brokers or None})
        case Python() | Bronze() | PluginSource():
            pass
    known = _known_fields(source)
    for path, text in request_texts(source):
        try:
            used = {field.name for field in fields(text, known)}
        except PydanticCustomError as error:
            yield Finding.of(error, ("source", *path))
            continue
        if "tenant" in used and not intent.tenants:
            yield Finding(
                "INT-037", ("source", *path), "`{tenant}` has no value here.", "List the tenants under `tenants`."
            )


def _one_of(given: dict[str, object]) -> Iterator[Finding]:
    """Exactly one of two keys."""
    names = " and ".join(f"`{name}`" for name in given)
    said = [name for name, value in given.items() if value is not None]
    if len(said) > 1:
        yield Finding("INT-047", ("source", said[-1]), f"Both {names} are given.", "Keep one of them.")
    if not said:
        first = next(iter(given))
        yield Finding(
            "INT-047", ("source",), f"Neither of {names} is given.", f"Add `{first}:` with its name in platform.yaml."
        )


def _file(source: File) -> Iterator[Finding]:
    if not source.path:
        yield Finding("INT-047", ("source", "path"), "The list of paths is empty.", "Write at least one path.")
    if isinstance(source.format, FixedWidth):
        yield from fixed_width_findings(source.format)
    if isinstance(source.format, Excel) and source.format.range is not None and cells(source.format.range) is None:
        yield Finding(
            "INT-010", ("source", "format", "range"), f"`{source.format.range}` is not a range of cells.",
            "Write it like `A3:F200`.",
        )  # fmt: skip
    if isinstance(source.format, Xml) and xpath_steps(source.format.records) is None:
        yield Finding(
            "INT-010", ("source", "format", "records"),
            f"`{source.format.records}` is not a path that can be followed while the document is read.",
            "Write names alone, like `/feed/entry` or `//entry`.",
        )  # fmt: skip


def _api(source: Api) -> Iterator[Finding]:
    yield from _one_of({"connection": source.connection, "base_url": source.base_url})
    pages = source.pagination
    if isinstance(pages, CursorPages):
        ways = [key for key in ("next", "next_header", "next_from_last") if getattr(pages, key) is not None]
        if len(ways) != 1:
            yield Finding(
                "INT-047",
                ("source", "pagination"),
                f"Cursor pages need exactly one of `next`, `next_header`, `next_from_last`, and have {len(ways)}.",
                "Say where the answer holds the next cursor.",
            )
    if isinstance(pages, Offset | Page | CursorPages) and pages.place == "body" and source.method != "POST":
        yield Finding(
            "INT-047", ("source", "pagination", "place"), "A GET has no body for the page's parameters.",
            "Set `method: POST`, or `place: query`.",
        )  # fmt: skip
    if source.parents is not None:
        yield from _parents(source.parents)
    yield from _expressions(source)


def _parents(parents: Parent) -> Iterator[Finding]:
    if (parents.dataset is None) is (parents.path is None):
        what = "Neither of `dataset` and `path` is" if parents.path is None else "Both `dataset` and `path` are"
        yield Finding(
            "INT-047", ("source", "parents"), f"{what} given.",
            "Say where the parents are: `dataset: system.table` of another intent, or the `path` of a request.",
        )  # fmt: skip
    paged = not isinstance(parents.pagination, NoPages)
    asked = {"records": parents.records is not None, "params": bool(parents.params), "pagination": paged}
    if parents.dataset is not None and parents.path is None:
        for name in (name for name, given in asked.items() if given):
            yield Finding(
                "INT-047", ("source", "parents", name), f"Rows of a dataset have no `{name}`.",
                "Leave it out, or ask for the parents with `path`.",
            )  # fmt: skip


def _expressions(source: Api) -> Iterator[Finding]:
    """Every JMESPath is one."""
    texts: list[tuple[tuple[Key, ...], str | None]] = [(("records",), source.records)]
    if isinstance(source.pagination, CursorPages | NextUrl):
        texts.append((("pagination", "next"), source.pagination.next))
    if isinstance(source.auth, SessionTok):
        texts.append((("auth", "token"), source.auth.token))
    if source.parents is not None:
        texts.append((("parents", "records"), source.parents.records))
    texts += [(("response_rules", index, "body"), rule.body) for index, rule in enumerate(source.response_rules)]
    for path, text in texts:
        if text is None:
            continue
        from jmespath import compile as compiled
        from jmespath.exceptions import JMESPathError

        try:
            compiled(text)
        except JMESPathError as error:
            reason = str(error).splitlines()[0].removeprefix("Invalid jmespath expression: ").rstrip(".:")
            yield Finding("INT-049", ("source", *path), f"`{text}` is not a JMESPath: {reason}.", "See jmespath.org.")


def request_texts(source: Source) -> Iterator[tuple[tuple[Key, ...], str]]:
    """Texts of a source that may hold template fields, with their paths below ``source``."""
    match source:
        case File():
            for index, path in enumerate(source.path):
                yield ("path", index), path
        case Api():
            yield ("path",), source.path
            for group, texts in (("params", source.params), ("headers", source.headers), ("body", source.body)):
                yield from _texts((group,), texts)
            if source.parents is not None:
                yield ("parents", "path"), source.parents.path or ""
                yield from _texts(("parents", "params"), source.parents.params)
        case Python():
            yield from _texts(("args",), source.args)
        case PluginSource():
            yield from _texts((), source.model_dump(exclude={"type", "retry", "timeout"}))
        case Kafka(topic=topic) if "{tenant}" in topic:  # the one field that a topic may have
            yield ("topic",), topic
        case Database() | Kafka() | Bronze():
            return


def _texts(path: tuple[Key, ...], value: object) -> Iterator[tuple[tuple[Key, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts((*path, str(key)), item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts((*path, index), item)


def reads_window(source: Source) -> bool:
    """Whether the request names the window: a template field, or ``:window_start`` in SQL."""
    if isinstance(source, Database):
        texts = (source.query or "", source.where or "")
        return any(f":window_{bound}" in text for text in texts for bound in ("start", "end"))
    known = _known_fields(source)
    return any(_names_window(text, known) for _, text in request_texts(source))


def _names_window(text: str, known: tuple[str, ...]) -> bool:
    try:
        return any(field.name in WINDOW_FIELDS for field in fields(text, known))
    except PydanticCustomError:  # said by source_findings
        return False


def _known_fields(source: Source) -> tuple[str, ...]:
    parents = source.parents.bind if isinstance(source, Api) and source.parents else {}
    return (*FIELDS, *parents)
