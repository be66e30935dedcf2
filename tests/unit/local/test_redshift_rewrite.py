"""How the Redshift endpoint reads and rewrites SQL, without a server."""

from __future__ import annotations

import contextlib

import pytest

from local.redshift.copy_statement import parse_copy
from local.redshift.errors import SqlError
from local.redshift.lexer import split_statements, tokenize
from local.redshift.plan import plan_batch, plan_statement
from local.redshift.query import rewrite_query
from tests.support.sql_texts import ALL_FILES, statements


def test_semicolons_in_text_do_not_split() -> None:
    """Only a semicolon outside of strings, names and comments ends a statement."""
    batch = "select ';' -- ;\n, \";\" /* ; */ from t; ; select 2;"
    assert ["select ';' -- ;\n, \";\" /* ; */ from t", "select 2"] == split_statements(batch)


@pytest.mark.parametrize(
    "sql", ["select 'on conflict'", 'select "returning" from t', "select /* savepoint */ 1", "select t.super from t"]
)
def test_words_that_are_no_keywords_pass(sql: str) -> None:
    """A refused word inside a string, a quoted name, a comment or after a dot is nobody's business."""
    assert sql == plan_statement(sql).sql


@pytest.mark.parametrize("name", ALL_FILES)
def test_every_beginning_of_a_statement_is_planned_or_refused(name: str) -> None:
    """Wherever a statement ends, after each of its first words and every twentieth, nothing else is raised."""
    for statement in statements(name):
        ends = [token.end for token in tokenize(statement)]
        for end in ends[:25] + ends[25::20]:
            with contextlib.suppress(SqlError):
                plan_batch(statement[:end])


REWRITES = [
    ("select datediff(day, a, b) from t", "select datediff('day', a, b) from t"),
    ("select nvl(a, 1), sysdate from #t", 'select coalesce(a, 1), rs.sysdate() from "#t"'),
    ("select a::numeric from t", "select a::numeric(18,0) from t"),
    (r"select '\\d'", r"select E'\\d'"),
    ("select approximate count(distinct a) from t", "select  count(distinct a) from t"),
]


@pytest.mark.parametrize(("sql", "expected"), REWRITES)
def test_only_what_differs_is_edited(sql: str, expected: str) -> None:
    """A rewrite changes the words that mean something else in PostgreSQL and leaves the rest as written."""
    assert expected == rewrite_query(sql)


def test_nested_functions_are_all_rewritten() -> None:
    """A DECODE inside a DECODE inside a LISTAGG is rewritten too."""
    rewritten = rewrite_query("select listagg(decode(a, 1, decode(b, 2, 'x'), 'y'), ',') from t").lower()
    assert "decode" not in rewritten
    assert "string_agg" in rewritten
    assert 2 == rewritten.count("case when")


def test_storage_attributes_leave_the_statement() -> None:
    """No storage attribute is left in the SQL that PostgreSQL gets, and the columns keep their order."""
    sql = plan_statement(
        "create table a.b (x bigint encode az64 not null distkey, y varchar(9), z text) compound sortkey (y) backup no"
    ).sql
    assert sql.split("*/")[1].startswith(" create table a.b (x bigint not null, y varchar(9) constraint")
    assert not {"ENCODE", "DISTKEY", "SORTKEY", "BACKUP"} & {token.upper for token in tokenize(sql)}
    assert "z varchar(256)" in sql


def test_credentials_are_not_shown() -> None:
    """A parsed COPY that ends up in a log or a traceback does not show its keys."""
    keys = "aws_access_key_id=example-key;aws_secret_access_key=example-secret-not-real;token=example-token"
    statement = parse_copy(tokenize(f"copy a.b (x, \"Y\") from 's3://b/k' credentials '{keys}' parquet"))
    assert ("x", "y") == statement.columns
    assert "example-token" == statement.credentials["token"]
    assert "example" not in repr(statement)


def test_malformed_credentials_say_the_form() -> None:
    """Credentials of another form are refused with the form that is wanted."""
    with pytest.raises(SqlError, match="Must be of the format: credentials 'aws_iam_role"):
        parse_copy(tokenize("copy t from 's3://b/k' credentials 'me:secret' csv"))


@pytest.mark.parametrize(
    "sql",
    [
        "select median(a), median(b) from t",
        "select median(a), percentile_cont(0.25) within group (order by a desc) from t",
    ],
)
def test_sorting_aggregates_of_a_query_take_one_order(sql: str) -> None:
    """Redshift sorts once for all of them, so two orders in one query are refused in its words."""
    with pytest.raises(SqlError, match="ORDER BY clauses for aggregate functions must be the same"):
        rewrite_query(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "select median(a), percentile_cont(0.25) within group (order by a) from t",
        "select median(a), (select median(b) from u) from t",
        "select median(a) over (partition by c), median(b) over (partition by c) from t",
    ],
)
def test_one_order_a_query_or_a_window_each_is_taken(sql: str) -> None:
    """The same order, a subquery's own and windows are what Redshift takes."""
    assert "RS.PERCENTILE" in rewrite_query(sql).upper()
