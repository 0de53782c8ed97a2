"""The list of rules is one of this code: ``make mutants`` runs it."""

from pathlib import Path

import pytest

import medallion_assets
from medallion_assets_tests.mutants.rules import RULES, Rule


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.says)
def test_the_code_has_what_the_rule_breaks_once(rule: Rule) -> None:
    text = (Path(medallion_assets.__file__).parent / rule.file).read_text()
    assert text.count(rule.old) == 1
    assert rule.new != rule.old
