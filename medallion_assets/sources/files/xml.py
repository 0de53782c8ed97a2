"""XML as rows of text: an element that ``records`` finds is a row, its attributes and children are the columns.

An element with text alone is that text, as written; an element with attributes or children of its own is JSON, or
columns by their joined names; one that stands several times is a JSON list. Names are those without the namespace.
"""

import io
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

from medallion_assets.errors import ExtractionError
from medallion_assets.intent.source import Xml
from medallion_assets.intent.xpath import Step, xpath_steps
from medallion_assets.lake.ports import Batch, Refused
from medallion_assets.sources.files.json_rows import Columns
from medallion_assets.sources.files.markup import elements, forget, local

if TYPE_CHECKING:
    from lxml import etree

__all__ = ["read_xml"]

Value: TypeAlias = "str | dict[str, Value] | list[Value] | None"
_BATCH_ROWS = 10_000
_BATCH_CHARACTERS = 8 << 20
_RECORD_ELEMENTS = 1_000_000
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_NO_COLUMN = ("{http://www.w3.org/2001/XMLSchema-instance}", "{http://www.w3.org/XML/1998/namespace}")
_TEXT = "#text"


def read_xml(stream: io.BufferedReader, spec: Xml, *, name: str, where: str) -> Iterator[Batch]:
    """Batches of the elements that ``records`` finds, in the order of the document.

    Raises ExtractionError SRC-028: not well-formed, cut, entities of its own, no element where ``records`` leads;
    SRC-016: more than 20,000 columns; ConfigError SRC-026 without the extra.
    """
    reader = _Reader(spec, name, where)
    columns = Columns(where)
    rows: list[dict[str, str | None]] = []
    refused: list[Refused] = []
    size = 0
    for element in reader.records(stream):
        row = reader.row(element)
        if isinstance(row, Refused):
            refused.append(row)
            size += len(row.raw)
        else:
            rows.append(row)
            size += sum(len(cell) for cell in row.values() if cell is not None)
        if len(rows) + len(refused) == _BATCH_ROWS or size > _BATCH_CHARACTERS:
            yield Batch(columns.frame(rows), tuple(refused))
            rows, refused, size = [], [], 0
    yield Batch(columns.frame(rows), tuple(refused))


class _Reader:
    def __init__(self, spec: Xml, name: str, where: str) -> None:
        self._steps = xpath_steps(spec.records) or ()  # one that is none does not validate
        self._spec, self._name, self._where = spec, name, where

    def records(self, stream: io.BufferedReader) -> "Iterator[etree._Element]":
        """Each element that is a row, once it has ended; let go of after that. Those inside another are part of it."""
        last = len(self._steps)
        reached: list[frozenset[int]] = [frozenset({0})]  # for each open element, how many steps lead to it
        inside = found = 0
        led_there = False
        record: etree._Element | None = None
        for event, element in elements(stream, self._where, self._broken):
            if event == "start":
                if inside:
                    inside += 1
                    if inside > _RECORD_ELEMENTS:
                        raise self._broken("one record has more than 1,000,000 elements", None)
                    continue
                steps = self._next(reached[-1], element)
                reached.append(steps)
                led_there = led_there or last - 1 in steps
                inside = int(last in steps)
                record = element
            elif not inside or element is record:
                reached.pop()
                if inside:
                    found += 1
                    yield element
                inside = 0
                forget(element)
        if not found and (self._steps[-1].deep or not (led_there or last == 1)):
            raise self._broken(f"no element is where `{self._spec.records}` leads", None)

    def _next(self, reached: frozenset[int], element: "etree._Element") -> frozenset[int]:
        steps: set[int] = set()
        for index in reached:
            if index == len(self._steps):
                continue
            step = self._steps[index]
            if step.deep:
                steps.add(index)
            if _is(element, step):
                steps.add(index + 1)
        return frozenset(steps)

    def row(self, element: "etree._Element") -> dict[str, str | None] | Refused:
        """Cells by column, or why there are none."""
        value = _value(element)
        cells: dict[str, str | None] = {}
        if not isinstance(value, dict):
            value = {_TEXT: value} if value else {}
        problem = "" if value else "an element without content"
        for name, cell in self._cells(value):
            if name in cells:
                problem = f"two values for the column {name}"
            cells[name] = cell
        if not problem:
            return cells
        from lxml import etree

        raw = etree.tostring(element, encoding="unicode", with_tail=False)
        return Refused("xml", problem, self._name, element.sourceline or 0, raw)

    def _cells(self, members: "dict[str, Value]", prefix: str = "") -> Iterator[tuple[str, str | None]]:
        for name, value in members.items():
            column = prefix + name.removeprefix("@")
            if isinstance(value, dict) and value and self._spec.nested == "flatten":
                yield from self._cells(value, f"{column}_")
            else:
                yield column, value if value is None or isinstance(value, str) else _json(value)

    def _broken(self, what: str, line: int | None) -> ExtractionError:
        return ExtractionError(
            "SRC-028",
            f"The XML document cannot be read: {what}.",
            where=self._where if line is None else f"{self._where}:{line}",
            fix="Correct source.format.records, or deliver the document again.",
        )


def _is(element: "etree._Element", step: Step) -> bool:
    if step.name not in ("*", local(element)):
        return False
    if step.prefix is not None:
        return bool(element.prefix == step.prefix)
    return step.namespace is None or str(element.tag).startswith(f"{{{step.namespace}}}") or (
        step.namespace == "" and "{" not in str(element.tag)
    )  # fmt: skip


def _value(element: "etree._Element") -> Value:
    """Text, or members: attributes under ``@name``, children, text beside them under ``#text``. None: nil."""
    if element.get(_NIL) in ("true", "1"):
        return None
    members: dict[str, Value] = {}
    for key, given in element.attrib.items():
        if not str(key).startswith(_NO_COLUMN):
            members[f"@{str(key).rpartition('}')[2]}"] = str(given)
    text = element.text or ""
    lists: set[str] = set()
    for child in element:
        text += child.tail or ""
        name, value = local(child), _value(child)
        if name not in members:
            members[name] = value
            continue
        held = members[name]
        if name in lists and isinstance(held, list):
            held.append(value)
        else:
            members[name] = [held, value]
            lists.add(name)
    if not members:
        return text
    if text.strip():
        members[_TEXT] = text
    return members


def _json(value: Value) -> str:
    return json.dumps(_without_signs(value), ensure_ascii=False)


def _without_signs(value: Value) -> Value:
    """Attributes under their plain names, where no child has the same."""
    match value:
        case dict():
            plain = {name: name.removeprefix("@") for name in value}
            return {
                name if name != short and short in value else short: _without_signs(value[name])
                for name, short in plain.items()
            }
        case list():
            return [_without_signs(item) for item in value]
    return value
