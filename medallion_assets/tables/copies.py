"""What lies beside the files of a Parquet table for those who begin at a folder, derived from its version alone.

``_metadata.json`` says what is in the folder, ``_checksums.json`` the SHA-256 of each file; paths are below the folder.
Nothing here ever reads them to decide anything.
"""

import json
from collections.abc import Iterator

from medallion_assets.plan.model import Model
from medallion_assets.tables.encoded import type_name
from medallion_assets.tables.versions import Version

__all__ = ["NAMES", "copies_of"]

NAMES = ("_checksums.json", "_metadata.json")
"""As they are written."""


def copies_of(version: Version, model: Model, folder: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of each, for the files of ``version`` that lie in ``folder``."""
    files = [file for file in version.files if file.folder == folder]
    listed = [
        {"path": file.path.removeprefix(f"{folder}/"), "bytes": file.bytes, "rows": file.rows, "sha256": file.sha256}
        for file in files
    ]
    written = max(file.version for file in files)
    yield NAMES[0], _text({"algorithm": "sha256", "version": written, "files": listed})
    metadata = {
        "version": written,
        "load_date": folder.partition("=")[2],
        "model": model,
        "rows": sum(file.rows for file in files),
        "partition_by": list(version.partition_by),
        "columns": [{"name": name, "type": type_name(dtype)} for name, dtype in version.columns.items()],
        "files": [file["path"] for file in listed],
    }
    yield NAMES[1], _text(metadata)


def _text(content: object) -> bytes:
    return json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n"
