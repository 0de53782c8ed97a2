"""Many rules asked about one frame: every one answered once, with counts and with the keys that fail."""

from dataclasses import replace

import narwhals as nw
import polars as pl

from medallion_assets.checks.verdict import Asked
from medallion_assets.intent.check import NotNull, Range, Unique
from medallion_assets.lake.results import CheckResult
from medallion_assets.runs.judge import Subject, answer, intervals, keys, rules

ROWS = pl.LazyFrame(
    {
        "id": [1, 2, 3, 4, 5, 6, 7, 8],
        "email": ["a", "b", "b", None, None, "c", "c", "d"],
        "age": [30, -1, 200, None, 5, 6, 7, 8],
        "is_current": [True, True, False, True, True, True, True, True],
    }
)


def asked(name: str) -> Asked:
    return Asked(name, "silver", "warn", blocking=False)


def subject(*, present: nw.Expr | None = None, within: tuple[str, ...] = ()) -> Subject:
    types = nw.from_native(ROWS).collect_schema()
    return Subject(ROWS, 8, types, shown=("id",), pii=frozenset({"email"}), present=present, within=within)


def test_every_rule_gets_one_verdict_with_counts_and_a_sample() -> None:
    about = subject()
    questions, unanswerable = rules(
        about,
        [
            (asked("filled"), NotNull(rule="not_null", columns=("id",))),
            (asked("age"), Range(rule="range", columns=("age",), min=0, max=150)),
            (asked("tolerant"), Range(rule="range", columns=("age",), min=0, max=150, threshold=0.25)),
            (asked("email"), Unique(rule="unique", columns=("email",))),
            (asked("gone"), NotNull(rule="not_null", columns=("gone",))),
        ],
    )
    verdicts = unanswerable | answer(about, questions)
    assert {name: verdict.passed for name, verdict in verdicts.items()} == {
        "filled": True,
        "age": False,
        "tolerant": True,
        "email": False,
        "gone": False,
    }
    assert verdicts["age"].facts == {
        "rows": 8,
        "failing": 2,
        "share": 0.25,
        "threshold": 0.0,
        "sample": "id=2, age=-1; id=3, age=200",
    }
    assert verdicts["email"].facts["failing"] == 4
    assert verdicts["email"].facts["repeated_keys"] == 2
    assert verdicts["email"].facts["sample"] == "email=***; email=***"


def test_unique_is_about_present_rows_and_inside_a_part_of_the_table() -> None:
    rule = [(asked("email"), Unique(rule="unique", columns=("email",)))]
    for about, failing in ((subject(present=nw.col("is_current")), 2), (subject(within=("is_current",)), 2)):
        questions, _ = rules(about, rule)
        assert answer(about, questions)["email"].facts["failing"] == failing


def test_keys_and_intervals_are_questions_like_rules() -> None:
    frame = pl.LazyFrame(
        {
            "k": ["a", "a", "b"],
            "effective_from": [1, 1, 3],
            "effective_to": [None, None, 3],
            "is_current": [True, True, False],
        }
    )
    about = Subject(frame, 3, nw.from_native(frame).collect_schema(), shown=("k",))
    verdicts = answer(
        about,
        [keys(about, asked("unique_keys"), ("k", "effective_from")), intervals(about, asked("intervals"), ("k",))],
    )
    assert verdicts["unique_keys"].facts["failing"] == 2
    assert verdicts["unique_keys"].facts["sample"] == "k=a, effective_from=1"
    assert verdicts["intervals"].facts["empty"] == 1
    assert verdicts["intervals"].facts["overlaps"] == 1
    assert "the model rules this out" in verdicts["intervals"].summary


def test_a_share_of_the_keys_at_a_time_gives_the_same_verdicts() -> None:
    at_once, by_shares = (replace(subject(), rows_at_once=rows) for rows in (100, 2))

    def verdicts(about: Subject) -> dict[str, CheckResult]:
        rule = (asked("email"), Unique(rule="unique", columns=("email",)))
        questions, _ = rules(about, [rule])
        return answer(about, [*questions, keys(about, asked("keys"), ("age",))])

    assert {n: v.facts["failing"] for n, v in verdicts(by_shares).items()} == {"email": 4, "keys": 0}
    assert {n: (v.passed, v.facts["failing"]) for n, v in verdicts(by_shares).items()} == {
        n: (v.passed, v.facts["failing"]) for n, v in verdicts(at_once).items()
    }


def test_a_frame_without_rows_keeps_every_rule() -> None:
    empty = ROWS.clear()
    about = Subject(empty, 0, nw.from_native(empty).collect_schema(), shown=("id",))
    questions, _ = rules(about, [(asked("filled"), NotNull(rule="not_null", columns=("email",)))])
    verdicts = answer(about, [*questions, keys(about, asked("unique_keys"), ("id",))])
    assert {name: v.passed for name, v in verdicts.items()} == {"filled": True, "unique_keys": True}
    assert answer(about, []) == {}
