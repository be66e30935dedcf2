"""What a home holds, counted past the pipeline's own code, so that two versions of it can be held side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import psycopg
from psycopg import sql

from local.commands.clients import aws_client
from local.stack import Stack
from local.stack.ports import LOOPBACK

Holdings = Mapping[str, int]

# What a row of the warehouse belongs to, as far as its table says.
PARTITION = ("source", "market", "snapshot_date")
TABLES = """
    select table_schema, table_name from information_schema.tables
    where table_schema in ('core', 'marts') and table_type = 'BASE TABLE'
"""
COLUMNS = "select column_name from information_schema.columns where table_schema = %s and table_name = %s"
RUNS = """
    select dag_run.dag_id, dag_run.run_id, dag_run.state, count(task_instance.id)
    from dag_run left join task_instance using (dag_id, run_id) group by 1, 2, 3
"""
# These say what is newest, so that each report replaces them.
REPLACED = "/reports/latest."
# Of the Lambdas, by the hash of what is in them: each version brings its own.
CODE = "-code-"


def holdings(stack: Stack) -> Holdings:
    """Rows by table and partition, bytes by object, tasks by run."""
    return dict([*_rows(stack), *_objects(stack), *_runs(stack)])


def losses(before: Holdings, after: Holdings, worked: bool = False) -> list[str]:
    """What is not there any more, or not as it was, a sentence each.

    What has come since is a loss as well, unless the stack has `worked` in between: a run of its own accord may come at
    any time, so runs are never too many.
    """
    wrong = []
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name, 0), after.get(name, 0)
        may_grow = worked or name.startswith("run ")
        if now < was or (now > was and not may_grow):
            wrong.append(f"{name}: {was} before, {now} after")
    return wrong


def open_runs(stack: Stack) -> list[str]:
    """The runs that have not ended."""
    return [name for name, _ in _runs(stack) if not name.endswith((" success", " failed"))]


def _rows(stack: Stack) -> Iterator[tuple[str, int]]:
    # The superuser, past the Redshift endpoint: no grant and no rule of the stand-in hides a row.
    with _database(stack, "listings", "postgres", "postgres_admin") as connection:
        for schema, table in connection.execute(TABLES).fetchall():
            there = {name for (name,) in connection.execute(COLUMNS, (schema, table)).fetchall()}
            keys = [name for name in PARTITION if name in there]
            query = sql.SQL("select {} from {}").format(
                sql.SQL(", ").join([*map(sql.Identifier, keys), sql.SQL("count(*)")]), sql.Identifier(schema, table)
            )
            if keys:
                query += sql.SQL(" group by ") + sql.SQL(", ").join(map(sql.Identifier, keys))
            for *values, count in connection.execute(query).fetchall():
                yield " ".join([f"{schema}.{table}", *map(str, values)]), count


def _objects(stack: Stack) -> Iterator[tuple[str, int]]:
    s3 = aws_client(stack, "s3")
    for bucket in (each["Name"] for each in s3.list_buckets()["Buckets"] if CODE not in each["Name"]):
        for part in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for item in part.get("Contents", []):
                name = f"s3://{bucket}/{item['Key']}"
                yield name, 1 if REPLACED in name else item["Size"]


def _runs(stack: Stack) -> Iterator[tuple[str, int]]:
    with _database(stack, "airflow", "airflow", "airflow") as connection:
        for dag, run, state, tasks in connection.execute(RUNS).fetchall():
            yield f"run {dag} {run} {state}", tasks


def _database(stack: Stack, name: str, user: str, secret: str) -> closing[psycopg.Connection[Any]]:
    password = stack.home.secrets()[secret]
    return closing(psycopg.connect(host=LOOPBACK, port=stack.ports.postgres, dbname=name, user=user, password=password))
