"""``medallion ddl``: silver tables and their views for an engine of the reader's."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from medallion_assets.cli.options import AsJson, Debug, Env, Names, Root, command, document, options_of
from medallion_assets.errors import ConfigError

if TYPE_CHECKING:
    from medallion_assets.ddl.dialects import Statement
    from medallion_assets.plan.model import DatasetPlan, SilverPlan

__all__ = ["ddl"]


@command
def ddl(
    context: typer.Context,
    intents: Names = None,
    *,
    dialect: Annotated[
        Literal["duckdb", "spark", "trino", "tsql"], typer.Option("--dialect", help="Whose SQL to write.")
    ],
    project: Root = None,
    env: Env = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Print SQL that makes silver tables known to an engine, with views of the current state, as of a moment, and of
    the history. No credential is in it.
    """
    options = options_of(context, project, env, as_json, debug)
    loaded = options.load()
    plans = loaded.named_plans(intents) if intents else [plan for plan in loaded.plans if not plan.not_built]
    found: list[tuple[SilverPlan, tuple[Statement, ...]]] = []
    for plan in plans:
        for silver in plan.silvers:
            if not intents and silver.format != "delta":
                continue
            made = loaded.ddl(silver, dialect)
            if intents and not made:
                raise _not_there(plan, silver)
            found.append((silver, made))
    if options.as_json:
        document({str(silver.entity): [_json(statement) for statement in made] for silver, made in found})
        return
    from medallion_assets.ddl.statements import script

    texts = [script(silver, made, dialect) for silver, made in found if made]
    texts += [f"-- {silver.entity} has not been built yet." for silver, made in found if not made]
    print("\n".join(texts).rstrip("\n"))


def _json(statement: "Statement") -> dict[str, object]:
    return {"makes": statement.makes, "sql": statement.sql, "executable": statement.executable}


def _not_there(plan: "DatasetPlan", silver: "SilverPlan") -> ConfigError:
    return ConfigError(
        "CLI-007", "The table has not been built yet.", where=str(silver.entity),
        fix=f"build it with `medallion run {plan.name}`.",
    )  # fmt: skip
