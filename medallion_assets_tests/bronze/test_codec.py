import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from hashlib import sha256

import pytest

from medallion_assets.bronze.codec import decode, encode, encode_note
from medallion_assets.bronze.decide import ZERO
from medallion_assets.errors import Corrupt, StorageError
from medallion_assets.lake.manifest import Approval, Commit, Expunge, Note, Part, Rewrite
from medallion_assets.lake.window import Window
from medallion_assets_tests.bronze.loads import PATH, days, load_of

LOAD = replace(
    load_of(days(1), files=("a.csv", "ü.csv")),
    quarantine=Part("q", 1, 2, 3, "e" * 64),
    cursor_before="1",
    cursor_after="2",
    replaces=(3, 4),
)


def test_a_commit_survives_the_way_to_bytes_and_back() -> None:
    raw = encode(7, "a" * 64, LOAD, PATH)
    commit = decode(raw, "here")
    assert isinstance(commit, Commit)
    assert (commit.n, commit.previous, commit.load) == (7, "a" * 64, LOAD)
    assert commit.sha256 == sha256(raw).hexdigest()


def test_it_is_one_line_of_json_that_says_what_it_is() -> None:
    raw = encode(7, "a" * 64, LOAD, PATH)
    assert raw.count(b"\n") == 1
    found = json.loads(raw)
    assert found["format"] == 1
    assert found["commit"]["kind"] == "load"
    assert found["commit"]["run_key"] == (
        "system=retail/table=orders/full/2024-01-01T00:00:00+00:00/2024-01-02T00:00:00+00:00"
    )
    assert next(iter(found["commit"]["load"]["source"]["files"][1].items())) == ("path", "ü.csv")


def test_the_same_record_gives_the_same_bytes() -> None:
    east = timezone(timedelta(hours=5))
    other = replace(
        LOAD,
        window=Window(LOAD.window.start.astimezone(east), LOAD.window.end.astimezone(east)),
        started_at=LOAD.started_at.astimezone(east),
        source=replace(LOAD.source, facts={"z": "1", "b": "2"}),
    )
    same = replace(LOAD, source=replace(LOAD.source, facts={"b": "2", "z": "1"}))
    assert encode(7, ZERO, other, PATH) == encode(7, ZERO, same, PATH)


def test_any_one_flipped_bit_is_found() -> None:
    raw = bytearray(encode(1, ZERO, load_of(days(1)), PATH))
    for i in range(len(raw)):
        raw[i] ^= 1 << (i % 8)
        with pytest.raises(StorageError) as caught:
            decode(bytes(raw), "commit 1")
        assert caught.value.code in {"BRZ-001", "BRZ-002"}
        assert "commit 1" in str(caught.value)
        raw[i] ^= 1 << (i % 8)


@pytest.mark.parametrize("keep", [0, 1, 20, 21, 100, -1, -2, -70])
def test_a_truncated_commit_is_found(keep: int) -> None:
    with pytest.raises(Corrupt) as caught:
        decode(encode(1, ZERO, LOAD, PATH)[:keep], "there")
    assert caught.value.code == "BRZ-001"


def test_another_format_says_so() -> None:
    raw = encode(1, ZERO, LOAD, PATH).replace(b'{"format":1,', b'{"format":2,')
    with pytest.raises(StorageError, match="has format 2, this version reads 1") as caught:
        decode(raw, "there")
    assert caught.value.code == "BRZ-002"


def test_another_kind_of_commit_says_so() -> None:
    body = b'{"kind":"secession","n":1,"previous":"","held":4}'
    raw = b'{"format":1,"commit":' + body + b',"sha256":"' + sha256(body).hexdigest().encode() + b'"}\n'
    with pytest.raises(StorageError) as caught:
        decode(raw, "there")
    assert caught.value.code == "BRZ-002"


def test_a_name_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(StorageError) as caught:
        encode(1, ZERO, load_of(days(1), files=("a\udc80.csv",)), PATH)
    assert caught.value.code == "BRZ-009"
    assert "\\udc80" in str(caught.value)


def test_an_instant_without_a_zone_is_a_bug() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        encode(1, ZERO, replace(LOAD, started_at=datetime(2024, 1, 1)), PATH)  # noqa: DTZ001 - on purpose


def test_an_approval_survives_the_way_to_bytes_and_back() -> None:
    east = timezone(timedelta(hours=5))
    approval = Approval((4, 7), "run", datetime(2024, 1, 1, tzinfo=timezone.utc), "0.1.0")
    raw = encode_note(8, "a" * 64, replace(approval, at=approval.at.astimezone(east)), PATH)
    assert decode(raw, "here") == Note(8, "a" * 64, approval, sha256(raw).hexdigest())
    assert raw == encode_note(8, "a" * 64, approval, PATH)
    assert json.loads(raw)["commit"] == {
        "kind": "approval",
        "n": 8,
        "previous": "a" * 64,
        "dataset": "system=retail/table=orders",
        "act": {"commits": [4, 7], "run_id": "run", "at": "2024-01-01T00:00:00Z", "code_version": "0.1.0"},
    }


def test_an_expunge_survives_the_way_to_bytes_and_back_and_names_no_key() -> None:
    part = Part("pattern=full/dt=2024-01-01/part-00002-new.parquet", 2, 3, 4, "f" * 64)
    act = Expunge((Rewrite(4, (part,), 3),), ("a", "b"), 7, "run", datetime(2024, 1, 1, tzinfo=timezone.utc), "0.1.0")
    raw = encode_note(8, "a" * 64, act, PATH)
    assert decode(raw, "here") == Note(8, "a" * 64, act, sha256(raw).hexdigest())
    assert json.loads(raw)["commit"]["kind"] == "expunge"
