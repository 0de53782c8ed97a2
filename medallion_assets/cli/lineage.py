"""``medallion lineage``: the bronze and the files that silver rows came from, and the rows that came from a part."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from medallion_assets.cli.options import AsJson, Debug, Env, Root, command, document, options_of
from medallion_assets.errors import ConfigError

if TYPE_CHECKING:
    from medallion_assets.cli.output import Json
    from medallion_assets.plan.model import DatasetPlan, SilverPlan
    from medallion_assets.project import Project
    from medallion_assets.runs.lineage import BronzeRow, Origin, SilverRow

__all__ = ["lineage"]

_FILES_SHOWN = 5


@command
def lineage(
    context: typer.Context,
    table: Annotated[str, typer.Argument(help="silver/<domain>/<entity>")],
    *,
    row: Annotated[
        list[str] | None, typer.Option("--row", metavar="K", help="Where rows came from: id=7, or region=eu,id=7.")
    ] = None,
    part: Annotated[
        str | None, typer.Option("--part", metavar="P", help="Which rows came from a bronze part: 3/1, or its path.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows to show.")] = 20,
    project: Root = None,
    env: Env = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show where a silver table came from: its columns and parts; with --row or --part, single rows."""
    options = options_of(context, project, env, as_json, debug)
    if row and part is not None:
        raise ConfigError(
            "CLI-006", "It is a row or a part, not both.", where="medallion lineage", fix="give --row, or --part."
        )
    loaded = options.load()
    plan, silver = loaded.silver(table)
    asked = _Asked(loaded, plan, silver, limit)
    answer = asked.row(row) if row else asked.part(part) if part is not None else asked.table()
    if options.as_json:
        document(answer)
    else:
        print(_text(answer))


class _Asked:
    def __init__(self, project: "Project", plan: "DatasetPlan", silver: "SilverPlan", limit: int) -> None:
        self.plan, self.silver, self.limit = plan, silver, limit
        self.head = project.head(plan)
        self.store, self.lake = project.store(plan.bronze.store), project.table(silver)

    @property
    def _bronze(self) -> str:
        """The bronze asset, which may be another dataset's."""
        feed = next(iter(self.plan.upstream), None) if not self.plan.has_bronze else None
        return self.plan.dataset.label if feed is None else f"bronze/{feed.replace('.', '/')}"

    def row(self, texts: Sequence[str]) -> "dict[str, Json]":
        """The rows that read so; of a key also every row of bronze that has it."""
        from medallion_assets.runs.lineage import bronze_rows, rows_where
        from medallion_assets.runs.matched import Keys
        from medallion_assets.runs.named_keys import named_row

        asked = named_row(self.silver, texts)
        found = rows_where(self.plan, self.silver, asked, table=self.lake, store=self.store)
        answer: dict[str, Json] = {
            "table": str(self.silver.entity),
            "count": len(found),
            "rows": [_row_json(one) for one in found[: self.limit]],
        }
        if self.silver.keys and asked.keys() == {*self.silver.keys}:
            keys = Keys(self.silver.keys, (tuple(asked[name] for name in self.silver.keys),))
            rows = bronze_rows(self.plan, self.silver, keys, self.head, store=self.store)
            answer["bronze_rows"] = [_bronze_json(one) for one in rows]
        return answer

    def part(self, text: str) -> "dict[str, Json]":
        from medallion_assets.runs.lineage import part_named, rows_from

        origin = part_named(self.plan, text, store=self.store)
        count, rows = rows_from(self.plan, self.silver, origin, table=self.lake, store=self.store, limit=self.limit)
        shown: list[Json] = [{"row": _plain(one.shown)} for one in rows]
        return {"table": str(self.silver.entity), "part": _origin_json(origin), "count": count, "rows": shown}

    def table(self) -> "dict[str, Json]":
        from medallion_assets.runs.column_lineage import column_sources
        from medallion_assets.runs.lineage import rows_by_part

        parts = rows_by_part(self.plan, table=self.lake, store=self.store)
        columns = self.lake.scan().collect_schema().names()
        schemas = [[column.name for column in commit.load.schema] for commit in self.head.live]
        sources = column_sources(self.plan, self.silver, columns, schemas)
        return {
            "table": str(self.silver.entity),
            "bronze": self._bronze,
            "columns": {name: list(found) for name, found in sources.items()},
            "parts": [{**_origin_json(origin), "table_rows": rows} for origin, rows in parts],
        }


# ------------------------------------------------------------------------------------------------ JSON


def _plain(values: Mapping[str, object]) -> "dict[str, Json]":
    return {k: v if v is None or isinstance(v, bool | int | float) else str(v) for k, v in values.items()}


def _origin_json(origin: "Origin") -> "dict[str, Json]":
    load = origin.load
    return {
        "address": origin.address,
        "partition": load.partition,
        "path": origin.path,
        "live": origin.live,
        "run_id": load.run_id,
        "loaded_at": load.finished_at.isoformat(),
        "files": [
            {"path": f.path, "bytes": f.bytes, "modified": f.modified, "hash": f.hash, "rows": f.rows}
            for f in origin.files
        ],
        "source": dict(load.source.facts),
    }


def _row_json(row: "SilverRow") -> "dict[str, Json]":
    return {"row": _plain(row.shown), "origin": _origin_json(row.origin)}


def _bronze_json(row: "BronzeRow") -> "dict[str, Json]":
    return {**_origin_json(row.origin), "row": row.row}


# ------------------------------------------------------------------------------------------------ text


def _text(answer: "Mapping[str, Json]") -> str:
    blocks = []
    if "columns" in answer:
        blocks += [_columns_text(answer), _parts_text(_list(answer["parts"]))]
    elif "part" in answer:
        part = _object(answer["part"])
        blocks.append("\n".join(_origin_lines(part)))
        blocks.append(f"{answer['count']:,} rows of {answer['table']} came from it.")
        blocks += ["\n".join(_said(_object(one["row"])) for one in _list(answer["rows"]))] if answer["rows"] else []
    else:
        for one in _list(answer["rows"]):
            lines = [f"{answer['table']}  {_said(_object(one['row']))}", *_origin_lines(_object(one["origin"]))]
            blocks.append("\n".join(lines))
        blocks += [] if answer["rows"] else [f"{answer['table']} has no such row."]
        if "bronze_rows" in answer:
            blocks.append(_bronze_text(_list(answer["bronze_rows"])))
    return "\n\n".join(blocks)


def _said(row: "Mapping[str, Json]") -> str:
    return ", ".join(f"{name}={'null' if value is None else value}" for name, value in row.items())


def _origin_lines(origin: "Mapping[str, Json]") -> list[str]:
    replaced = "" if origin["live"] else ", replaced since"
    lines = [
        f"  part {origin['address']} of {origin['partition']}{replaced}: {origin['path'] or 'no row, the load itself'}",
        f"  loaded {origin['loaded_at']} by run {origin['run_id']}",
    ]
    files = [f"  file {file['path']} ({file['hash']})" for file in _list(origin["files"])]
    lines += files[:_FILES_SHOWN] + (
        [f"  … and {len(files) - _FILES_SHOWN} more files"] if files[_FILES_SHOWN:] else []
    )
    return lines + [f"  {name} {value}" for name, value in _object(origin["source"]).items()]


def _columns_text(answer: "Mapping[str, Json]") -> str:
    from medallion_assets.cli.output import table

    rows = [(name, ", ".join(map(str, _values(found)))) for name, found in _object(answer["columns"]).items()]
    return table((str(answer["table"]), str(answer["bronze"])), rows)


def _parts_text(parts: "Sequence[Mapping[str, Json]]") -> str:
    from medallion_assets.cli.output import table

    rows = [
        (str(p["address"]), str(p["partition"]), _named(p), f"{p['table_rows']:,}", "yes" if p["live"] else "no")
        for p in parts
    ]
    return table(("part", "partition", "files", "rows", "live"), rows, right=("rows",))


def _bronze_text(rows: "Sequence[Mapping[str, Json]]") -> str:
    from medallion_assets.cli.output import table

    if not rows:
        return "No live load of bronze has a row with this key."
    lines = [(str(r["address"]), str(r["partition"]), str(r["row"]), _named(r)) for r in rows]
    return "Rows of bronze with this key:\n" + table(("part", "partition", "row", "files"), lines, right=("row",))


def _named(origin: "Mapping[str, Json]") -> str:
    files = [str(file["path"]) for file in _list(origin["files"])]
    return files[0] + (f" and {len(files) - 1} more" if files[1:] else "") if files else ""


def _values(value: "Json") -> "Sequence[Json]":
    return value if isinstance(value, list) else []


def _object(value: "Json") -> "Mapping[str, Json]":
    return value if isinstance(value, dict) else {}


def _list(value: "Json") -> "list[Mapping[str, Json]]":
    return [_object(one) for one in _values(value)]
