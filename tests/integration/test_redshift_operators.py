"""Airflow's standard operators, unmodified, and our COPY, against the Redshift endpoint."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import redshift_connector

from tests.support.warehouse_fixture import BUCKET, HOST, SECRETS, Warehouse
from tests.support.xcoms import Instance

KEY = "operators/part"


@pytest.fixture
def loader(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[redshift_connector.Connection]:
    """Airflow's two connections in the environment, and a table ops.t with one row that a load will meet again."""
    redshift = {
        "conn_type": "redshift", "host": HOST, "port": warehouse.port, "login": "loader",
        "password": SECRETS["loader"], "schema": "listings", "extra": {"ssl": False},
    }  # fmt: skip
    aws = {
        "conn_type": "aws", "login": "000000000000", "password": "example-secret-not-real",
        "extra": {"region_name": "us-east-1", "endpoint_url": warehouse.ministack.endpoint},
    }  # fmt: skip
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_TEST_REDSHIFT", json.dumps(redshift))
    monkeypatch.setenv("AIRFLOW_CONN_TEST_AWS", json.dumps(aws))
    warehouse.put_parquet(KEY, pa.table({"id": pa.array([1, 2], pa.int64()), "name": ["new", "two"]}))
    with contextlib.closing(warehouse.driver()) as connection:
        cursor = connection.cursor()
        cursor.execute("drop schema if exists ops cascade")
        cursor.execute("create schema ops")
        cursor.execute("create table ops.t (id bigint not null, name varchar(8), primary key (id))")
        cursor.execute("insert into ops.t values (1, 'old'), (3, 'three')")
        connection.commit()
        yield connection


def rows(connection: redshift_connector.Connection, sql: str = "select * from ops.t order by 1, 2") -> list[list[Any]]:
    """What a query brings."""
    cursor = connection.cursor()
    cursor.execute(sql)
    return [list(row) for row in cursor.fetchall()]


METHODS = [
    ("APPEND", {}, [[1, "new"], [1, "old"], [2, "two"], [3, "three"]]),
    ("REPLACE", {"column_list": ["id", "name"]}, [[1, "new"], [2, "two"]]),
    ("UPSERT", {"upsert_keys": ["id"]}, [[1, "new"], [2, "two"], [3, "three"]]),
    ("UPSERT", {}, [[1, "new"], [2, "two"], [3, "three"]]),
]


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize(("method", "options", "expected"), METHODS)
def test_s3_to_redshift(
    loader: redshift_connector.Connection, method: str, options: dict[str, Any], expected: Any, autocommit: bool
) -> None:
    """Each method of S3ToRedshiftOperator leaves the rows it promises; UPSERT finds the primary key by itself."""
    from airflow.providers.amazon.aws.transfers.s3_to_redshift import S3ToRedshiftOperator

    S3ToRedshiftOperator(
        task_id="copy", schema="ops", table="t", s3_bucket=BUCKET, s3_key=KEY, redshift_conn_id="test_redshift",
        aws_conn_id="test_aws", copy_options=["format as parquet"], method=method, autocommit=autocommit, **options,
    ).execute({})  # fmt: skip
    assert expected == rows(loader)


def copy_to_staging(instance: Instance, key: str = KEY) -> None:
    """Runs our COPY into ops.t as this instance."""
    from include.load.operator import CopyToStagingOperator

    CopyToStagingOperator(
        task_id="copy_listings", table="ops.t", s3_bucket=BUCKET, s3_key=key, redshift_conn_id="test_redshift",
        aws_conn_id="test_aws", copy_options=["FORMAT AS PARQUET"],
    ).execute({"ti": instance})  # fmt: skip


def test_our_copy_may_run_again(loader: redshift_connector.Connection) -> None:
    """Twice the same COPY leaves the file's rows once, and nothing of what was there before; nothing is noted."""
    instance = Instance("load_batch.copy_listings")
    for _ in range(2):
        copy_to_staging(instance)
        assert {} == instance.left
        assert [[1, "new"], [2, "two"]] == rows(loader)
        loader.rollback()


def test_our_copy_of_a_batch_without_sets_asks_nobody(loader: redshift_connector.Connection) -> None:
    """Where only days are decided anew there is no manifest: the staging table stays as it is."""
    copy_to_staging(Instance("load_batch.copy_listings"), "")
    assert [[1, "old"], [3, "three"]] == rows(loader)


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("poisoned", b"PAR1 and then no Parquet at all PAR1", "Parquet"),
        ("missing", None, "does not exist"),
    ],
)
def test_our_copy_notes_why_it_failed(
    loader: redshift_connector.Connection, warehouse: Warehouse, name: str, body: bytes | None, words: str
) -> None:
    """A file that cannot be read fails with the warehouse's reason, which is noted, and leaves the table as it was."""
    from include.load.steps import noted_fault

    if body is not None:
        warehouse.put(f"operators/{name}", body)

    failed = Instance("load_batch.copy_listings", map_index=2)
    with pytest.raises(redshift_connector.Error) as raised:
        copy_to_staging(failed, f"operators/{name}")

    noted = noted_fault(failed, ["load_batch.copy_listings"])
    assert noted is not None
    assert f"load_batch.copy_listings: {raised.type.__name__}: {raised.value}" == noted
    assert (True, False) == (words in noted, "example-secret-not-real" in noted), noted
    assert [[1, "old"], [3, "three"]] == rows(loader)


def test_sql_execute_query_and_checks(loader: redshift_connector.Connection) -> None:
    """SQLExecuteQueryOperator runs several statements and returns rows; a failing check operator fails."""
    from airflow.providers.common.sql.operators.sql import SQLCheckOperator, SQLExecuteQueryOperator
    from airflow.sdk.exceptions import AirflowException

    statements = ["insert into ops.t values (4, 'four')", "select count(*) from ops.t"]
    result = SQLExecuteQueryOperator(task_id="result", conn_id="test_redshift", sql=statements).execute({})
    assert [3] == list(result[-1][0])
    bound = {"sql": "select name from ops.t where id = %s", "parameters": (4,)}
    result = SQLExecuteQueryOperator(task_id="result", conn_id="test_redshift", **bound).execute({})
    assert ["four"] == list(result[0])
    SQLCheckOperator(task_id="good", conn_id="test_redshift", sql="select count(*) = 3 from ops.t").execute({})
    with pytest.raises(AirflowException):
        SQLCheckOperator(task_id="bad", conn_id="test_redshift", sql="select count(*) = 4 from ops.t").execute({})


def test_the_hook_rolls_back(loader: redshift_connector.Connection) -> None:
    """With autocommit off, RedshiftSQLHook keeps nothing of statements of which the last fails."""
    from airflow.providers.amazon.aws.hooks.redshift_sql import RedshiftSQLHook

    with pytest.raises(redshift_connector.Error):
        RedshiftSQLHook("test_redshift").run(["delete from ops.t", "select 1 / 0"], autocommit=False)
    assert [[1, "old"], [3, "three"]] == rows(loader)
