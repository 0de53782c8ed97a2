"""Stored bytes: compression by first bytes, damage that is found, change that is noticed, facts that are exact."""

import bz2
import gzip
import os
from pathlib import Path

import pytest
import zstandard
from xxhash import xxh3_128_hexdigest

from medallion_assets.errors import ExtractionError
from medallion_assets.intent.source import File
from medallion_assets.lake.ports import Request
from medallion_assets.sources.files.local import LocalFiles
from medallion_assets.sources.files.source import FileSource
from medallion_assets_tests.sources.reading import day, read

BODY = b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(50_000))
ROWS = [(str(i), str(i * i)) for i in range(50_000)]


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def failing(root: Path, data: bytes, code: str, **form: object) -> str:
    (root / "a.csv").write_bytes(data)
    with pytest.raises(ExtractionError) as caught:
        read(root, "a.csv", **form)  # type: ignore[arg-type]
    assert caught.value.code == code
    return str(caught.value)


PACKS = [gzip.compress, zstd, bz2.compress]


@pytest.mark.parametrize("pack", [bytes, *PACKS])
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.csv.zst", "a.csv.bz2"])
def test_compression_is_known_by_the_first_bytes(tmp_path: Path, pack: type[bytes], name: str) -> None:
    (tmp_path / name).write_bytes(pack(BODY))
    assert read(tmp_path, name).table == ROWS


@pytest.mark.parametrize("pack", PACKS)
def test_members_follow_one_another(tmp_path: Path, pack: type[bytes]) -> None:
    (tmp_path / "a.csv").write_bytes(pack(BODY[:1000]) + pack(b"") + pack(BODY[1000:]))
    assert read(tmp_path, "a.csv").table == ROWS


def test_zeros_after_gzip_fill_a_block(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(gzip.compress(BODY) + bytes(5000))
    assert read(tmp_path, "a.csv").table == ROWS


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_stream_that_is_cut(tmp_path: Path, pack: type[bytes], share: float) -> None:
    packed = pack(BODY)
    assert "stops in the middle" in failing(tmp_path, packed[: int(len(packed) * share)], "SRC-007")


@pytest.mark.parametrize("pack", PACKS)
def test_a_stream_cut_by_one_byte(tmp_path: Path, pack: type[bytes]) -> None:
    failing(tmp_path, pack(BODY)[:-1], "SRC-007")


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("more", [b"x", b"garbage behind it", b"\x1f", b"\0\0\0x"])
def test_other_bytes_after_the_end(tmp_path: Path, pack: type[bytes], more: bytes) -> None:
    assert "follow its end" in failing(tmp_path, pack(BODY) + more, "SRC-007")


@pytest.mark.parametrize("pack", PACKS)
def test_a_flipped_bit_is_found_by_the_checksum(tmp_path: Path, pack: type[bytes]) -> None:
    for at in (-3, -4, 20_000, 40_000):
        packed = bytearray(pack(BODY))
        packed[at] ^= 4
        failing(tmp_path, bytes(packed), "SRC-007")


def test_a_wrong_claim_of_compression(tmp_path: Path) -> None:
    failing(tmp_path, BODY, "SRC-007", compression="gzip")
    failing(tmp_path, BODY, "SRC-007", compression="zstd")
    failing(tmp_path, BODY, "SRC-007", compression="bz2")
    failing(tmp_path, BODY, "SRC-007", compression="zip")


def test_text_that_begins_like_bz2_is_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("BZh9,b\n1,2\n")
    assert read(tmp_path, "a.csv").rows.to_dicts() == [{"BZh9": "1", "b": "2"}]


def test_a_bomb_is_stopped(tmp_path: Path) -> None:
    line = (b"a" * 65_535 + b"\n") * 16
    packer = zstandard.ZstdCompressor(level=3).compressobj()
    packed = b"".join(packer.compress(line) for _ in range(300)) + packer.flush()
    assert "more than 400 times" in failing(tmp_path, packed, "SRC-008")


def test_a_bomb_of_bz2_is_stopped(tmp_path: Path) -> None:
    packer = bz2.BZ2Compressor()
    line = (b"a" * 65_535 + b"\n") * 16
    packed = b"".join(packer.compress(line) for _ in range(300)) + packer.flush()
    assert "more than 400 times" in failing(tmp_path, packed, "SRC-008")


def test_facts_are_of_the_bytes_as_stored(tmp_path: Path) -> None:
    packed = gzip.compress(BODY)
    path = tmp_path / "a.csv.gz"
    path.write_bytes(packed)
    os.utime(path, ns=(0, 1_700_000_000_123_456_789))
    (fact,) = read(tmp_path, "*.gz").files
    assert (fact.path, fact.bytes, fact.rows) == ("a.csv.gz", len(packed), 50_000)
    assert fact.modified == "2023-11-14T22:13:20.123456789Z"
    assert fact.hash == f"xxh3_128:{xxh3_128_hexdigest(packed)}"


def source(root: Path) -> FileSource:
    return FileSource(File.model_validate({"type": "file", "path": "*.csv"}), LocalFiles(root), "UTC", True, str)


def changed_while_reading(root: Path, change: object) -> ExtractionError:
    (root / "a.csv").write_bytes(BODY)
    (root / "b.csv").write_bytes(BODY)
    with pytest.raises(ExtractionError) as caught, source(root).read(Request(day())) as reading:  # noqa: PT012
        for _ in reading:
            change()  # type: ignore[operator]
    assert caught.value.code in ("SRC-005", "SRC-006")
    return caught.value


def test_a_file_that_grows_while_it_is_read(tmp_path: Path) -> None:
    def grow() -> None:
        with (tmp_path / "a.csv").open("ab") as file:
            file.write(b"1,2\n")

    assert "changed while it was read" in str(changed_while_reading(tmp_path, grow))


def test_a_file_written_to_in_place(tmp_path: Path) -> None:
    error = changed_while_reading(tmp_path, lambda: os.utime(tmp_path / "a.csv", ns=(1, 1)))
    assert "written to" in str(error)


def test_a_file_that_is_replaced_or_removed(tmp_path: Path) -> None:
    def replace() -> None:
        (tmp_path / "new").write_bytes(BODY + b"1,2\n")
        (tmp_path / "new").replace(tmp_path / "a.csv")

    assert changed_while_reading(tmp_path, replace).code == "SRC-006"
    assert "gone" in str(changed_while_reading(tmp_path, lambda: (tmp_path / "a.csv").unlink(missing_ok=True)))


def test_a_file_deleted_between_list_and_read(tmp_path: Path) -> None:
    error = changed_while_reading(tmp_path, lambda: (tmp_path / "b.csv").unlink(missing_ok=True))
    assert error.code == "SRC-005"
    assert "gone" in str(error)


def test_nothing_stays_open_after_a_failure(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(gzip.compress(BODY)[:1000])
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(ExtractionError):
        read(tmp_path, "a.csv")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
