"""XML: elements as rows, their text as written, nothing resolved and nothing fetched."""

import io
import json
from contextlib import suppress
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.errors import ExtractionError
from medallion_assets.intent.source import Xml
from medallion_assets.intent.xpath import Step, xpath_steps
from medallion_assets.sources.files.xml import read_xml
from medallion_assets_tests.sources.reading import Got, gathered


def xml(text: str | bytes, records: str = "/r/x", **spec: object) -> Got:
    stream: io.BufferedReader = io.BufferedReader(io.BytesIO(text.encode() if isinstance(text, str) else text))
    form = Xml.model_validate({"type": "xml", "records": records, **spec})
    return gathered(list(read_xml(stream, form, name="a.xml", where="a.xml")))


def failing(text: str | bytes, records: str = "/r/x", code: str = "SRC-028") -> str:
    with pytest.raises(ExtractionError) as caught:
        xml(text, records)
    assert caught.value.code == code
    return str(caught.value)


def test_attributes_and_children_are_columns_with_their_text() -> None:
    got = xml('<r><x id="007"><n> 1.10 </n><t>a&amp;b &lt; é</t><e/></x><x><n>2</n><new><![CDATA[<y>]]></new></x></r>')
    assert got.rows.to_dicts() == [
        {"id": "007", "n": " 1.10 ", "t": "a&b < é", "e": "", "new": None},
        {"id": None, "n": "2", "t": None, "e": None, "new": "<y>"},
    ]


def test_nil_is_null_and_comments_are_nothing() -> None:
    nil = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    got = xml(f'<r {nil}><x><a xsi:nil="true"/><b xml:lang="en">y<!-- no -->z<?no?></b></x></r>')
    assert got.rows.to_dicts() == [{"a": None, "b": "yz"}]


NESTED = '<r><x><p id="1"><q>2</q><q>3</q></p><p><q/></p><w u="kg">5</w><m>a<b>c</b>d</m></x></r>'


def test_nested_elements_are_json() -> None:
    (row,) = xml(NESTED).rows.to_dicts()
    assert {name: json.loads(cell) for name, cell in row.items()} == {
        "p": [{"id": "1", "q": ["2", "3"]}, {"q": ""}],
        "w": {"u": "kg", "#text": "5"},
        "m": {"b": "c", "#text": "ad"},
    }


def test_nested_elements_become_columns() -> None:
    (row,) = xml(NESTED.replace("<p><q/></p>", ""), nested="flatten").rows.to_dicts()
    assert row == {"p_id": "1", "p_q": '["2", "3"]', "w_u": "kg", "w_#text": "5", "m_b": "c", "m_#text": "ad"}


def test_two_values_for_one_column_and_no_value_are_refused() -> None:
    got = xml('<r>\n<x id="1"><id>2</id></x>\n<x/>\n<x><id>3</id></x></r>')
    assert got.table == [("3",)]
    assert got.refusals == [("xml", 2, '<x id="1"><id>2</id></x>'), ("xml", 3, "<x/>")]
    assert [r.detail for r in got.refused] == ["two values for the column id", "an element without content"]


def test_text_alone() -> None:
    assert xml("<r><x>1</x><x>2</x></r>").rows.to_dicts() == [{"#text": "1"}, {"#text": "2"}]


FEED = (
    '<f:feed xmlns:f="urn:f" xmlns="urn:d"><f:entry><id>1</id><entry><id>in</id></entry></f:entry>'
    "<group><entry><id>2</id></entry></group><other><id>9</id></other></f:feed>"
)


@pytest.mark.parametrize(
    ("records", "ids"),
    [
        ("/feed/entry", ["1"]),
        ("feed/entry", ["1"]),
        ("//entry", ["1", "2"]),
        ("/feed//entry", ["1", "2"]),
        ("/feed/*/entry", ["in", "2"]),
        ("/f:feed/f:entry", ["1"]),
        ("//{urn:d}entry", ["in", "2"]),
        ("/*/group//entry", ["2"]),
        ("/feed/group | x", None),
        ("/feed/entry[1]", None),
        ("/feed/@id", None),
        ("//", None),
        ("/feed/..", None),
        ("", None),
    ],
)
def test_paths(records: str, ids: list[str] | None) -> None:
    if ids is None:
        assert not xpath_steps(records) or records == "/feed/.."
        return
    assert [row["id"] for row in xml(FEED, records).rows.to_dicts()] == ids


def test_steps() -> None:
    assert xpath_steps("/a//{urn:x}b/p:*") == (
        Step(False, "a"), Step(True, "b", "urn:x"), Step(False, "*", None, "p"),
    )  # fmt: skip


def test_a_path_that_leads_nowhere_is_no_empty_file() -> None:
    assert "no element is where `/r/y/x` leads" in failing("<r><x>1</x></r>", "/r/y/x")
    assert "leads" in failing("<r/>", "//x")
    assert "leads" in failing("<q/>", "/r/x")
    assert xml("<r/>").table == []
    assert xml("<r><list/></r>", "/r/list/x").table == []


@pytest.mark.parametrize(
    "text", ["", "<r><x>1</x>", "<r><x>1</r>", "plain", "<r>\n<x a=1/></r>", "<r/><r/>", "<r>\0</r>"]
)
def test_what_is_not_well_formed(text: str) -> None:
    failing(text)


def test_the_line_is_named() -> None:
    assert "a.xml:3" in failing("<r>\n<x>1</x>\n<x>2</y></r>")


@pytest.mark.parametrize(
    "entity",
    ['<!ENTITY e "v">', '<!ENTITY e SYSTEM "file:///etc/hostname">', '<!ENTITY % e SYSTEM "http://127.0.0.1:9/x"> %e;'],
)
def test_entities_are_never_resolved(entity: str) -> None:
    assert "entities" in failing(f"<!DOCTYPE r [{entity}]><r><x>&e;</x></r>") or "%e" in entity


def test_a_bomb_of_entities_is_refused_at_once() -> None:
    levels = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
    failing(f'<!DOCTYPE r [<!ENTITY e0 "x">{levels}]><r><x a="&e11;">&e11;</x></r>')


def test_a_document_type_without_entities_is_read_and_not_fetched() -> None:
    assert xml('<!DOCTYPE r SYSTEM "http://127.0.0.1:9/r.dtd"><r><x>1</x></r>').table == [("1",)]


def test_an_entity_that_only_the_document_type_knows() -> None:
    for record in ("<x>a&e;b</x>", '<x a="q&e;z">b</x>'):
        assert "Entity 'e' not defined" in failing(f'<!DOCTYPE r SYSTEM "http://127.0.0.1:9/r.dtd"><r>{record}</r>')


def test_depth_without_end() -> None:
    failing("<r>" + "<x>" * 5_000)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252"])
def test_encodings_are_told_by_the_document(encoding: str) -> None:
    text = f"<?xml version='1.0' encoding='{encoding}'?><r><x>größe</x></r>"
    assert xml(text.encode(encoding)).table == [("größe",)]


def test_bytes_of_another_encoding() -> None:
    failing(b"<?xml version='1.0' encoding='utf-8'?><r><x>gr\xf6\xdfe</x></r>")


def test_many_records_in_little_memory() -> None:
    class Source(io.RawIOBase):
        """10 MB that nobody holds."""

        def __init__(self) -> None:
            self._count = 0
            self._rest = b"<r>"

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            while len(self._rest) < len(buffer) and self._count < 50_000:
                self._count += 1
                self._rest += b"<y>no</y><x><n>%d</n><t>%s</t></x>" % (self._count, b"t" * 100)
            if self._count == 50_000 and not self._rest.endswith(b"</r>") and self._rest:
                self._rest += b"</r>"
            data, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
            buffer[: len(data)] = data
            return len(data)

    form = Xml.model_validate({"type": "xml", "records": "/r/x"})
    stream: io.BufferedReader = io.BufferedReader(Source())
    numbers: list[str] = []
    for batch in read_xml(stream, form, name="a", where="a"):
        assert batch.rows.height <= 10_000
        numbers += batch.rows["n"].to_list()
    assert numbers == [str(i + 1) for i in range(50_000)]


NAMES = st.sampled_from(["a", "b", "c"])
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cn", "Cs"]), min_size=1, max_size=8)
ROWS = st.lists(st.dictionaries(NAMES, TEXT, min_size=1), max_size=20)


@settings(max_examples=100, deadline=None)
@given(ROWS, st.booleans())
def test_what_is_written_is_read(rows: list[dict[str, str]], attributes: bool) -> None:
    def record(row: dict[str, str]) -> str:
        if attributes:
            return "<x " + " ".join(f"{name}={quoteattr(text)}" for name, text in row.items()) + "/>"
        return "<x>" + "".join(f"<{name}>{escape(text)}</{name}>" for name, text in row.items()) + "</x>"

    got = xml("<r>" + "\n".join(map(record, rows)) + "</r>")
    assert [{k: v for k, v in row.items() if v is not None} for row in got.rows.to_dicts()] == rows


WHOLE = b'<r><x id="1"><a>text</a><b c="d">e</b></x><x><a>&lt;</a></x></r>'


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=0, max_size=2))
def test_damage_is_an_error_of_ours_or_another_document(at: int, instead: bytes) -> None:
    with suppress(ExtractionError):
        xml(WHOLE[:at] + instead + WHOLE[at + 1 :])
