"""YAML 1.2 core, and nothing that any text can do raises anything else than InvalidProject."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.errors import InvalidProject
from medallion_assets.intent.base import thaw
from medallion_assets.intent.parse import documents, parse_platform, parse_project
from medallion_assets.intent.platform import Platform
from medallion_assets.intent.tree import to_data

EXAMPLES = [path.read_text(encoding="utf-8") for path in sorted((Path(__file__).parent / "examples").glob("*.yaml"))]
PIECES = st.sampled_from(
    [
        *[
            "system: a\n",
            "table: b\n",
            "source: ",
            "{type: file, path: x}\n",
            "load: ",
            "full\n",
            "silver: ",
            "model: ",
        ],
        *[
            "- ",
            "  ",
            "\n",
            "{",
            "}",
            "[",
            "]",
            ": ",
            ", ",
            "&a ",
            "*a ",
            "null",
            "true",
            "1.5",
            "e5",
            "'",
            '"',
            "#",
            "|\n",
        ],
        *[
            "---\n",
            "? ",
            "\\d",
            "!x ",
            "scd_type_1",
            "keys: ",
            "extends: ",
            "_b.yaml\n",
            "checks: ",
            "rule: ",
            "columns: ",
        ],
        *[
            "decimal(18,2)",
            "partitions: ",
            "cadence: ",
            "ignore_nulls: ",
            "entity_kind: ",
            "state",
            "${env:A}",
            "{run_date}",
        ],
    ]
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("007", "007"),
        ("2024-01-31", "2024-01-31"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("0o17", "0o17"),
        ("NO", "NO"),
        ("on", "on"),
        (".inf", ".inf"),
        ("e5", "e5"),
        ("1e999", "1e999"),
        ("9" * 5000, "9" * 5000),
        ("-12", -12),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        ("TRUE", True),
        ("~", None),
        ("Null", None),
        ("", None),
        ('"1"', "1"),
        ("'null'", "null"),
        ("|-\n  5", "5"),
    ],
)
def test_core_scalars(text: str, value: object) -> None:
    (node,) = documents("x.yaml", f"key: {text}\n")
    data = thaw(to_data(node))
    assert isinstance(data, dict)
    assert (data["key"], type(data["key"])) == (value, type(value))


def test_text_keeps_its_characters() -> None:
    values = "[1.50, True, 007, 0x1F, 1_000, NO, 2022-11-28, '']"
    (located,) = parse_project(
        {
            "a.yaml": "system: 2024\ntable: t\nsource: {type: file, path: x}\n"
            f"silver: {{model: event, normalize: {{null_values: {values}}}}}\n"
        },
        Platform(),
    )
    assert located.intent.system == "2024"
    assert located.intent.silver[0].normalize.null_values == (
        "1.50", "True", "007", "0x1F", "1_000", "NO", "2022-11-28", "",
    )  # fmt: skip


def _survives(text: str) -> None:
    with suppress(InvalidProject):
        parse_project({"intents/a.yaml": text, "intents/_b.yaml": text}, Platform())
    with suppress(InvalidProject):
        parse_platform(text)


@given(st.text())
def test_any_text(text: str) -> None:
    _survives(text)


@given(st.lists(PIECES, max_size=25))
def test_any_pieces(pieces: list[str]) -> None:
    _survives("".join(pieces))


@given(st.sampled_from(EXAMPLES), st.data())
def test_any_damaged_example(text: str, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 12)))
        text = text[:start] + data.draw(st.one_of(PIECES, st.text(max_size=3))) + text[end:]
    _survives(text)


SCALARS = st.sampled_from(
    ["null", "true", "0", "-1", "1.5", "x", "''", "[]", "{}", "[x]", "{x: y}", "[null]", "[[x]]", "{x: null}"]
)


@given(st.sampled_from(EXAMPLES), st.data())
def test_any_value_anywhere(text: str, data: st.DataObject) -> None:
    """A value of another kind in place of any value of an example."""
    import re

    places = [found.end() for found in re.finditer(r": ", text)]
    start = data.draw(st.sampled_from(places))
    end = next((n for n in range(start, len(text)) if text[n] in ",}\n]"), len(text))
    _survives(text[:start] + data.draw(SCALARS) + text[end:])
