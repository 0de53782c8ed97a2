"""Zip files: the members that are wanted, whole or not at all."""

import gzip
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.errors import ExtractionError
from medallion_assets_tests.sources.reading import read

BODY = b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(50_000))


def write(path: Path, members: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def failing(root: Path, code: str, **options: object) -> str:
    with pytest.raises(ExtractionError) as caught:
        read(root, "a.zip", **options)  # type: ignore[arg-type]
    assert caught.value.code == code
    return str(caught.value)


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_are_read_by_name(tmp_path: Path, kind: int) -> None:
    write(
        tmp_path / "a.zip", {"z.csv": b"a,b\n3,4\n", "in/a.csv": BODY, "in/": b"", "__MACOSX/x": b"!", ".x": b"!"}, kind
    )
    got = read(tmp_path, "a.zip")
    assert got.table == [*((str(i), str(i * i)) for i in range(50_000)), ("3", "4")]
    assert [(fact.path, fact.rows) for fact in got.files] == [("a.zip", 50_001)]


def test_member_says_which(tmp_path: Path) -> None:
    write(
        tmp_path / "a.zip",
        {"a.csv": b"x\n1\n", "b/c.csv": b"x\n2\n", "readme.txt": b"no, table\n\n", ".d.csv": b"x\n3\n"},
    )
    assert read(tmp_path, "a.zip", member="*.csv").table == [("3",), ("1",), ("2",)]
    assert read(tmp_path, "a.zip", member="a.csv").table == [("1",)]
    assert read(tmp_path, "a.zip", member="readme.*", type="csv", header=False).rows.shape == (1, 2)


def test_no_member_matches(tmp_path: Path) -> None:
    write(tmp_path / "a.zip", {f"{i}.csv": b"x\n1\n" for i in range(9)})
    said = failing(tmp_path, "SRC-024", member="*.tsv")
    assert "No member of the zip matches *.tsv: it holds 0.csv, 1.csv, 2.csv, 3.csv, 4.csv and 4 more." in said
    write(tmp_path / "a.zip", {})
    assert "it holds nothing" in failing(tmp_path, "SRC-024")


def test_a_member_of_what_is_no_zip(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(BODY)
    assert "this file is none" in failing(tmp_path, "SRC-024", member="*.csv", type="csv")


def test_a_refused_row_names_its_member(tmp_path: Path) -> None:
    write(tmp_path / "a.zip", {"in/x.csv": b"a,b\n1,2\n3\n"})
    (refused,) = read(tmp_path, "a.zip").refused
    assert (refused.file, refused.line, refused.raw) == ("a.zip/in/x.csv", 3, "3")


def test_a_member_may_be_compressed_itself(tmp_path: Path) -> None:
    write(tmp_path / "a.zip", {"a.csv.gz": gzip.compress(b"x\n1\n"), "b.csv": b"x\n2\n"}, zipfile.ZIP_STORED)
    assert read(tmp_path, "a.zip").table == [("1",), ("2",)]


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.zip", {"a.csv": b"x\n1\n"}, zipfile.ZIP_STORED)
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    assert "it is encrypted" in failing(tmp_path, "SRC-024")


def test_an_unknown_method_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.zip", {"a.csv": b"x\n1\n"}, zipfile.ZIP_STORED)
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[8] = data[data.index(b"PK\x01\x02") + 10] = 98
    (tmp_path / "a.zip").write_bytes(data)
    assert "cannot be read" in failing(tmp_path, "SRC-024")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.csv", "w") as member,
    ):
        for _ in range(257):
            member.write(bytes(1 << 20))
    assert "more than 400 times" in failing(tmp_path, "SRC-008")


@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
def test_a_cut_zip(tmp_path: Path, share: float) -> None:
    write(tmp_path / "a.zip", {"a.csv": BODY})
    data = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(data[: int(len(data) * share)])
    failing(tmp_path, "SRC-007")


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 7), st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
def test_a_flipped_bit_never_changes_a_row(
    tmp_path_factory: pytest.TempPathFactory, at: int, bit: int, kind: int
) -> None:
    """It gives an error, or, where it stands in what means nothing to a reader, the same rows."""
    root = tmp_path_factory.mktemp("zip")
    body = BODY[:2_000].rpartition(b"\n")[0]
    write(root / "a.zip", {"a.csv": body}, kind)
    data = bytearray((root / "a.zip").read_bytes())
    data[at % len(data)] ^= 1 << bit
    (root / "a.zip").write_bytes(data)
    got = None
    with suppress(ExtractionError):
        got = read(root, "a.zip", compression="zip", type="csv")
    if got is not None:
        assert (got.table, got.refused) == ([(str(i), str(i * i)) for i in range(len(got.table))], ())
        assert len(got.table) == body.count(b"\n")
