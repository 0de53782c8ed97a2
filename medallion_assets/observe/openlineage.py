"""OpenLineage events as JSON documents: which run of which job made which dataset out of which. Pure functions.

The standard's names are used: a job is one thing that is done again and again (``ingest.<system>.<table>``), a run is
one time that it is done, and what is known of either stands in facets. https://openlineage.io/docs/spec
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, UUID, uuid5

from medallion_assets import __version__
from medallion_assets.intent.source import Api, Database, File, Kafka, Python
from medallion_assets.lake.window import Window
from medallion_assets.plan.model import DatasetPlan

__all__ = ["Dataset", "Document", "Kind", "Run", "event", "place", "source_of"]

Kind = Literal["START", "COMPLETE", "FAIL"]
Document = dict[str, object]

_PRODUCER = f"urn:medallion-assets:{__version__}"
_SPEC = "https://openlineage.io/spec"


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset of one event. ``columns``: of an output, the columns of the first input behind each of its own."""

    namespace: str
    name: str
    fields: Sequence[tuple[str, str]] = ()
    """Name and type of its columns, where known."""
    columns: Mapping[str, Sequence[str]] | None = None
    rows: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One time that a job is done. ``parent``: the id of the run that it is part of, such as Dagster's."""

    namespace: str
    job: str
    started: datetime
    parent: str
    inputs: tuple[Dataset, ...]
    window: Window | None = None
    """Of the partition that is loaded."""

    @property
    def run_id(self) -> str:
        """A UUID; two tries of one run differ by when they started."""
        window = "" if self.window is None else self.window.start.isoformat()
        return str(uuid5(NAMESPACE_URL, "\n".join((self.parent, self.job, window, self.started.isoformat()))))


def place(url: str) -> tuple[str, str]:
    """Namespace and name of what lies at an absolute path or a URL, as the standard names it.

    >>> place("s3://bucket/silver/x")
    ('s3://bucket', 'silver/x')
    >>> place("/data/lake/x")
    ('file', '/data/lake/x')
    """
    parts = urlsplit(url)
    if not parts.scheme or not parts.netloc:
        return "file", url
    return f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/")


def source_of(plan: DatasetPlan) -> Dataset:
    """What is loaded, by the names in the intent: no reference is resolved, and no credential of a URL is repeated."""
    namespace, name = f"source://{plan.source.type}", plan.name
    match plan.source:
        case File(store=store, path=paths):
            namespace, name = "file" if store is None else f"store://{store}", ", ".join(paths)
        case Api(connection=None, base_url=str(url), path=path):
            parts = urlsplit(url)
            namespace, name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", f"{parts.path}{path}"
        case Api(connection=connection, path=path):
            namespace, name = f"connection://{connection}", path
        case Database(connection=connection, table=table):
            namespace, name = f"connection://{connection}", table or plan.dataset.table
        case Kafka(connection=connection, topic=topic):
            namespace, name = f"connection://{connection}", topic
        case Python(function=function):
            namespace, name = "python", function
    return Dataset(namespace, name)


def event(kind: Kind, run: Run, at: datetime, outputs: Sequence[Dataset], error: str | None = None) -> Document:
    """One event; a FAIL says why in ``error``."""
    facets: Document = {
        "processing_engine": _facet("1-1-1/ProcessingEngineRunFacet", name="medallion", version=__version__)
    }
    if run.window is not None:
        span = {"nominalStartTime": run.window.start.isoformat(), "nominalEndTime": run.window.end.isoformat()}
        facets["nominalTime"] = _facet("1-0-1/NominalTimeRunFacet", **span)
    if _is_uuid(run.parent):
        job = {"namespace": run.namespace, "name": "medallion"}
        facets["parent"] = _facet("1-0-1/ParentRunFacet", run={"runId": run.parent}, job=job)
    if error is not None:
        facets["errorMessage"] = _facet("1-0-1/ErrorMessageRunFacet", message=error, programmingLanguage="PYTHON")
    kind_of = _facet("2-0-3/JobTypeJobFacet", processingType="BATCH", integration="MEDALLION", jobType="ASSET")
    return {
        "eventType": kind,
        "eventTime": at.isoformat(),
        "producer": _PRODUCER,
        "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": run.run_id, "facets": facets},
        "job": {"namespace": run.namespace, "name": run.job, "facets": {"jobType": kind_of}},
        "inputs": [_dataset(one, run) for one in run.inputs],
        "outputs": [_output(one, run) for one in outputs],
    }


def _dataset(one: Dataset, run: Run) -> Document:
    facets: Document = {}
    if one.fields:
        fields = [{"name": name, "type": type_} for name, type_ in one.fields]
        facets["schema"] = _facet("1-1-1/SchemaDatasetFacet", fields=fields)
    if one.columns is not None and run.inputs:
        given = {"namespace": run.inputs[0].namespace, "name": run.inputs[0].name}
        made = {
            name: {"inputFields": [{**given, "field": source} for source in sources]}
            for name, sources in one.columns.items()
        }
        facets["columnLineage"] = _facet("1-2-0/ColumnLineageDatasetFacet", fields=made)
    return {"namespace": one.namespace, "name": one.name, "facets": facets}


def _output(one: Dataset, run: Run) -> Document:
    counted = {"rowCount": one.rows, "size": one.bytes}
    known = {name: value for name, value in counted.items() if value is not None}
    facets = {"outputStatistics": _facet("1-0-2/OutputStatisticsOutputDatasetFacet", **known)} if known else {}
    return {**_dataset(one, run), "outputFacets": facets}


def _facet(schema: str, **values: object) -> Document:
    version, _, name = schema.partition("/")
    return {
        "_producer": _PRODUCER,
        "_schemaURL": f"{_SPEC}/facets/{version}/{name}.json#/$defs/{name}",
        **values,
    }


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
