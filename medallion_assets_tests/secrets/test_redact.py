"""No secret value in a text that leaves, however it is written there."""

import base64
import json
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.errors import InvalidProject, MedallionError, Problem, SourceUnavailable
from medallion_assets.secrets.redact import scrub, scrub_error

SECRET = 'p@ss "w0rd"/ü'


def test_every_spelling_of_a_value_is_taken_out() -> None:
    spelled = [SECRET, quote(SECRET, safe=""), base64.b64encode(SECRET.encode()).decode(), json.dumps(SECRET)]
    text = " | ".join(spelled)
    assert scrub(text, [SECRET]) == '*** | *** | *** | "***"'


def test_a_long_value_goes_before_a_short_one_that_it_holds() -> None:
    assert scrub("token-abcd and token", ["token", "token-abcd"]) == "*** and ***"


def test_values_shorter_than_four_characters_stay() -> None:
    assert scrub("1 of 10 in dev", ["1", "dev"]) == "1 of 10 in dev"


@given(st.lists(st.text(min_size=4, max_size=12), max_size=4), st.text(max_size=30))
def test_nothing_is_left(values: list[str], text: str) -> None:
    clean = scrub(text + "".join(values), values)
    assert all(value not in clean or value in "***" * len(text) for value in values if "*" not in value)


def test_an_error_keeps_its_kind_and_loses_the_value() -> None:
    error = SourceUnavailable("PLN-021", f"refused {SECRET}.", where=f"at {SECRET}", fix=f"try {SECRET}")
    clean = scrub_error(error, [SECRET])
    assert type(clean) is SourceUnavailable
    assert str(clean) == "PLN-021  at ***\n  refused ***.\n  Fix: try ***"
    assert SECRET not in repr(clean.args)


def test_an_error_without_a_value_is_the_same_object() -> None:
    error = MedallionError("PLN-021", "nothing here.")
    assert scrub_error(error, [SECRET]) is error


def test_all_problems_of_a_project_are_cleaned() -> None:
    error = InvalidProject([Problem("PLN-020", SECRET), Problem("PLN-021", "fine."), Problem("PLN-021", SECRET)])
    assert str(scrub_error(error, [SECRET])) == "PLN-020\n  ***\n\nPLN-021\n  fine.\n\nPLN-021\n  ***"
