"""COPY through the Redshift endpoint: what is loaded, what is refused, what others see; and the standard operators."""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
import time
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest
import redshift_connector

from tests.support.warehouse_fixture import BUCKET, KEYS, Warehouse

COLUMNS = "id bigint, name varchar(8), price decimal(14,2), day date, seen timestamp, is_new boolean, n integer"
SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("name", pa.string()),
        ("price", pa.decimal128(14, 2)),
        ("day", pa.date32()),
        ("seen", pa.timestamp("us")),
        ("is_new", pa.bool_()),
        ("n", pa.int32()),
    ]
)
ROW = (
    1,
    'a,"b"\n',
    Decimal("12.50"),
    date(2026, 11, 22),
    datetime.fromisoformat("2026-11-22T06:00:00.123456"),
    True,
    7,
)
FAILED = "Load into table 't' failed.  Check 'stl_load_errors' system table for details."
ROLE = "arn:aws:iam::000000000000:role/copy-reader"


def table(*rows: tuple[Any, ...], schema: pa.Schema = SCHEMA) -> pa.Table:
    """Rows as an Arrow table."""
    return pa.table(
        [pa.array(list(values), field.type) for values, field in zip(zip(*rows, strict=True), schema, strict=True)],
        schema=schema,
    )


def ids(*numbers: int) -> pa.Table:
    """Rows that differ in their id."""
    return table(*((number, *ROW[1:]) for number in numbers))


@pytest.fixture
def loader(warehouse: Warehouse) -> Iterator[redshift_connector.Connection]:
    """A driver's connection and an empty table copying.t."""
    with contextlib.closing(warehouse.driver()) as connection:
        cursor = connection.cursor()
        for sql in ("drop schema if exists copying cascade", "create schema copying"):
            cursor.execute(sql)
        cursor.execute(f"create table copying.t ({COLUMNS})")
        connection.commit()
        yield connection


def run(connection: redshift_connector.Connection, sql: str) -> None:
    """Execute without a result."""
    connection.cursor().execute(sql)


def rows(connection: redshift_connector.Connection, sql: str) -> list[tuple[Any, ...]]:
    """What a query brings, as tuples."""
    cursor = connection.cursor()
    cursor.execute(sql)
    return [tuple(row) for row in cursor.fetchall()]


def fails(connection: redshift_connector.Connection, sql: str) -> dict[str, str]:
    """The fields of the error that a statement ends with; the transaction is rolled back."""
    with pytest.raises(redshift_connector.Error) as error:
        run(connection, sql)
    connection.rollback()
    fields: dict[str, str] = error.value.args[0]
    return fields


def errors(connection: redshift_connector.Connection, url: str) -> list[tuple[Any, ...]]:
    """What stl_load_errors holds about a file."""
    return rows(
        connection,
        f"select line_number, colname, raw_field_value, err_code from stl_load_errors where filename = '{url}'",
    )


def test_parquet_comes_in_unchanged(warehouse: Warehouse, loader: redshift_connector.Connection) -> None:
    """Each type's value, NULLs, empty text, commas, quotes and newlines come out of the table as they were."""
    nothing = (2, None, None, None, None, None, None)
    empty = (3, "", *ROW[2:])
    url, _ = warehouse.put_parquet("types/part-0", table(ROW, nothing, empty))
    run(loader, f"copy copying.t from '{url}' {KEYS} format as parquet")
    assert [ROW, nothing, empty] == rows(loader, "select * from copying.t order by id")
    assert [(3,)] == rows(loader, "select pg_last_copy_count()")


def test_a_prefix_is_not_a_name(warehouse: Warehouse, loader: redshift_connector.Connection) -> None:
    """A COPY of part-1 loads part-10 as well, as on S3."""
    url, _ = warehouse.put_parquet("prefix/part-1", ids(1))
    warehouse.put_parquet("prefix/part-10", ids(10))
    warehouse.put_parquet("prefix/part-2", ids(2))
    run(loader, f"copy copying.t from '{url}' {KEYS} parquet")
    assert [(1,), (10,)] == rows(loader, "select id from copying.t order by 1")


def manifest(*entries: tuple[str, int | None, bool]) -> bytes:
    """A manifest of (url, content_length, mandatory)."""
    return json.dumps(
        {
            "entries": [
                {"url": url, "mandatory": must, **({} if size is None else {"meta": {"content_length": size}})}
                for url, size, must in entries
            ]
        }
    ).encode()


def test_a_manifest_loads_what_it_names(warehouse: Warehouse, loader: redshift_connector.Connection) -> None:
    """A manifest loads exactly its files; one that is gone and not mandatory is passed over."""
    first, size = warehouse.put_parquet("named/part-1", ids(1))
    warehouse.put_parquet("named/part-10", ids(10))
    url = warehouse.put("named.manifest", manifest((first, size, True), (f"s3://{BUCKET}/gone", 5, False)))
    run(loader, f"copy copying.t from '{url}' {KEYS} format as parquet manifest")
    assert [(1,)] == rows(loader, "select id from copying.t")


MANIFEST_FAULTS = [
    ("gone", 5, True, "NoSuchKey"),
    ("faulty/part-1", None, True, "needs meta.content_length"),
    ("faulty/part-1", 5, True, "meta.content_length says 5"),
]


@pytest.mark.parametrize(("key", "size", "mandatory", "message"), MANIFEST_FAULTS)
def test_a_faulty_manifest_loads_nothing(
    warehouse: Warehouse,
    loader: redshift_connector.Connection,
    key: str,
    size: int | None,
    mandatory: bool,
    message: str,
) -> None:
    """A missing mandatory file, a missing length and a wrong length each fail the load by name."""
    warehouse.put_parquet("faulty/part-1", ids(1))
    url = warehouse.put("faulty.manifest", manifest((f"s3://{BUCKET}/{key}", size, mandatory)))
    assert message in fails(loader, f"copy copying.t from '{url}' {KEYS} format as parquet manifest")["M"]
    assert [(0,)] == rows(loader, "select count(*) from copying.t")


def test_a_role_reads_what_its_policy_allows(warehouse: Warehouse, loader: redshift_connector.Connection) -> None:
    """COPY with a role is made with that role's rights: allowed keys load, S3 refuses the others."""
    iam = warehouse.ministack.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "sts:AssumeRole"}
    allowed = [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{BUCKET}"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/open/*"},
    ]
    iam.create_role(
        RoleName="copy-reader", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    iam.put_role_policy(
        RoleName="copy-reader",
        PolicyName="p",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": allowed}),
    )
    url, _ = warehouse.put_parquet("open/part", ids(1))
    closed, _ = warehouse.put_parquet("closed/part", ids(2))
    run(loader, f"copy copying.t from '{url}' credentials 'aws_iam_role={ROLE}' format as parquet")
    loader.commit()
    assert "AccessDenied" in fails(loader, f"copy copying.t from '{closed}' iam_role '{ROLE}' format as parquet")["M"]
    said = fails(loader, f"copy copying.t from '{url}' iam_role '{ROLE}-not' format as parquet")["M"]
    assert f"User loader is not authorized to assume IAM Role {ROLE}-not" == said
    assert [(1,)] == rows(loader, "select id from copying.t")


def test_a_copy_is_part_of_its_transaction(warehouse: Warehouse, loader: redshift_connector.Connection) -> None:
    """Nobody else sees a COPY before the commit, and a rollback takes it back."""
    url, _ = warehouse.put_parquet("transaction/part", ids(1, 2, 3))
    run(loader, f"copy copying.t from '{url}' {KEYS} parquet")
    with warehouse.psycopg() as other:
        assert [(3,)] == rows(loader, "select count(*) from copying.t")
        assert (0,) == other.execute("select count(*) from copying.t").fetchone()
    loader.rollback()
    assert [(0,)] == rows(loader, "select count(*) from copying.t")


WRONG = [
    (
        SCHEMA.remove(6),
        ROW[:6],
        "Unmatched number of columns between table and file. Table columns: 7, Data columns: 6",
    ),
    (
        SCHEMA.set(0, pa.field("id", pa.int32())),
        ROW,
        "incompatible Parquet schema for column 'id'. Column type: BIGINT",
    ),
    (SCHEMA.set(2, pa.field("price", pa.decimal128(14, 3))), ROW, "incompatible Parquet schema for column 'price'"),
    (SCHEMA.set(2, pa.field("price", pa.float64())), (*ROW[:2], 1.5, *ROW[3:]), "for column 'price'"),
    (SCHEMA.set(4, pa.field("seen", pa.timestamp("ns"))), ROW, "incompatible Parquet schema for column 'seen'"),
    (SCHEMA, (1, "äöüßé", *ROW[2:]), "Table: 8, Data: 10"),
]


@pytest.mark.parametrize(("schema", "row", "message"), WRONG)
def test_parquet_that_does_not_fit(
    warehouse: Warehouse, loader: redshift_connector.Connection, schema: pa.Schema, row: tuple[Any, ...], message: str
) -> None:
    """Another number of columns, another type, or more bytes than the column has fail the load and are recorded."""
    url, _ = warehouse.put_parquet(f"wrong/{time.monotonic_ns()}", table(row, schema=schema))
    told = fails(loader, f"copy copying.t from '{url}' {KEYS} parquet")
    assert "Spectrum Scan Error" == told["M"]
    assert message in told["D"]
    assert [15001] == [row[3] for row in errors(loader, url)]
    assert [(0,)] == rows(loader, "select count(*) from copying.t")


def test_bytes_that_are_no_parquet_are_an_error(warehouse: Warehouse, loader: redshift_connector.Connection) -> None:
    """A file that is not Parquet fails the load, is named, and leaves the session usable."""
    url = warehouse.put("garbage/part", b"not parquet at all")
    assert "Invalid Parquet file" in fails(loader, f"copy copying.t from '{url}' {KEYS} parquet")["D"]
    assert [(1,)] == rows(loader, "select 1")


def test_csv_as_redshift_reads_it(warehouse: Warehouse, loader: redshift_connector.Connection) -> None:
    """CSV with a header, quotes and gzip: empty text stays empty, other empty fields and \\N are NULL."""
    header, first = b"id,name,price,day,seen,is_new,n\n", b'1,"a ""b""",12.50,2026-11-22,2026-11-22 06:00:00,true,7\n'
    body = header + first + b"2,,,,,,\n3,\\N,,,,,\n"
    url = warehouse.put("csv/file.csv.gz", gzip.compress(body))
    run(loader, f"copy copying.t from '{url}' {KEYS} csv ignoreheader 1 gzip region 'us-east-1'")
    expected = [
        (1, 'a "b"', Decimal("12.50"), date(2026, 11, 22), datetime.fromisoformat("2026-11-22T06:00:00"), True, 7),
        (2, "", None, None, None, None, None),
        (3, None, None, None, None, None, None),
    ]
    assert expected == rows(loader, "select * from copying.t order by id")


BAD_CSV = [
    (b"1,a,1,,,,\n2,b,x9,,,,\n", (3, "price", "x9", 1207)),
    (b"1,a,1,22.13.2026,,,\n", (2, "day", "22.13.2026", 1205)),
    (b"1,a\n", (2, "name", "1,a", 1201)),
    (b"1,a,1,,,,,8\n", (2, "n", "1,a,1,,,,,8", 1202)),
    (b"1,longer than 8,1,,,,\n", (2, "name", "longer than 8", 1204)),
]


@pytest.mark.parametrize(("body", "expected"), BAD_CSV)
def test_load_errors_survive_the_rollback(
    warehouse: Warehouse, loader: redshift_connector.Connection, body: bytes, expected: tuple[Any, ...]
) -> None:
    """A bad row is in stl_load_errors after the rollback, by file, line and column, for its user only."""
    url = warehouse.put(f"bad/{time.monotonic_ns()}.csv", b"header\n" + body)
    assert FAILED == fails(loader, f"copy copying.t from '{url}' {KEYS} csv ignoreheader 1")["M"]
    assert [expected] == errors(loader, url)
    with contextlib.closing(warehouse.driver("reader")) as reader:
        assert [] == errors(reader, url)


def test_nothing_to_load_is_an_error(warehouse: Warehouse, loader: redshift_connector.Connection) -> None:
    """A prefix without objects, a bucket that is not there and a table that is not there are errors by name."""
    assert "'no/such' does not exist" in fails(loader, f"copy copying.t from 's3://{BUCKET}/no/such' {KEYS} csv")["M"]
    assert "NoSuchBucket" in fails(loader, f"copy copying.t from 's3://no-such-bucket/x' {KEYS} csv")["M"]
    gone = fails(loader, f"copy copying.gone from 's3://{BUCKET}/x' {KEYS} csv")
    assert ("42P01", "Cannot COPY into nonexistent table gone") == (gone["C"], gone["M"])


def test_a_reader_cannot_copy(warehouse: Warehouse, loader: redshift_connector.Connection) -> None:
    """COPY needs the right to insert."""
    run(loader, "grant usage on schema copying to reader")
    run(loader, "grant select on copying.t to reader")
    loader.commit()
    url, _ = warehouse.put_parquet("rights/part", ids(1))
    with contextlib.closing(warehouse.driver("reader")) as reader:
        assert "42501" == fails(reader, f"copy copying.t from '{url}' {KEYS} parquet")["C"]


BIG = 3_000_000


@pytest.fixture(scope="module")
def big(warehouse: Warehouse) -> str:
    """A file that takes a second or two to load."""
    numbers = pa.array(range(BIG), pa.int64())
    columns = [numbers] + [pa.nulls(BIG, field.type) for field in list(SCHEMA)[1:]]
    return warehouse.put_parquet("big/part", pa.table(columns, schema=SCHEMA))[0]


def test_a_copy_can_be_cancelled(warehouse: Warehouse, loader: redshift_connector.Connection, big: str) -> None:
    """A cancel request in the middle of a COPY ends it with nothing loaded, and the session goes on."""
    with warehouse.psycopg() as connection:
        timer = threading.Timer(0.4, connection.cancel)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute(f"copy copying.t from '{big}' {KEYS} parquet")
        timer.join()
        assert (0,) == connection.execute("select count(*) from copying.t").fetchone()


def test_a_client_lost_in_a_copy_leaves_nothing(
    warehouse: Warehouse, loader: redshift_connector.Connection, big: str
) -> None:
    """When the client's line is cut in the middle of a COPY, PostgreSQL's session ends and the rows are gone."""
    connection = warehouse.psycopg()
    process = connection.info.backend_pid
    connection.pgconn.send_query(f"copy copying.t from '{big}' {KEYS} parquet".encode())
    time.sleep(0.4)
    with warehouse.postgres.connect() as admin:
        alive = "select count(*) from pg_stat_activity where pid = %s and state = 'active'"
        assert (1,) == admin.execute(alive, (process,)).fetchone()
        connection.close()
        deadline = time.monotonic() + 10
        while admin.execute(alive, (process,)).fetchone() != (0,):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert [(0,)] == rows(loader, "select count(*) from copying.t")
