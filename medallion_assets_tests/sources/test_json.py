"""JSON as text: every token as it is written, every record that is none refused."""

import io
import json
from pathlib import Path
from typing import Literal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.errors import ConfigError, ExtractionError
from medallion_assets.sources.files.json import read_json, read_json_lines
from medallion_assets_tests.sources.reading import Got, gathered, read


def lines(text: str | bytes, nested: Literal["json", "flatten"] = "json") -> Got:
    return gathered(list(read_json_lines(_stream(text), name="a.jsonl", where="a.jsonl", nested=nested)))


def document(text: str | bytes, records: str | None = None, nested: Literal["json", "flatten"] = "json") -> Got:
    return gathered(list(read_json(_stream(text), name="a.json", where="a.json", nested=nested, records=records)))


def _stream(text: str | bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(text.encode() if isinstance(text, str) else text))


def failing(code: str, text: str | bytes, records: str | None = None) -> str:
    with pytest.raises(ExtractionError) as caught:
        document(text, records)
    assert caught.value.code == code
    return str(caught.value)


TOKENS = (
    '{"a": 1.10, "b": 1e5, "c": 9223372036854775808, "d": true, "e": false, "f": null, "g": "1\\u00e9\\n\\"", "h": ""}'
)
VALUES = ("1.10", "1e5", "9223372036854775808", "true", "false", None, '1é\n"', "")


def test_tokens_stay_as_written() -> None:
    assert lines(TOKENS).table == [VALUES]
    assert document(f"[{TOKENS}]").table == [VALUES]
    assert document(f'{{"x": {{"y": [{TOKENS}]}}}}', "x.y").table == [VALUES]
    assert document(f'{{"x": {{"y": [{TOKENS}]}}}}', "x.y[*]").table == [VALUES]
    assert document(f'{{"x": {{"y": [{TOKENS}]}}}}', "x.y[?d] | [0:9]").table == [VALUES]


def test_nested_values_are_their_own_text() -> None:
    text = '{"a": {"x":  [1.0, {"y": "z"}]}, "b": [ ], "c": "{}"}'
    assert lines(text).table == [('{"x":  [1.0, {"y": "z"}]}', "[ ]", "{}")]
    assert document(f'{{"r": [{text}]}}', "r[?b]").table == []
    assert document(f'{{"r": [{text}]}}', "r[?a]").table == [('{"x": [1.0, {"y": "z"}]}', "[]", "{}")]


def test_nested_values_become_columns() -> None:
    got = lines('{"a": {"x": 1, "y": {"z": [1]}}, "b": {}}\n{"a": null}', nested="flatten")
    assert got.rows.to_dicts() == [
        {"a_x": "1", "a_y_z": "[1]", "b": "{}", "a": None},
        {"a_x": None, "a_y_z": None, "b": None, "a": None},
    ]
    clash = lines('{"a": {"x": 1}, "a_x": 2}', nested="flatten")
    assert [(r.reason, r.detail) for r in clash.refused] == [("json", "two values for the column a_x")]


def test_missing_members_are_null_and_columns_keep_their_first_order() -> None:
    got = lines('{"b": 1}\n{"a": 2, "b": 3}\n')
    assert got.rows.columns == ["b", "a"]
    assert got.table == [("1", None), ("3", "2")]


BAD = [
    '{"a": NaN}',
    '{"a": Infinity}',
    '{"a": 1',
    "[1]",
    "5",
    '"x"',
    "null",
    "{}",
    '{"a": "\\ud800"}',
    "{'a': 1}",
    "][",
]


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_line_is_refused_with_its_text(bad: str) -> None:
    got = lines(f'{{"a": 1}}\n\n{bad}\n{{"a": 2}}')
    assert got.table == [("1",), ("2",)]
    assert got.refusals == [("json", 3, bad)]


def test_what_is_wrong_is_said() -> None:
    assert lines("[1]").refused[0].detail == "not an object"
    assert "malformed" in lines("{'a': 1}").refused[0].detail


def test_bytes_that_are_not_utf8_are_refused() -> None:
    assert lines(b'{"a": "\xff"}\n{"a": "b"}\n').refusals == [("json", 1, '{"a": "\\xff"}')]


def test_nesting_without_end_is_refused() -> None:
    deep = '{"a":' * 100_000 + "1" + "}" * 100_000
    assert len(lines(deep).refused) == 1
    assert len(document(f"[{deep}]").refused) == 1


@pytest.mark.parametrize("bad", ['{"a": NaN}', "[1]", "5", '"x, ]"', "null", "{}", '{"a" 1}', ""])
def test_a_bad_element_is_refused_with_its_line(bad: str) -> None:
    got = document(f'[{{"a": 1}},\n {bad},\n{{"a": "]"}}]')
    assert got.table == [("1",), ("]",)]
    assert [(reason, raw) for reason, _, raw in got.refusals] == [("json", bad)]
    assert got.refused[0].line == 2 if bad else True


def test_empty_lists_and_files() -> None:
    assert document(" [ ] \n").rows.shape == (0, 0)
    failing("SRC-009", "")
    failing("SRC-009", " \n ")
    failing("SRC-009", "", "a.b")
    with pytest.raises(ExtractionError) as caught:
        lines("\n\n")
    assert caught.value.code == "SRC-009"


def test_no_line_says_that_nothing_changed() -> None:
    stream = _stream("")
    got = gathered(list(read_json_lines(stream, name="a.jsonl", where="a.jsonl", changes=True)))
    assert got.rows.shape == (0, 0)


@pytest.mark.parametrize("cut", ['[{"a": 1}', '[{"a": 1', '[{"a": "x', "[", '[{"a": 1},'])
def test_a_list_that_is_cut(cut: str) -> None:
    assert "cut" in failing("SRC-014", cut)


def test_documents_that_are_no_list() -> None:
    assert "source.format.records" in failing("SRC-014", '{"a": [1]}')
    assert "follows" in failing("SRC-014", '[{"a": 1}] {"a": 2}')
    assert "a.json:2" in failing("SRC-014", '[{"a": 1},\n{"a": ]}]')
    for records in ("x", "a", "a.b", "a[?b]", "sum(a)"):
        failing("SRC-014", '{"a": 1}', records)
    failing("SRC-014", '{"a": [1}', "a")
    failing("SRC-014", '{"a": [NaN]}', "a[?b]")


def test_a_list_at_the_top_can_be_searched() -> None:
    assert document('[{"a": 1}, {"a": 2}]', "[?a > `1`]").table == [("2",)]


def test_not_a_jmespath() -> None:
    with pytest.raises(ConfigError) as caught:
        document("{}", "a[")
    assert caught.value.code == "SRC-019"


def test_too_large_for_records() -> None:
    failing("SRC-015", b" " * (256 << 20) + b"{}", "a")


def test_a_map_is_not_a_table() -> None:
    with pytest.raises(ExtractionError) as caught:
        lines("\n".join(f'{{"k{i}": 1}}' for i in range(20_001)))
    assert caught.value.code == "SRC-016"


def test_lines_and_elements_longer_than_64_mib() -> None:
    with pytest.raises(ExtractionError) as caught:
        lines(b'{"a": 1}\n{"a": "' + b"x" * (70 << 20) + b'"}\n')
    assert caught.value.code == "SRC-013"
    assert "a.jsonl:2" in str(caught.value)
    assert "64 MiB" in failing("SRC-014", b'[{"a": "' + b"x" * (80 << 20) + b'"}]')


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from(["a", "b", 'c"', "d,]"]), json_values, min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(st.lists(objects, max_size=6), st.sampled_from([None, 1]), st.booleans())
def test_what_the_json_module_writes_comes_back(rows: list[dict[str, object]], indent: int | None, ascii: bool) -> None:
    got = document(json.dumps(rows, indent=indent, ensure_ascii=ascii))
    assert got.refused == ()
    expected = [{name: _text(row.get(name), indent, ascii) for name in got.rows.columns} for row in rows]
    assert [_reread(row) for row in got.rows.to_dicts()] == [_reread(row) for row in expected]
    text = "\n".join(json.dumps(row, ensure_ascii=ascii) for row in rows)
    if rows:
        assert lines(text).rows.to_dicts() == [
            {name: _text(row.get(name), None, ascii) for name in got.rows.columns} for row in rows
        ]


def _text(value: object, indent: int | None, ascii: bool) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, indent=indent, ensure_ascii=ascii)


def _reread(row: dict[str, str | None]) -> dict[str, object]:
    """Nested text without its white space."""
    return {k: json.loads(v) if v is not None and v[:1] in "[{" and _is_json(v) else v for k, v in row.items()}


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_a_list_longer_than_a_block_is_streamed(tmp_path: Path) -> None:
    rows = [{"id": i, "text": "x" * (i % 300), "list": [i, "]}"]} for i in range(60_000)]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    got = read(tmp_path, "a.json")
    expected = pl.DataFrame(
        {
            "id": [str(r["id"]) for r in rows],
            "text": [r["text"] for r in rows],
            "list": [json.dumps(r["list"]) for r in rows],
        }
    )
    assert got.rows.equals(expected)


def test_auto_tells_lines_from_a_document(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": 1}\n{"a": 2}\n')
    assert read(tmp_path, "a.json").table == [("1",), ("2",)]
    (tmp_path / "b.ndjson").write_text('{"a": 1}\n')
    assert read(tmp_path, "b.ndjson").table == [("1",)]
    (tmp_path / "c.json").write_text('{"a": [{"b": 1}]}\n')
    with pytest.raises(ExtractionError, match="not a list"):
        read(tmp_path, "c.json")


def test_encodings_and_marks(tmp_path: Path) -> None:
    for encoding in ("utf-8-sig", "utf-16", "latin-1"):
        (tmp_path / "a.json").write_bytes('[{"ä": "ö"}]'.encode(encoding))
        got = read(tmp_path, "a.json", type="json", encoding=encoding)
        assert got.rows.to_dicts() == [{"ä": "ö"}]
