"""Every INT and PLT code, with the whole text that the owner reads.

``messages.txt`` holds the cases: ``### kind: title``, a file's text, ``---8<---`` and what is answered to it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from medallion_assets.codes import CODES
from medallion_assets.errors import InvalidProject
from medallion_assets.intent.parse import parse_platform, parse_project
from medallion_assets.intent.platform import Platform


@dataclass(frozen=True)
class Case:
    kind: str
    title: str
    text: str
    answer: str


def _cases() -> list[Case]:
    whole = Path(__file__).with_name("messages.txt").read_text(encoding="utf-8")
    found = re.findall(r"^### (\w+): ([^\n]+)\n(.*?)\n---8<---\n(.*?)\n*(?=^### |\Z)", whole, re.MULTILINE | re.DOTALL)
    return [Case(*parts) for parts in found]


CASES = _cases()


def _answer(case: Case) -> str:
    try:
        if case.kind == "platform":
            parse_platform(case.text + "\n")
            return ""
        intents = parse_project({"intents/orders.yaml": case.text + "\n"}, Platform())
    except InvalidProject as error:
        return str(error)
    return "\n\n".join(str(problem) for located in intents for problem in located.warnings)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.title}")
def test_answer(case: Case) -> None:
    assert _answer(case) == case.answer


def test_warnings_do_not_refuse_and_errors_do() -> None:
    assert {case.kind for case in CASES} == {"intent", "warning", "platform"}
    for case in CASES:
        if case.kind == "warning":
            assert len(parse_project({"intents/orders.yaml": case.text}, Platform())) == 1


def test_every_code_has_a_case() -> None:
    answered = {line[:7] for case in CASES for line in case.answer.splitlines()}
    assert {code for code in CODES if code.startswith(("INT-", "PLT-"))} - answered == set()


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (
            "system: re\x01tail\n",
            (
                "INT-001  intents/orders.yaml:1:11\n  The character U+0001 cannot stand in YAML.\n"
                "  Fix: remove it, or write it as an escape in double quotes."
            ),
        ),
        (
            "system: a\ntable: \ud800\n",
            (
                "INT-001  intents/orders.yaml:2:8\n  The character U+D800 cannot stand in YAML.\n"
                "  Fix: remove it, or write it as an escape in double quotes."
            ),
        ),
        (
            "a: " + "[" * 70 + "]" * 70,
            "INT-013  intents/orders.yaml:1:67\n  The nesting is deeper than 64 levels.\n  Fix: write it flatter.",
        ),
        (
            "- " * 300_000,
            "INT-013  intents/orders.yaml:1:129\n  The nesting is deeper than 64 levels.\n  Fix: write it flatter.",
        ),
        (
            "#" * (2**20 + 1),
            "INT-013  intents/orders.yaml:1:1\n  The file is larger than 1 MiB.\n  Fix: split it.",
        ),
    ],
    ids=["control character", "lone surrogate", "deep", "deep without end", "large"],
)
def test_odd_files(text: str, answer: str) -> None:
    with pytest.raises(InvalidProject) as caught:
        parse_project({"intents/orders.yaml": text}, Platform())
    assert str(caught.value) == answer


def test_alias_bomb() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(InvalidProject) as caught:
        parse_project({"intents/bomb.yaml": "\n".join(lines)}, Platform())
    assert str(caught.value) == (
        "INT-013  intents/bomb.yaml:5:55\n  The file stands for more than 100000 values or 64 levels.\n"
        "  Fix: use fewer aliases."
    )
