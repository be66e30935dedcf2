"""The Redshift endpoint as its clients meet it: drivers, SQL, transactions, rights, refusals."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
import redshift_connector

from tests.support.warehouse_fixture import Warehouse

T = "endpoint.t"


@pytest.fixture
def loader(warehouse: Warehouse) -> Iterator[redshift_connector.Connection]:
    """A driver's connection, and an empty schema for it."""
    with contextlib.closing(warehouse.driver()) as connection:
        cursor = connection.cursor()
        cursor.execute("drop schema if exists endpoint cascade")
        cursor.execute("create schema endpoint")
        cursor.execute(f"create table {T} (id bigint not null, name varchar(5), price decimal(14,2), primary key (id))")
        connection.commit()
        yield connection


@pytest.fixture
def psql(warehouse: Warehouse, loader: redshift_connector.Connection) -> Iterator[psycopg.Connection[Any]]:
    """A second session, as psql makes it."""
    with warehouse.psycopg() as connection:
        yield connection


def rows(connection: redshift_connector.Connection, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """What a query brings, as tuples."""
    cursor = connection.cursor()
    cursor.execute(sql, parameters or None)
    return [tuple(row) for row in cursor.fetchall()]


def run(connection: redshift_connector.Connection, *statements: str) -> None:
    """Execute without a result."""
    for statement in statements:
        connection.cursor().execute(statement)


def state(error: pytest.ExceptionInfo[redshift_connector.Error]) -> tuple[str, str]:
    """SQLSTATE and message of the driver's error."""
    return error.value.args[0]["C"], error.value.args[0]["M"]


def test_values_come_back_as_they_went(loader: redshift_connector.Connection) -> None:
    """The driver's bound values of each type we use come back equal, NULL included."""
    sent = (
        2**53 + 1,
        "é'\"\\",
        Decimal("1234567890.12"),
        date(2026, 11, 22),
        datetime.fromisoformat("2026-11-22T06:00:00.123456"),
    )
    bound = "select %s::bigint, %s::varchar(9), %s::decimal(14,2), %s::date, %s::timestamp, null::integer, true"
    assert [(*sent, None, True)] == rows(loader, bound, *sent)


EXPRESSIONS = [
    ("datediff(month, '2026-01-31'::date, '2026-02-01'::date)", 1),
    ("datediff(year, '2025-12-31'::timestamp, '2026-01-01'::timestamp)", 1),
    ("datediff(hour, '2026-01-01 00:59'::timestamp, '2026-01-01 01:00'::timestamp)", 1),
    ("datediff(day, '2026-01-02'::date, '2026-01-01'::date)", -1),
    ("dateadd(month, 1, '2026-01-31'::date)", datetime.fromisoformat("2026-02-28")),
    ("trunc('2026-01-31 23:00'::timestamp)", date(2026, 1, 31)),
    (
        "convert_timezone('UTC', 'America/Chicago', '2026-07-01 12:00'::timestamp)",
        datetime.fromisoformat("2026-07-01T07:00"),
    ),
    ("nvl(null, 2)", 2),
    ("nvl2(null, 1, 2)", 2),
    ("decode(2, 1, 'one', 2, 'two', 'many')", "two"),
    ("decode(null, 1, 'one', null, 'none')", "none"),
    ("len('été')", 3),
    ("sha2('a', 256)", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
    ("md5('a')", "0cc175b9c0f1b6a831c399e269772661"),
    ("regexp_replace('a1b2', '\\\\d', '')", "ab"),
    ("concat('a', null)", None),
    ("1.5::decimal", Decimal(2)),
    ("'a' || 'b'", "ab"),
]


@pytest.mark.parametrize(("expression", "expected"), EXPRESSIONS)
def test_expressions_mean_what_they_mean_in_redshift(
    loader: redshift_connector.Connection, expression: str, expected: Any
) -> None:
    """Redshift's functions give Redshift's results, where PostgreSQL lacks them or answers otherwise."""
    assert [(expected,)] == rows(loader, f"select {expression}")


def test_clocks_are_utc_without_zone(loader: redshift_connector.Connection) -> None:
    """GETDATE has whole seconds, SYSDATE the start of the transaction, both in UTC without a zone."""
    now, started, again = rows(loader, "select getdate(), sysdate, sysdate")[0]
    assert (0, None, None) == (now.microsecond, now.tzinfo, started.tzinfo)
    assert started == again
    assert [(started,)] == rows(loader, "select sysdate")


QUERIES = [
    ("select id, listagg(name, '+') within group (order by name desc) from {t} group by 1 order by 1",
     [(1, "b+a"), (2, "c")]),
    ("select listagg(distinct name) within group (order by name) from {t}", [("abc",)]),
    ("select median(price), percentile_cont(0.25) within group (order by price) from {t}",
     [(Decimal(20), Decimal(15))]),
    ("select id, median(price) over (partition by id) as m from {t} order by 1, 2",
     [(1, Decimal(15)), (1, Decimal(15)), (2, Decimal(30))]),
    ("select percentile_cont(0.25) within group (order by price desc) from {t}", [(Decimal(25),)]),
    ("select * from {t} qualify row_number() over (partition by id order by price desc) = 1 order by id",
     [(1, "b", Decimal(20)), (2, "c", Decimal(30))]),
    ("select x.*, y.name from {t} as x join {t} as y on x.id = y.id where y.name = 'a' "
     "qualify rank() over (order by x.price) = 2", [(1, "b", Decimal(20), "a")]),
    ("select name, row_number() over (order by price) as place from {t} qualify place = 3", [("c", 3)]),
    ("with best as (select name from {t} qualify row_number() over (order by price desc) = 1) select * from best",
     [("c",)]),
    ("select approximate count(distinct id) from {t}", [(2,)]),
    ("select sum(price) over (order by price rows unbounded preceding) from {t} order by 1",
     [(Decimal(10),), (Decimal(30),), (Decimal(60),)]),
    ('select "ID" from {t} where "Name" = \'c\'', [(2,)]),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), QUERIES)
def test_queries_that_postgresql_lacks(loader: redshift_connector.Connection, sql: str, expected: Any) -> None:
    """QUALIFY, LISTAGG, MEDIAN, PERCENTILE_CONT and folded names give the rows worked out by hand."""
    run(loader, f"insert into {T} values (1, 'a', 10), (1, 'b', 20), (2, 'c', 30)")
    assert expected == rows(loader, sql.format(t=T))


def test_keys_are_informational(loader: redshift_connector.Connection) -> None:
    """A primary key is kept for the operators to read and refuses no duplicate, also when added later."""
    run(loader, f"insert into {T} (id) values (1), (1)", "create table endpoint.u (id integer, unique (id))")
    run(loader, "alter table endpoint.u add primary key (id)", "insert into endpoint.u values (1), (1)")
    asked = "select table_name from information_schema.table_constraints where constraint_type = 'PRIMARY KEY'"
    assert {("t",), ("u",)} <= set(rows(loader, asked))
    assert [(2,)] == rows(loader, "select count(*) from endpoint.u")


def test_storage_attributes_are_kept_for_reading(loader: redshift_connector.Connection) -> None:
    """DISTKEY, SORTKEY and ENCODE change no table and can be read from pg_table_def and svv_table_info."""
    run(
        loader,
        "create table endpoint.s (id bigint encode raw distkey, day date) diststyle key compound sortkey (day, id)",
        "set search_path to endpoint",
    )
    defined = "select \"column\", encoding, distkey, sortkey from pg_table_def where tablename = 's'"
    assert [("id", "raw", True, 2), ("day", "none", False, 1)] == rows(loader, defined)
    info = "select diststyle, sortkey1 from svv_table_info where \"table\" = 's' and \"schema\" = 'endpoint'"
    assert [("KEY(id)", "day")] == rows(loader, info)


def test_temporary_tables_and_statements_over_two_tables(loader: redshift_connector.Connection) -> None:
    """#temp tables, LIKE, DELETE USING and UPDATE FROM work together, and #temp is the session's own."""
    run(
        loader,
        f"insert into {T} values (1, 'a', 1), (2, 'b', 2)",
        f"create table #new (like {T} including defaults)",
        "insert into #new values (2, 'x', 9)",
        f"update {T} set name = #new.name from #new where {T}.id = #new.id",
        f"delete from {T} using #new where {T}.price < #new.price and {T}.id = 1",
    )
    assert [(2, "x", Decimal(2))] == rows(loader, f"select * from {T}")


def test_varchar_counts_bytes(loader: redshift_connector.Connection) -> None:
    """Five characters of six bytes do not fit VARCHAR(5), in a table made by LIKE neither."""
    run(loader, "create table endpoint.copy (like endpoint.t)")
    loader.commit()
    for table in (T, "endpoint.copy"):
        with pytest.raises(redshift_connector.Error) as error:
            run(loader, f"insert into {table} (id, name) values (1, 'naïve')")
        assert ("22001", "value too long for type character varying(5)") == state(error)
        loader.rollback()


REFUSALS = [
    ("insert into {t} (id) values (1) on conflict do nothing", "42601", 'syntax error at or near "on"'),
    ("insert into {t} (id) values (1) returning id", "42601", 'syntax error at or near "returning"'),
    ("create index i on {t} (id)", "0A000", "not supported on Redshift tables"),
    ("create table endpoint.x (id serial)", "0A000", 'Column "endpoint.x.id" has unsupported type "serial"'),
    ("create table endpoint.x (j jsonb)", "0A000", 'unsupported type "jsonb"'),
    ("create table endpoint.x (u uuid)", "0A000", 'unsupported type "uuid"'),
    ("create table endpoint.x (a integer[])", "0A000", 'unsupported type "integer[]"'),
    ("create table endpoint.x (n integer check (n > 0))", "0A000", "CHECK constraints are not supported"),
    ("create table endpoint.x (n varchar(70000))", "22023", "cannot exceed 65535"),
    ("create table endpoint.x (s super)", "0A000", "SUPER is not supported by the local Redshift endpoint"),
    ("create table endpoint.x (n integer identity(1,1))", "0A000", "IDENTITY columns is not supported"),
    ("alter table {t} add column a integer, add column b integer", "42601", 'syntax error at or near ","'),
    ("alter table {t} alter column name type varchar(9)", "0A000", "ALTER TABLE ALTER COLUMN"),
    ("savepoint a", "0A000", 'SQL command "savepoint a" not supported'),
    ("rollback to savepoint a", "0A000", "not supported"),
    ("select distinct on (id) id from {t}", "0A000", "DISTINCT ON is not supported"),
    ("select id from {t} for update", "0A000", "FOR UPDATE is not supported"),
    ("select count(*) filter (where id > 1) from {t}", "42601", 'syntax error at or near "("'),
    ("select array_agg(id) from {t}", "0A000", "function array_agg() is not supported"),
    ("select string_agg(name, ',') from {t}", "0A000", "function string_agg() is not supported"),
    ("select gen_random_uuid()", "0A000", "function gen_random_uuid() is not supported"),
    ("select * from generate_series(1, 3)", "0A000", "function generate_series() is not supported"),
    ("select '{{}}' -> 'a'", "42883", "operator does not exist: ->"),
    ("select id from {t} intersect all select id from {t}", "0A000", "INTERSECT ALL is not supported"),
    ("select 1 where 1 is distinct from 2", "42601", 'syntax error at or near "distinct"'),
    ("select sum(price) over (order by id) from {t}", "0A000", "require a frame clause"),
    ("merge into {t} as a using endpoint.s on a.id = s.id when matched then delete", "42601", "syntax error"),
    ("merge into {t} using (select 1 as id) as s on t.id = s.id when matched then update set name = 'x' "
     "when not matched then insert values (1)", "0A000", "subquery as its source"),
    ("merge into {t} using endpoint.s on t.id = s.id when matched and s.id > 1 then update set name = 'x' "
     "when not matched then insert values (1)", "42601", 'syntax error at or near "and"'),
    ("merge into {t} using endpoint.s on t.id = s.id when matched then update set name = 'x'", "0A000", "needs one"),
    ("set", "42601", "syntax error at end of input"),
    ("explain", "42601", "syntax error at end of input"),
    ("select median()", "42601", "syntax error at end of input"),
    ("create temp table a as", "42601", "syntax error at end of input"),
    ("unload ('select 1') to 's3://b/k' iam_role default", "0A000", "UNLOAD is not supported"),
    ("create materialized view endpoint.m as select 1", "0A000", "CREATE MATERIALIZED is not supported"),
    ("create function f() returns int stable as 'select 1' language sql", "0A000", "CREATE FUNCTION is not"),
    ("create view endpoint.v as select 1 as a with no schema binding", "0A000", "WITH NO SCHEMA BINDING"),
    ("copy {t} from stdin", "0A000", "LOAD source is not supported"),
    ("copy {t} from 's3://b/k' iam_role 'r' json 'auto'", "0A000", "COPY with JSON is not supported"),
    ("copy {t} from 's3://b/k' iam_role 'r' format parquet region 'us-east-1'", "0A000", "REGION argument is not"),
    ("copy {t} from 's3://b/k' iam_role 'r' format parquet maxerror 1", "0A000", "MAXERROR argument is not"),
    ("copy {t} from 's3://b/k' format parquet", "42601", "CREDENTIALS argument is required"),
    ("set work_mem to '1GB'", "0A000", "SET work_mem is not supported"),
    ("do $$ begin end $$", "42601", 'syntax error at or near "do"'),
    ("listen channel", "42601", 'syntax error at or near "listen"'),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "code", "message"), REFUSALS)
def test_what_is_refused(loader: redshift_connector.Connection, sql: str, code: str, message: str) -> None:
    """What Redshift refuses or the endpoint does not imitate is an error with the right SQLSTATE, never a change.

    The connection stays.
    """
    with pytest.raises(redshift_connector.Error) as error:
        run(loader, sql.format(t=T))
    told, said = state(error)
    assert code == told
    assert message.format(t=T) in said
    loader.rollback()
    assert [(1,)] == rows(loader, "select 1")


def test_a_merge_may_name_the_columns_that_it_inserts(loader: redshift_connector.Connection) -> None:
    """Redshift's own example has them: what matches is updated, the rest inserted."""
    run(loader, f"insert into {T} (id, name) values (1, 'a')")
    run(loader, f"create temp table s (like {T})")
    run(loader, "insert into s (id, name) values (1, 'b'), (2, 'c')")
    run(
        loader,
        f"merge into {T} using s on t.id = s.id when matched then update set name = s.name "
        "when not matched then insert (id, name) values (s.id, s.name)",
    )
    assert [(1, "b"), (2, "c")] == rows(loader, f"select id, name from {T} order by id")


def test_a_refusal_fails_the_transaction(loader: redshift_connector.Connection) -> None:
    """After the endpoint's own error the transaction is aborted in PostgreSQL too: nothing of it can be committed."""
    run(loader, f"insert into {T} (id) values (1)")
    with pytest.raises(redshift_connector.Error):
        run(loader, "savepoint a")
    with pytest.raises(redshift_connector.Error) as error:
        run(loader, "select 1")
    assert "25P02" == state(error)[0]
    with contextlib.suppress(redshift_connector.Error):
        loader.commit()
    loader.rollback()
    assert [(0,)] == rows(loader, f"select count(*) from {T}")


def test_truncate_commits(loader: redshift_connector.Connection, psql: psycopg.Connection[Any]) -> None:
    """TRUNCATE ends the transaction: what came before it stays after a rollback, and the table is empty."""
    run(loader, f"insert into {T} (id) values (1)")
    loader.commit()
    run(loader, "create table endpoint.before (n integer)", f"truncate table {T}")
    loader.rollback()
    assert [(0,)] == rows(loader, f"select count(*) from {T}")
    assert (0,) == psql.execute("select count(*) from endpoint.before").fetchone()


def test_a_batch_is_one_transaction(psql: psycopg.Connection[Any]) -> None:
    """Several statements in one simple query stand and fall together, with the endpoint's own among them."""
    psql.execute(f"insert into {T} (id) values (1); vacuum {T}; insert into {T} (id) values (2)")
    assert (2,) == psql.execute(f"select count(*) from {T}").fetchone()
    with pytest.raises(psycopg.Error):
        psql.execute(f"insert into {T} (id) values (3); vacuum {T}; select 1 / 0")
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        psql.execute(f"insert into {T} (id) values (3); savepoint a")
    assert (2,) == psql.execute(f"select count(*) from {T}").fetchone()


def test_pipelined_statements_answer_in_order(psql: psycopg.Connection[Any]) -> None:
    """Statements sent without waiting are answered in the order they were sent, ours and PostgreSQL's mixed."""
    with psql.pipeline():
        first = psql.execute("select 1")
        psql.execute(f"vacuum {T}")
        last = psql.execute("select 2")
    assert ((1,), (2,)) == (first.fetchone(), last.fetchone())


def test_a_reader_reads_only_what_it_was_given(warehouse: Warehouse, loader: redshift_connector.Connection) -> None:
    """The reader sees a table once it is granted, and never writes or creates."""
    run(loader, f"insert into {T} (id) values (1)")
    loader.commit()
    with contextlib.closing(warehouse.driver("reader")) as reader:
        for sql in (f"select * from {T}", "create schema own", "create table public.own (n integer)"):
            with pytest.raises(redshift_connector.Error) as error:
                run(reader, sql)
            assert "42501" == state(error)[0]
            reader.rollback()
        run(loader, "grant usage on schema endpoint to reader", f"grant select on {T} to reader")
        loader.commit()
        assert [(1,)] == rows(reader, f"select id from {T}")
        with pytest.raises(redshift_connector.Error):
            run(reader, f"delete from {T}")


def test_a_wrong_password_does_not_get_in(warehouse: Warehouse) -> None:
    """Passwords are checked by PostgreSQL, through the endpoint."""
    with pytest.raises(redshift_connector.Error, match="password authentication failed"):
        redshift_connector.connect(
            host="127.0.0.1", port=warehouse.port, user="loader", password="wrong", database="listings", ssl=False
        )


ENDLESS = "with n as (select 1 as a{}) select count(*) from " + ", ".join(f"n as n{i}" for i in range(12))
ENDLESS = ENDLESS.format("".join(" union all select 1" for _ in range(40)))


def test_a_query_can_be_cancelled(psql: psycopg.Connection[Any]) -> None:
    """A cancel request ends a running query and leaves the session usable."""
    timer = threading.Timer(0.5, psql.cancel)
    timer.start()
    with pytest.raises(psycopg.errors.QueryCanceled):
        psql.execute(ENDLESS)
    timer.join()
    assert (1,) == psql.execute("select 1").fetchone()


def test_a_client_that_hangs_up_ends_its_statement(warehouse: Warehouse, psql: psycopg.Connection[Any]) -> None:
    """When a client vanishes in the middle of a query, its locks go and its rows never come."""
    other = warehouse.psycopg()
    other.execute("begin")
    other.execute(f"insert into {T} (id) values (1)")
    other.execute(f"lock {T}")
    other.pgconn.send_query(ENDLESS.encode())
    with socket.socket(fileno=os.dup(other.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
    psql.execute("set statement_timeout to 10000")
    assert (0,) == psql.execute(f"select count(*) from {T}").fetchone()
    other.close()


def test_an_outage_of_postgresql_is_survived(warehouse: Warehouse, loader: redshift_connector.Connection) -> None:
    """After kill -9 of PostgreSQL under the endpoint, new sessions find every committed row."""
    run(loader, f"insert into {T} (id) values (7)")
    loader.commit()
    assert warehouse.postgres.process is not None
    warehouse.postgres.process.kill()
    deadline = time.monotonic() + 20
    try:
        # The session's own process lives on until it has seen that its parent is gone.
        with pytest.raises((redshift_connector.Error, OSError)):
            _ask_until(deadline, loader)
    finally:
        warehouse.postgres.start()
        warehouse.postgres.create()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(redshift_connector.Error), contextlib.closing(warehouse.driver()) as again:
            assert [(7,)] == rows(again, f"select id from {T}")
            return
    raise AssertionError(warehouse.log)


def _ask_until(deadline: float, connection: redshift_connector.Connection) -> None:
    while time.monotonic() < deadline:
        rows(connection, "select 1")
