"""OpenLineage's schema 2-0-2 as far as our events use it, written down from its specification, closed against slips:
members that the specification does not have are refused, and so are facets that are not listed.
"""

from typing import Any

TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
URI = {"type": "string", "format": "uri", "pattern": r"^[a-z]+:\S+$"}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"}
UUID = {"type": "string", "pattern": r"^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$"}


def closed(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object", "properties": {**required, **(optional or {})}, "required": list(required),
        "additionalProperties": False,
    }  # fmt: skip


def facet(name: str, required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    url = {"type": "string", "pattern": rf"^https://openlineage\.io/spec/facets/\d-\d-\d/{name}\.json#/\$defs/{name}$"}
    return closed({"_producer": URI, "_schemaURL": url, **required}, optional)


FIELD = closed({"namespace": TEXT, "name": TEXT, "field": TEXT})
DATASET_FACETS = closed(
    {},
    {
        "schema": facet(
            "SchemaDatasetFacet", {"fields": {"type": "array", "items": closed({"name": TEXT, "type": TEXT})}}
        ),
        "columnLineage": facet(
            "ColumnLineageDatasetFacet",
            {
                "fields": {
                    "type": "object",
                    "additionalProperties": closed({"inputFields": {"type": "array", "items": FIELD}}),
                }
            },
        ),
    },
)
DATASET = {"namespace": TEXT, "name": TEXT}
STATISTICS = facet(
    "OutputStatisticsOutputDatasetFacet", {}, {"rowCount": {"type": "integer"}, "size": {"type": "integer"}}
)
OUTPUT = closed({**DATASET, "facets": DATASET_FACETS}, {"outputFacets": closed({}, {"outputStatistics": STATISTICS})})
RUN_FACETS = closed(
    {"processing_engine": facet("ProcessingEngineRunFacet", {"version": TEXT}, {"name": TEXT})},
    {
        "nominalTime": facet("NominalTimeRunFacet", {"nominalStartTime": TIME}, {"nominalEndTime": TIME}),
        "parent": facet(
            "ParentRunFacet", {"run": closed({"runId": UUID}), "job": closed({"namespace": TEXT, "name": TEXT})}
        ),
        "errorMessage": facet("ErrorMessageRunFacet", {"message": TEXT, "programmingLanguage": TEXT}),
    },
)
JOB_FACETS = closed(
    {
        "jobType": facet(
            "JobTypeJobFacet",
            {"processingType": {"enum": ["BATCH", "STREAMING"]}, "integration": TEXT},
            {"jobType": TEXT},
        )
    }
)
RUN_EVENT = closed(
    {
        "eventType": {"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
        "eventTime": TIME,
        "producer": URI,
        "schemaURL": {"const": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"},
        "run": closed({"runId": UUID, "facets": RUN_FACETS}),
        "job": closed({"namespace": TEXT, "name": TEXT, "facets": JOB_FACETS}),
        "inputs": {"type": "array", "items": closed({**DATASET, "facets": DATASET_FACETS})},
        "outputs": {"type": "array", "items": OUTPUT},
    }
)
