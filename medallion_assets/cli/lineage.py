"""``medallion lineage``: from a silver row to its bronze part and source file, and back."""

from typing import TYPE_CHECKING, Annotated

import typer

from medallion_assets.cli.options import AsJson, Debug, Env, Root, command, document, options_of
from medallion_assets.errors import ConfigError

if TYPE_CHECKING:
    from medallion_assets.runs.origin import Origin

__all__ = ["lineage"]


@command
def lineage(
    context: typer.Context,
    table: Annotated[str, typer.Argument(help="silver/<domain>/<entity>.")],
    *,
    row: Annotated[
        list[str] | None, typer.Option("--row", metavar="KEY=VALUE", help="Where this row came from.")
    ] = None,
    part: Annotated[str | None, typer.Option("--part", metavar="N/P", help="Rows since part P of commit N.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows to show.")] = 20,
    project: Root = None,
    env: Env = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Tell from which bronze part and source file a row has its values; or which rows have theirs from a part."""
    options = options_of(context, project, env, as_json, debug)
    if bool(row) == (part is not None):
        raise ConfigError(
            "CLI-006", "It is one row or one part.", where="lineage", fix="give --row id=1, or --part 3/1."
        )
    loaded = options.load()
    if part is not None:
        from medallion_assets.cli.commands import rows_of
        from medallion_assets.cli.texts import shown_json, shown_text

        shown = rows_of(loaded, table, part, limit)
        if options.as_json:
            document(shown_json(shown))
        else:
            print(shown_text(shown))
        return
    found = loaded.origins(table, dict(_pair(text) for text in row or ()))
    if options.as_json:
        document([_json(origin) for origin in found])
    else:
        print(_text(found) if found else "There is no such row.")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError("CLI-014", f"'{text}' names no value.", where="--row", fix="write --row id=1.")
    return name, value


def _json(origin: "Origin") -> dict[str, object]:
    return {
        "row": {
            name: value if isinstance(value, int | str | None) else str(value) for name, value in origin.row.items()
        },
        "commit": origin.commit,
        "partition": origin.partition,
        "part": origin.part.path,
        "sha256": origin.part.sha256,
        "rows_of_part": list(origin.rows),
        "run_id": origin.run_id,
        "committed_at": origin.committed_at,
        "files": [{"path": f.path, "bytes": f.bytes, "modified": f.modified, "hash": f.hash} for f in origin.files],
    }


def _text(found: "tuple[Origin, ...]") -> str:
    from medallion_assets.cli.output import table

    names = tuple(found[0].row)
    lines = [
        (
            *(str(origin.row[name]) for name in names),
            origin.partition,
            f"{origin.commit}/{origin.part.ordinal}",
            ", ".join(map(str, origin.rows[:5])) + (" …" if len(origin.rows) > 5 else ""),
            ", ".join(file.path for file in origin.files[:3]) + (" …" if len(origin.files) > 3 else ""),
            origin.run_id,
        )
        for origin in found
    ]
    paths = dict.fromkeys(origin.part.path for origin in found)
    return "\n".join([table((*names, "partition", "part", "rows", "files", "run"), lines), *paths])
