import sys
from pathlib import Path

import pytest

from medallion_assets.errors import ConfigError, StorageError
from medallion_assets.stores.open import open_store
from medallion_assets_tests.services.objects import S3Server
from medallion_assets_tests.stores.conftest import SPEC


def test_a_relative_root_is_below_the_project(tmp_path: Path) -> None:
    store = open_store("lake", SPEC.validate_python({"type": "local", "root": "./lake"}), tmp_path)
    assert store.url("a") == str(tmp_path / "lake" / "a")
    assert not (tmp_path / "lake").exists()


def test_an_absolute_root_and_a_reference(tmp_path: Path) -> None:
    local = SPEC.validate_python({"type": "local", "root": "${env:LAKE}"})
    store = open_store("lake", local, Path("/elsewhere"), resolve=lambda _: str(tmp_path / "x"))
    assert store.url("a") == str(tmp_path / "x" / "a")


@pytest.mark.parametrize(
    ("spec", "url"),
    [
        ({"type": "s3", "bucket": "b", "prefix": "/p/q/"}, "s3://b/p/q/a"),
        ({"type": "azure", "account": "a", "container": "c"}, "az://c/a"),
        ({"type": "azure", "account": "a", "container": "c", "credential": "managed_identity"}, "az://c/a"),
        ({"type": "azure", "account": "a", "container": "c", "credential": "sas", "sas": "?sv=1&sig=x"}, "az://c/a"),
    ],
)
def test_opening_a_service_contacts_nothing(spec: dict[str, object], url: str, tmp_path: Path) -> None:
    assert open_store("far", SPEC.validate_python(spec), tmp_path).url("a") == url


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "s3", "bucket": "b", "access_key": "k"},
        {"type": "azure", "account": "a", "container": "c", "credential": "key"},
        {"type": "azure", "account": "a", "container": "c", "credential": "sas"},
    ],
)
def test_half_a_credential_is_refused(spec: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"STO-020[\s\S]*stores.far"):
        open_store("far", SPEC.validate_python(spec), tmp_path)


@pytest.mark.parametrize(
    ("spec", "extra"),
    [({"type": "s3", "bucket": "b"}, "aws"), ({"type": "azure", "account": "a", "container": "c"}, "azure")],
)
def test_a_missing_extra_is_named(
    spec: dict[str, object], extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(ConfigError, match=rf"STO-019[\s\S]*medallion-assets\[{extra}\]"):
        open_store("far", SPEC.validate_python(spec), tmp_path)


def test_two_accounts_in_one_process_do_not_mix(moto: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Not with each other, nor with what the environment says."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:1" if name == "AWS_ENDPOINT_URL" else "wrong")
    one = open_store("one", SPEC.validate_python({**moto, "prefix": "one", "access_key": "first"}), Path())
    two = open_store("two", SPEC.validate_python({**moto, "prefix": "two", "access_key": "second"}), Path())
    one.put("x", b"1")
    two.put("x", b"2")
    assert (one.get("x"), two.get("x")) == (b"1", b"2")
    assert [s.options["aws_access_key_id"] for s in (one, two)] == ["first", "second"]


@pytest.mark.service
def test_a_signature_of_another_secret_is_refused(s3_server: S3Server) -> None:
    wrong = {**s3_server.store(), "secret_key": "another-secret"}
    with pytest.raises(StorageError, match="STO-014") as caught:
        open_store("far", SPEC.validate_python(wrong), Path()).put("x", b"1")
    assert "another-secret" not in str(caught.value)
