"""What the UI shows of an asset and of each of its materialisations. Quantities are numbers: they are plotted."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import dagster as dg

from medallion_assets.lake.manifest import Commit, Head
from medallion_assets.lake.results import Ingested, Refined
from medallion_assets.plan.model import ColumnPlan, DatasetPlan, SilverPlan
from medallion_assets.runs.column_lineage import column_sources

__all__ = ["Metadata", "code_reference", "column_lineage", "contract_schema", "ingested_metadata", "refined_metadata"]

Metadata = Mapping[str, dg.MetadataValue]

_FILES_SHOWN = 50


def code_reference(root: Path, plan: DatasetPlan) -> dg.CodeReferencesMetadataValue:
    """The intent file, at the line where the intent starts."""
    place = dg.LocalFileCodeReference(file_path=str(root / plan.file), line_number=plan.line, label=plan.file)
    return dg.CodeReferencesMetadataValue(code_references=[place])


def contract_schema(columns: Sequence[ColumnPlan]) -> dg.TableSchema:
    """The columns an intent names; a type it leaves open reads ``learned``."""
    return dg.TableSchema(columns=[_column(c.name, c.type or "learned", c) for c in columns])


def ingested_metadata(done: Ingested, url: str) -> Metadata:
    """Of one bronze partition, as it is after an ingest."""
    load = done.commit.load
    schema = dg.TableSchema(columns=[dg.TableColumn(name=c.name, type=c.type) for c in load.schema])
    shown: dict[str, dg.MetadataValue] = {
        "dagster/column_schema": dg.MetadataValue.table_schema(schema),
        "dagster/partition_row_count": dg.MetadataValue.int(load.rows),
        "dagster/uri": dg.MetadataValue.text(url),
        "bytes": dg.MetadataValue.int(sum(part.bytes for part in load.parts)),
        "parts": dg.MetadataValue.int(len(load.parts)),
        "refused": dg.MetadataValue.int(load.refused),
        "seconds": dg.MetadataValue.float(round(done.seconds, 3)),
        "written": dg.MetadataValue.bool(done.written),
        "content": dg.MetadataValue.text(load.content),
        "commit": dg.MetadataValue.int(done.commit.n),
        "window_start": dg.MetadataValue.text(load.window.start.isoformat()),
        "window_end": dg.MetadataValue.text(load.window.end.isoformat()),
    }
    if load.cursor_after is not None:
        shown["cursor_after"] = dg.MetadataValue.text(load.cursor_after)
    if load.source.files:
        shown["files"] = _files(done.commit)
    shown |= {f"source_{name}": dg.MetadataValue.text(value) for name, value in load.source.facts.items()}
    return shown


def column_lineage(
    plan: DatasetPlan, silver: SilverPlan, spec: dg.AssetSpec, done: Refined, head: Head
) -> dg.TableColumnLineage:
    """Of the columns that the table has to those of the bronze asset that ``spec`` depends on."""
    bronze = next(iter(spec.deps)).asset_key
    schemas = [[column.name for column in commit.load.schema] for commit in head.live]
    sources = column_sources(plan, silver, [name for name, _ in done.columns], schemas)
    return dg.TableColumnLineage(
        {
            name: [dg.TableColumnDep(asset_key=bronze, column_name=source) for source in found]
            for name, found in sources.items()
            if found
        }
    )


def refined_metadata(
    done: Refined, url: str, columns: Sequence[ColumnPlan], lineage: dg.TableColumnLineage
) -> Metadata:
    """Of a silver table, as it is after a refine, with the accounting over all live loads."""
    named = {column.name: column for column in columns}
    schema = dg.TableSchema(columns=[_column(name, type_, named.get(name)) for name, type_ in done.columns])
    return {
        "dagster/column_schema": dg.MetadataValue.table_schema(schema),
        "dagster/column_lineage": dg.MetadataValue.column_lineage(lineage),
        "dagster/row_count": dg.MetadataValue.int(done.rows),
        "dagster/uri": dg.MetadataValue.text(url),
        "rows_in": dg.MetadataValue.int(done.rows_in),
        "events": dg.MetadataValue.int(done.events),
        "duplicates": dg.MetadataValue.int(done.duplicates),
        "filtered": dg.MetadataValue.int(done.filtered),
        "quarantined": dg.MetadataValue.int(done.quarantined),
        "absence_deletes": dg.MetadataValue.int(done.absence_deletes),
        "changed": dg.MetadataValue.int(done.changed),
        "seconds": dg.MetadataValue.float(round(done.seconds, 3)),
        "written": dg.MetadataValue.bool(done.written),
        "content": dg.MetadataValue.text(done.content),
        "table_version": dg.MetadataValue.int(done.table_version),
        "bronze_commit": dg.MetadataValue.int(done.bronze_n),
        "engine": dg.MetadataValue.text(f"{done.engine}: {done.engine_why}"),
        "computed": dg.MetadataValue.text(done.how),
    }


def _column(name: str, type_: str, column: ColumnPlan | None) -> dg.TableColumn:
    if column is None:
        return dg.TableColumn(name=name, type=type_)
    constraints = dg.TableColumnConstraints(nullable=column.nullable)
    tags = {"pii": ""} if column.pii else {}
    return dg.TableColumn(name=name, type=type_, description=column.description, constraints=constraints, tags=tags)


def _files(commit: Commit) -> dg.MetadataValue:
    """The files of the load, the first of them when they are many: events stay small."""
    files = commit.load.source.files
    rows = [
        dg.TableRecord({"path": f.path, "rows": f.rows, "bytes": f.bytes, "modified": f.modified, "hash": f.hash})
        for f in files[:_FILES_SHOWN]
    ]
    if len(files) > _FILES_SHOWN:
        rest = files[_FILES_SHOWN:]
        rows.append(
            dg.TableRecord(
                {
                    "path": f"… and {len(rest)} more",
                    "rows": sum(f.rows for f in rest),
                    "bytes": sum(f.bytes for f in rest),
                    "modified": "",
                    "hash": "",
                }
            )
        )
    return dg.MetadataValue.table(rows)
