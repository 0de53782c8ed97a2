"""What a version of a Parquet table is, and the object that says so: ``_commits/<version, 20 digits>.json``."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256

import polars as pl

from medallion_assets.errors import Corrupt
from medallion_assets.lake.ports import TableState
from medallion_assets.tables.encoded import decoded, polars_type, type_name

__all__ = ["DataFile", "Version", "decode", "encode"]


@dataclass(frozen=True, slots=True)
class DataFile:
    """Some rows of a version."""

    path: str
    """Below the table."""
    rows: int
    bytes: int
    sha256: str
    version: int
    """The one that it was written for; later ones may have it, too."""

    @property
    def folder(self) -> str:
        """Its ``load_date=…``."""
        return self.path.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Version:
    """Rows and what they say of themselves."""

    n: int
    columns: Mapping[str, pl.DataType]
    partition_by: tuple[str, ...]
    files: tuple[DataFile, ...]
    state: TableState
    writer: str
    """Of this object, so that no two writers make the same one."""


def encode(version: Version) -> bytes:
    """With a hash of its own: readers give wrong values for a flipped bit and no error."""
    document = {
        "version": version.n,
        "writer": version.writer,
        "rows": sum(file.rows for file in version.files),
        "columns": [{"name": name, "type": type_name(dtype)} for name, dtype in version.columns.items()],
        "partition_by": list(version.partition_by),
        "files": [asdict(file) for file in version.files],
        "state": asdict(version.state),
    }
    return _text({**document, "sha256": sha256(_text(document)).hexdigest()})


def decode(raw: bytes, where: str) -> Version:
    """Raises Corrupt SLV-015 when it is not as it was written."""
    try:
        document = json.loads(raw)
    except ValueError:
        document = None
    told = document.pop("sha256", None) if isinstance(document, dict) else None
    if not isinstance(document, dict) or sha256(_text(document)).hexdigest() != told:
        raise Corrupt(
            "SLV-015", "This is not what was committed.", where=where,
            fix="restore the object, or delete it and run again: the version before it is the newest then.",
        )  # fmt: skip
    return Version(
        document["version"],
        {column["name"]: polars_type(column["type"]) for column in document["columns"]},
        tuple(document["partition_by"]),
        tuple(DataFile(**file) for file in document["files"]),
        decoded(json.dumps(document["state"])),
        document["writer"],
    )


def _text(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False).encode()
