"""Whole verdicts: what passed, how severe, the sentence and the numbers."""

from medallion_assets.checks.drift import Change
from medallion_assets.checks.verdict import Asked, accounted, counted, drifted, failed, intact, sample, unjudged
from medallion_assets.lake.results import CheckResult

ASKED = Asked(name="not_null_a", at="silver", severity="error", blocking=False)


def test_a_rule_that_all_rows_keep() -> None:
    assert counted(ASKED, rows=12_000, failing=0, must_be="a is not null") == CheckResult(
        name="not_null_a",
        at="silver",
        passed=True,
        severity="error",
        summary="12,000 rows, all with: a is not null.",
        facts={"rows": 12_000, "failing": 0, "share": 0.0, "threshold": 0.0},
    )


def test_a_broken_rule_shows_the_first_keys_and_the_fix() -> None:
    verdict = counted(ASKED, rows=10, failing=2, must_be="a is not null", shown="id=1; id=2")
    assert not verdict.passed
    assert verdict.summary == (
        "2 of 10 rows break the rule: a is not null. First: id=1; id=2."
        " Fix: correct these rows where they come from and load the partition again."
    )
    assert verdict.facts == {"rows": 10, "failing": 2, "share": 0.2, "threshold": 0.0, "sample": "id=1; id=2"}


def test_a_threshold_is_a_share_that_is_still_tolerated() -> None:
    at_limit = counted(ASKED, rows=100, failing=1, must_be="a is not null", threshold=0.01)
    assert at_limit.passed
    assert at_limit.summary == "1 of 100 rows breaks the rule: a is not null. A share of 0.01 is tolerated."
    assert not counted(ASKED, rows=100, failing=2, must_be="a is not null", threshold=0.01).passed
    assert counted(ASKED, rows=0, failing=0, must_be="a is not null").passed


def test_a_partition_blocking_and_severity_are_carried() -> None:
    asked = Asked(name="checksum", at="bronze", severity="error", blocking=True, partition="2024-01-01")
    verdict = failed(asked, "a part is missing.", {"faults": 1})
    assert verdict == CheckResult(
        name="checksum",
        at="bronze",
        passed=False,
        severity="error",
        summary="a part is missing.",
        partition="2024-01-01",
        blocking=True,
        facts={"faults": 1},
    )


def test_a_rule_on_a_column_that_is_not_there_never_passes() -> None:
    verdict = unjudged(ASKED, "b", ["a", "c"])
    assert not verdict.passed
    assert verdict.summary.startswith("there is no column `b`; there are a, c. Fix: ")


def test_intact_bytes_and_parts_that_are_not() -> None:
    good = intact(ASKED, (), parts=2, rows=10, bytes=99, refused=3)
    assert good.passed
    assert good.summary == "2 parts with 10 rows are the bytes that were committed; 3 refused rows are in quarantine."
    assert good.facts == {"parts": 2, "rows": 10, "bytes": 99, "refused": 3, "faults": 0}
    bad = intact(ASKED, [f"part {n} is gone" for n in range(6)], parts=6, rows=10, bytes=99, refused=0)
    assert not bad.passed
    assert bad.facts["faults"] == 6
    assert bad.summary.startswith("part 0 is gone; part 1 is gone; ")
    assert " and 1 more. Fix: " in bad.summary


def test_the_account_says_its_equation_or_what_is_wrong_with_it() -> None:
    good = accounted(ASKED, (), {"rows_in": 3}, "3 rows = 2 events + 1 duplicate.")
    assert (good.passed, good.summary, good.facts) == (True, "3 rows = 2 events + 1 duplicate.", {"rows_in": 3})
    bad = accounted(ASKED, ("one is lost", "two are new"), {}, "…")
    assert not bad.passed
    assert bad.summary.startswith("rows are not accounted for: one is lost; two are new. Fix: ")


def test_drift_fails_unless_the_schema_mode_takes_it_and_is_shown_in_both() -> None:
    changes = [Change(f"c{n}", "previous", None, "Int64", "2024-01-02") for n in range(7)]
    strict = drifted(ASKED, changes, columns=9, tolerated=False)
    taken = drifted(ASKED, changes, columns=9, tolerated=True)
    assert (strict.passed, taken.passed) == (False, True)
    assert strict.facts == taken.facts
    assert strict.facts["changes"] == 7
    assert strict.facts["change_1"] == "`c0` is new (Int64; not in the previous partition), first in 2024-01-02"
    assert " and 2 more. Fix: " in strict.summary
    assert "Fix" not in taken.summary
    assert drifted(ASKED, (), columns=9, tolerated=False).passed


def test_a_sample_masks_personal_values_and_shortens_long_ones() -> None:
    long: dict[str, object] = {"id": "x" * 100, "email": ""}
    keys: list[dict[str, object]] = [{"id": 1, "email": "a@example.com"}, {"id": None, "email": None}, *[long] * 9]
    shown = sample(keys, frozenset({"email"}))
    assert shown.startswith("id=1, email=***; id=null, email=***; id=" + "x" * 80 + "…, email=***; ")
    assert shown.count(";") == 4
    assert "example.com" not in shown
