"""PostgreSQL behind the endpoint fails under a load: connections killed, room used up, locks held. Core stays whole."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import psutil
import psycopg
import pyarrow as pa
import pytest
import redshift_connector

from include.warehouse.audit import record_suspects, suspicions
from include.warehouse.sql_files import Connection
from tests.support.staged_sets import core, load, load_staged, rows, seen, stage
from tests.support.warehouse_fixture import KEYS, Warehouse

BEFORE = seen({1: 100, 2: 200})
SET = seen({1: 110, 3: 300}, day=23)
# More rows than fit on a table's last page.
MANY = seen(dict.fromkeys(range(1, 401), 100), day=23)
NUMBERS = 1_000_000
# More than a segment of the write-ahead log, so that the log itself is not what runs out of room.
ROOM = 17 * 1024 * 1024


class InBackground:
    """Something that runs in a thread; `fault` is what it raised."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.fault: Exception | None = None
        self.result: object = None
        self._thread = threading.Thread(target=self._run, args=(work,))
        self._thread.start()

    def _run(self, work: Callable[[], object]) -> None:
        try:
            self.result = work()
        except Exception as fault:  # noqa: BLE001 - handed to the test
            self.fault = fault

    def wait(self) -> None:
        """Waits for its end."""
        self._thread.join(30)
        assert not self._thread.is_alive()


@pytest.fixture
def admin(warehouse: Warehouse) -> Iterator[psycopg.Connection[Any]]:
    """PostgreSQL as its administrator, past the endpoint."""
    with warehouse.postgres.connect() as connection:
        yield connection


def backend(admin: psycopg.Connection[Any], where: str) -> int:
    """The process of the one session of the loader's of which this is true, as soon as it is."""
    sql = "select pid from pg_stat_activity where usename = 'loader' and state = 'active' and " + where
    end = time.monotonic() + 20
    while not (found := admin.execute(sql).fetchone()):  # type: ignore[call-overload]
        assert time.monotonic() < end, f"no session where {where}"
        time.sleep(0.02)
    return int(found[0])


@contextlib.contextmanager
def locked(warehouse: Warehouse, table: str) -> Iterator[None]:
    """While it lasts, somebody else holds a table."""
    with warehouse.postgres.connect() as somebody, somebody.transaction():
        somebody.execute(f"lock table {table} in access exclusive mode")  # type: ignore[call-overload]
        yield


def test_a_session_killed_in_a_copy_leaves_the_table_as_it_was(
    warehouse: Warehouse, admin: psycopg.Connection[Any]
) -> None:
    """The COPY fails saying so, nothing of it is there, and the same COPY over a new connection loads everything."""
    url, _ = warehouse.put_parquet("outage/part", pa.table({"id": pa.array(range(NUMBERS), pa.int64())}))
    copy = f"copy outage.t from '{url}' {KEYS} parquet"
    with contextlib.closing(warehouse.driver()) as connection:
        connection.cursor().execute("drop schema if exists outage cascade")
        connection.cursor().execute("create schema outage")
        connection.cursor().execute("create table outage.t (id bigint)")
        connection.commit()
        copying = InBackground(lambda: connection.cursor().execute(copy))
        admin.execute("select pg_terminate_backend(%s)", (backend(admin, "query ilike 'copy%%outage%%'"),))
        copying.wait()
    assert isinstance(copying.fault, redshift_connector.Error)
    assert "server socket closed" in str(copying.fault)
    with contextlib.closing(warehouse.driver()) as connection:
        assert [(0,)] == rows(connection, "select count(*) from outage.t")
        connection.cursor().execute(copy)
        assert [[NUMBERS]] == [list(row) for row in connection.cursor().execute("select count(*) from outage.t")]


def test_a_session_killed_in_the_middle_of_a_load_leaves_core_as_it_was(
    warehouse: Warehouse, core_tables: Connection, admin: psycopg.Connection[Any], connect: Callable[[], Any]
) -> None:
    """Killed with snapshots replaced and history not yet written, the load leaves neither; it is done again whole."""
    load(core_tables, "b0", BEFORE)
    before, batch, doomed = core(core_tables), stage(core_tables, "b1", SET), connect()
    with locked(warehouse, "core.listing_history"):
        loading = InBackground(lambda: load_staged(doomed, batch))
        admin.execute("select pg_terminate_backend(%s)", (backend(admin, "wait_event_type = 'Lock'"),))
        loading.wait()
    assert loading.fault is not None
    assert before == core(core_tables)
    record_suspects(core_tables, batch, loading.fault)
    assert 2 == load_staged(core_tables, batch).accepted
    assert {} == suspicions(core_tables, date(2026, 11, 23))


def test_a_held_table_is_waited_for(
    warehouse: Warehouse, core_tables: Connection, admin: psycopg.Connection[Any]
) -> None:
    """A load that meets somebody's lock waits for it and then comes through, whichever of its tables it is."""
    for number, table in enumerate(("core.load_audit", "core.listings")):
        batch = stage(core_tables, f"b{number}", SET)
        with locked(warehouse, table):
            loading = InBackground(lambda batch=batch: load_staged(core_tables, batch))  # type: ignore[misc]
            backend(admin, "wait_event_type = 'Lock'")
        loading.wait()
        assert (None, 2) == (loading.fault, getattr(loading.result, "accepted", None))


def test_a_disk_without_room_fails_the_load_and_changes_nothing(
    warehouse: Warehouse, core_tables: Connection, admin: psycopg.Connection[Any], connect: Callable[[], Any]
) -> None:
    """Where a table's file cannot grow, the load fails with the file's name, core is as before, and room mends it.

    The room is taken from the one server process that serves the load: the kernel refuses to let it make a file
    longer than what the table has already. PostgreSQL gets the refusal at the same place as on a full disk.
    """
    load(core_tables, "b0", BEFORE)
    with warehouse.postgres.connect() as reader, reader.transaction():
        reader.execute("set transaction isolation level repeatable read")
        reader.execute("select 1")  # whoever still sees the rows that go keeps their room from being used
        room = fill(admin, ROOM)
        before, batch, doomed = core(core_tables), stage(core_tables, "b1", MANY), connect()
        with locked(warehouse, "core.load_audit"):
            loading = InBackground(lambda: load_staged(doomed, batch))
            process = backend(admin, "wait_event_type = 'Lock'")
            limit_files(process, room)
        loading.wait()
    assert "could not extend file" in str(loading.fault)
    assert ["load/060_history.sql"] == [note.rsplit(" ", 1)[-1] for note in getattr(loading.fault, "__notes__", [])]
    assert before == core(core_tables)
    assert loading.fault is not None
    record_suspects(core_tables, batch, loading.fault)
    assert 400 == load_staged(core_tables, batch).accepted
    assert {} == suspicions(core_tables, date(2026, 11, 23))


def limit_files(process: int, size: int) -> None:
    """No file that the process writes may get longer than this; done as its own user, who may ask for that."""
    owner = psutil.Process(process)
    user, group = owner.uids().real, owner.gids().real
    as_owner: dict[str, Any] = {} if user == os.getuid() else {"user": user, "group": group, "extra_groups": []}
    subprocess.run(
        ["/bin/sh", "-c", ":"],
        check=True,
        preexec_fn=lambda: resource.prlimit(process, resource.RLIMIT_FSIZE, (size, size)),
        **as_owner,
    )


def fill(admin: psycopg.Connection[Any], size: int) -> int:
    """Makes the history's file at least so long, of rows that are gone and whose room is not free yet; its length."""
    admin.execute("alter table core.listing_history set (autovacuum_enabled = false)")
    admin.execute("create temporary table one as select * from core.listing_history limit 1")
    admin.execute("update one set source = 'filler'")
    while (length := _length(admin)) < size:
        admin.execute("insert into core.listing_history select one.* from one cross join generate_series(1, 20000)")
    admin.execute("delete from core.listing_history where source = 'filler'")
    return length


def _length(admin: psycopg.Connection[Any]) -> int:
    [[length]] = admin.execute("select pg_relation_size('core.listing_history')").fetchall()
    return int(length)
