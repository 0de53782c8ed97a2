"""References become values at the moment of use, within the policy, and nowhere else."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.errors import ConfigError
from medallion_assets.intent.platform import Policy
from medallion_assets.secrets.resolve import Resolver, read_env_file


def resolver(root: Path = Path(), allow: tuple[str, ...] | None = None, **env: str) -> Resolver:
    return Resolver(Policy(env_allow=allow), env, {"FROM_FILE": "f", "BOTH": "file"}, root)


def test_an_environment_variable_wins_over_the_env_file() -> None:
    found = resolver(BOTH="env", TOKEN="t0k3n")
    assert found.text("Bearer ${env:TOKEN}") == "Bearer t0k3n"
    assert found.text("${env:BOTH}/${env:FROM_FILE}") == "env/f"
    assert found.given == {"t0k3n", "env", "f"}


def test_a_default_stands_for_a_variable_that_is_not_set() -> None:
    assert resolver().text("${env:NOBODY:-a:-b}") == "a:-b"
    assert resolver().text("${env:NOBODY:-}") == ""
    assert resolver(NOBODY="").text("${env:NOBODY:-x}") == ""


def test_two_dollars_stand_for_the_characters() -> None:
    assert resolver(X="y").text("$${env:X} costs 5$ ${env:X}") == "${env:X} costs 5$ y"


def test_values_are_not_read_again_for_references() -> None:
    assert resolver(A="${env:B}", B="secret").text("${env:A}") == "${env:B}"


def test_a_value_inside_a_url_is_percent_encoded() -> None:
    found = resolver(PW="p@ss/w:rd", URL="https://u:p@h/x")
    assert found.text("postgresql://me:${env:PW}@db/app") == "postgresql://me:p%40ss%2Fw%3Ard@db/app"
    assert found.text("${env:URL}") == "https://u:p@h/x"
    assert found.text("${env:URL}/more") == "https://u:p@h/x/more"


@given(st.text().filter(lambda t: "${" not in t))
def test_text_without_references_is_left_alone(text: str) -> None:
    assert resolver().text(text) == text


def test_a_secret_file_is_read_below_the_project_without_its_last_newline(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n\n")
    assert resolver(tmp_path).text("${secret:file:token}") == "s3cret\n"
    assert resolver().text(f"${{secret:file:{tmp_path}/token}}") == "s3cret\n"


@pytest.mark.parametrize(
    ("reference", "code", "says"),
    [
        ("${TOKEN}", "PLN-020", "is not a reference"),
        ("${env:}", "PLN-020", "is not a reference"),
        ("${env:A B}", "PLN-020", "is not a reference"),
        ("${secret:file:}", "PLN-020", "is not a reference"),
        ("${secret:vault:x}", "PLN-020", "is not a reference"),
        ("${env:MISSING}", "PLN-021", "MISSING is not set"),
        ("${secret:file:absent}", "PLN-021", "No such file"),
        ("${env:HOME}", "PLN-022", "HOME"),
        ("${env:HOME:-x}", "PLN-022", "HOME"),
        ("${secret:aws:erp#url}", "PLN-023", "AWS Secrets Manager"),
        ("${secret:azure:kv/name}", "PLN-023", "Azure Key Vault"),
        ("${secret:gcp:p/name}", "PLN-023", "Google Secret Manager"),
    ],
)
def test_what_cannot_be_resolved_says_so(reference: str, code: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        resolver(tmp_path, ("MISSING", "A*")).text(reference)
    assert (caught.value.code, says in str(caught.value)) == (code, True)


def test_a_secret_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not text in UTF-8"):
        resolver(tmp_path).text("${secret:file:blob}")


def test_the_allow_list_takes_patterns_and_looks_at_case() -> None:
    found = resolver(allow=("CRM_*",), CRM_TOKEN="t")
    assert found.text("${env:CRM_TOKEN}") == "t"
    with pytest.raises(ConfigError, match="PLN-022"):
        found.text("${env:crm_token}")


def test_an_env_file_is_read_line_by_line() -> None:
    text = '# a comment\nA=1\nexport B = two words \nC=\'#quoted\'\nD="x=y"\n\nnot a line\nE=\n F="\n'
    assert read_env_file(text) == {"A": "1", "B": "two words", "C": "#quoted", "D": "x=y", "E": "", "F": '"'}
