"""Migrations against the local Redshift: applied once, by one, and never under a changed text."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest

from include.warehouse.migrations import ChangedMigration, migrate
from include.warehouse.sql_files import DDL_FILES, Connection
from tests.support.staged_sets import HUMBLE, as_the_newest_won, drop_all, load, loaded_turns, rows, seen


def test_a_second_migrate_has_nothing_to_do(core_tables: Connection) -> None:
    """All files are applied to an empty database in order, and none the second time."""
    drop_all(core_tables)
    assert list(DDL_FILES) == migrate(core_tables)
    assert [] == migrate(core_tables)
    assert [(int(Path(name).name[:3]), name) for name in DDL_FILES] == rows(
        core_tables, "select number, name from core.schema_migrations order by number"
    )


def test_migrates_at_once_apply_each_file_once(core_tables: Connection, connect: Callable[[], Any]) -> None:
    """Four first starts at the same moment leave a ledger with each file once, and none of them fails."""
    drop_all(core_tables)
    start, applied, faults = Barrier(4), [], []

    def one() -> None:
        with closing(connect()) as connection:
            try:
                start.wait(timeout=30)
                applied.extend(migrate(connection))
            except Exception as fault:  # noqa: BLE001 - handed to the test
                faults.append(fault)

    threads = [Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=240)
    assert [] == faults
    assert list(DDL_FILES) == sorted(applied)
    assert [(name,) for name in DDL_FILES] == rows(core_tables, "select name from core.schema_migrations order by 1")


def test_a_changed_file_is_refused_by_name(core_tables: Connection) -> None:
    """A file that differs from what was applied under its number stops the migration and says what to do."""
    with closing(core_tables.cursor()) as cursor:
        cursor.execute("update core.schema_migrations set sha256 = 'feedfeedfeed' where number = 4")
    core_tables.commit()
    with pytest.raises(ChangedMigration, match=r"ddl/004_listings\.sql .* applied as number 4 .* new file"):
        migrate(core_tables)
    drop_all(core_tables)
    migrate(core_tables)


def test_an_interrupted_migration_is_finished_later(core_tables: Connection) -> None:
    """A file that was never recorded is applied by the next migrate, the others are left alone."""
    with closing(core_tables.cursor()) as cursor:
        for table in ("core.load_audit", "staging.sets"):
            cursor.execute(f"alter table {table} drop column replay")
        cursor.execute("delete from core.schema_migrations where number = 10")
    core_tables.commit()
    assert ["ddl/010_replays.sql"] == migrate(core_tables)


def test_a_warehouse_from_before_replays_keeps_its_audit(core_tables: Connection) -> None:
    """Sets loaded before the audit knew of replays are loaded afterwards too, each by its first turn."""
    loaded = seen({1: 100})
    load(core_tables, "b1", loaded)
    with closing(core_tables.cursor()) as cursor:
        for table in ("core.load_audit", "staging.sets"):
            cursor.execute(f"alter table {table} drop column replay")
        cursor.execute("delete from core.schema_migrations where number = 10")
    core_tables.commit()

    migrate(core_tables)

    assert {loaded.ready.turn} == loaded_turns(core_tables, "2026-11-22")


def test_a_warehouse_from_before_sold_at_is_filled_from_the_next_load_on(core_tables: Connection) -> None:
    """The migration leaves the date of a sale null in what is loaded; the next load keeps it, day and listing alike."""
    load(core_tables, "b1", seen({1: 100}))
    with closing(core_tables.cursor()) as cursor:
        for table in ("staging.listings", "core.listing_snapshots", "core.listings"):
            cursor.execute(f"alter table {table} drop column sold_at")
        cursor.execute("delete from core.schema_migrations where number = 27")
    core_tables.commit()

    assert ["ddl/027_sold_at.sql"] == migrate(core_tables)
    load(core_tables, "b2", seen({1: 100}, day=23, rows={1: {"sold_at": "2026-06-03 04:00:00"}}))

    sold_at = datetime(2026, 6, 3, 4)  # noqa: DTZ001 - the warehouse's TIMESTAMP is UTC without saying so
    assert [(None,), (sold_at,)] == rows(
        core_tables, "select sold_at from core.listing_snapshots order by snapshot_date"
    )
    assert [(sold_at,)] == rows(core_tables, "select sold_at from core.listings")


def test_days_that_the_newest_held_are_judged_by_the_rule(core_tables: Connection) -> None:
    """The audit of before says which set should hold each day, and why the others do not; the rows stay."""
    fuller, newest = seen(dict.fromkeys(range(1, 11), 100)), seen({1: 110}, hour=9)
    right = seen({5: 500}, market=HUMBLE)
    load(core_tables, "b1", newest, right)
    as_the_newest_won(core_tables, fuller, newest)
    assert ["ddl/023_which_set_holds.sql"] == migrate(core_tables)

    judged = "select set_id, verdict, should_hold, withdrawn from core.load_audit order by observed_at, set_id"
    assert [
        (fuller.set_id, "not_at_hand", fuller.set_id, 0),
        (right.set_id, "holds", None, 0),
        (newest.set_id, "holds", fuller.set_id, 0),
    ] == rows(core_tables, judged)
    assert [(1,), (5,)] == rows(core_tables, "select zpid from core.listing_snapshots order by 1")
