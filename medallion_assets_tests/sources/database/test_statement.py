"""Statements: only reads, and every parameter a literal where it stands and nowhere else."""

import pytest

from medallion_assets.errors import ConfigError
from medallion_assets.sources.database.statement import Relation, bind, check_read_only, identifier, quoted


def _literal(value: object) -> str:
    return f"<{value}>"


def test_a_parameter_is_replaced_outside_of_quotes_comments_and_casts() -> None:
    sql = """SELECT ':a', ":a", `:a`, $x$ :a $x$, c::a, :a, 12:30 -- :a
    /* :a */ FROM t WHERE b=:b AND it = 'it''s :a'"""

    assert bind(sql, {"a": 1, "b": 2}, _literal, "i.yaml:1") == sql.replace(", :a,", ", <1>,").replace("=:b", "=<2>")


def test_a_parameter_without_a_value_is_refused() -> None:
    with pytest.raises(ConfigError) as raised:
        bind("SELECT :since", {"window_start": 1}, _literal, "i.yaml:1")
    assert raised.value.problem.code == "SRC-121"
    assert ":since" in raised.value.problem.what


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1;",
        "WITH a AS (SELECT 1 AS x) SELECT * FROM a WHERE x > :window_start",
        "SELECT 1 UNION ALL SELECT 2",
        "(SELECT 1)",
        "SELECT 'delete from t'",
    ],
)
def test_a_read_is_admitted(sql: str) -> None:
    assert check_read_only(sql, "postgres", "i.yaml:1") == sql.rstrip(";")


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM t",
        "SELECT 1; DROP TABLE t",
        "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone",
        "SELECT * INTO u FROM t",
        "SELECT * FROM t FOR UPDATE",
        "UPDATE t SET a = 1",
        "CREATE TABLE u AS SELECT 1",
        "CALL work()",
        "SELEC 1 FRM",
        "",
    ],
)
def test_anything_else_is_refused(sql: str) -> None:
    with pytest.raises(ConfigError) as raised:
        check_read_only(sql, "postgres", "i.yaml:1")
    assert raised.value.problem.code == "SRC-121"


def test_names_are_quoted() -> None:
    assert (identifier('a"b.c'), quoted("s.t"), quoted("s.t", "`")) == ('"a""b.c"', '"s"."t"', "`s`.`t`")


def test_conditions_are_joined_in_brackets() -> None:
    assert Relation('"t"', ("a OR b", "")).select("*", "c OR d") == 'SELECT * FROM "t" q WHERE (a OR b) AND (c OR d)'
