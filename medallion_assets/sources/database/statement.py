"""The one statement of a read: built from a table or a query, checked to be a read, its parameters as literals.

Parameters become literals on our side, by the quoting rules of the database, because the fastest way out of PostgreSQL
(``COPY``) takes none.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from medallion_assets.errors import ConfigError

__all__ = ["Relation", "bind", "check_read_only", "identifier", "quoted"]

_TOKEN = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/|::|:(?P<name>[A-Za-z_]\w*)""",
    re.DOTALL,
)
"""Quoted text and names, comments and casts are left alone; what is left of ``:name`` is a parameter."""


@dataclass(frozen=True, slots=True)
class Relation:
    """What is read from: ``sql`` is a quoted table name or a query in brackets; ``where`` restricts it, or is empty."""

    sql: str
    where: tuple[str, ...] = ()

    def select(self, columns: str, *more: str) -> str:
        """``columns`` of the rows that ``where`` and ``more`` leave; the relation is called ``q``."""
        limits = [f"({text})" for text in (*self.where, *more) if text]
        end = f" WHERE {' AND '.join(limits)}" if limits else ""
        return f"SELECT {columns} FROM {self.sql} q{end}"  # noqa: S608 - identifiers are quoted, the query is the owner's


def identifier(name: str, mark: str = '"') -> str:
    """One identifier, dots and all."""
    return mark + name.replace(mark, mark * 2) + mark


def quoted(name: str, mark: str = '"') -> str:
    """A table's name of one or more parts: ``schema.table``."""
    return ".".join(identifier(part, mark) for part in name.split("."))


def bind(sql: str, values: Mapping[str, object], literal: Callable[[object], str], where: str) -> str:
    """``sql`` with a literal for each ``:name``. Raises ConfigError SRC-121 for a name without a value."""

    def value(found: re.Match[str]) -> str:
        name = found["name"]
        if name is None:
            return found[0]
        if name not in values:
            raise _refused(f"`:{name}` has no value.", f"Add it to source.params, or use {_names(values)}.", where)
        return literal(values[name])

    return _TOKEN.sub(value, sql)


def _names(values: Mapping[str, object]) -> str:
    return ", ".join(f":{name}" for name in values)


def check_read_only(sql: str, dialect: str, where: str) -> str:
    """``sql`` without its last semicolon. Raises ConfigError SRC-121 unless it is one statement that only reads."""
    import sqlglot
    from sqlglot import exp

    try:
        statements = [s for s in sqlglot.parse(_TOKEN.sub(_placeholder, sql), read=dialect) if s is not None]
    except sqlglot.errors.SqlglotError as error:
        first = str(error).splitlines()[0].split("\x1b")[0].strip()
        raise _refused(f"The query cannot be read: {first}", "Correct it, or put it into a view.", where) from None
    if len(statements) != 1:
        raise _refused(f"The query is {len(statements)} statements.", "Write one SELECT.", where)
    statement = statements[0]
    if not isinstance(statement, exp.Query):
        raise _refused(f"The query is a {statement.key.upper()}.", "Write a SELECT.", where)
    for kind in (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Into, exp.Lock, exp.Command):
        if statement.find(kind) is not None:
            raise _refused(f"The query holds {kind.__name__.upper()}.", "A source only reads.", where)
    return sql.strip().rstrip(";").rstrip()


def _placeholder(found: re.Match[str]) -> str:
    return found[0] if found["name"] is None else "NULL"


def _refused(what: str, fix: str, where: str) -> ConfigError:
    return ConfigError("SRC-121", what, where=where, fix=fix)
