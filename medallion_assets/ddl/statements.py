"""All statements for one silver table in one dialect."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from medallion_assets.ddl.dialects import DIALECTS, Name, Statement
from medallion_assets.ddl.places import Place
from medallion_assets.ddl.views import select, views
from medallion_assets.lake.ids import EntityId
from medallion_assets.plan.model import SilverPlan

if TYPE_CHECKING:
    import polars as pl

__all__ = ["name_of", "script", "statements"]


def name_of(entity: EntityId) -> tuple[str, str]:
    """Schema and name under which readers find a table. A new version has a name of its own, as it is another table."""
    schema = entity.domain if entity.tenant is None else f"{entity.tenant}__{entity.domain}"
    return schema, entity.entity if entity.version == 1 else f"{entity.entity}_v{entity.version}"


def statements(
    silver: SilverPlan, columns: "Mapping[str, pl.DataType]", place: Place, dialect: Name
) -> tuple[Statement, ...]:
    """The schema, the table, then its views; ``columns`` are the table's. Raises ConfigError CLI-016."""
    spoken = DIALECTS[dialect]()
    schema, table = name_of(silver.entity)
    base = f"{spoken.identifier(schema)}.{spoken.identifier(table)}"
    found = list(spoken.table(schema, table, columns, place))
    for view in views(silver, columns, base, spoken):
        query = select(columns, base, view.condition, spoken)
        name = f"{table}_{view.name}"
        quoted = f"{spoken.identifier(schema)}.{spoken.identifier(name)}"
        if view.clock is None:
            found.append(Statement(f"{schema}.{name}", spoken.view(quoted, query)))
        else:
            found.append(Statement(f"{schema}.{name}", *spoken.as_of(quoted, columns, view.clock, query)))
    return tuple(found)


def script(silver: SilverPlan, made: "tuple[Statement, ...]", dialect: Name) -> str:
    """Them as one text to execute; what only a program can ask is a comment in it."""
    spoken = DIALECTS[dialect]()
    blocks = [f"-- {silver.entity}: {silver.model}. {spoken.hint}\n"]
    for statement in made:
        if statement.executable:
            blocks.append(f"{statement.sql}{spoken.end}")
        else:
            asked = "\n".join(f"--   {line}" for line in statement.sql.splitlines())
            blocks.append(f"-- {statement.makes}, a query for programs ({spoken.parameter} is the moment):\n{asked}\n")
    return "\n".join(blocks)
