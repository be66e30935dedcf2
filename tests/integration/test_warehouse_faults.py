"""What a failing load leaves behind: nothing in core, the sets on record as suspect, the next load unhindered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from threading import Barrier, Thread
from typing import Any

import pytest

from include.base.batches import Suspicion
from include.warehouse.audit import record_suspects, suspicions
from include.warehouse.batch_load import load_batch
from include.warehouse.sql_files import CHECK_FILES, LOAD_FILES, ChecksFailed, Connection, render
from tests.support.staged_sets import (
    HOUSTON,
    HUMBLE,
    Seen,
    audit,
    batch_of,
    core,
    load,
    load_staged,
    rows,
    seen,
    stage,
    wake,
)

GOOD = seen({1: 100, 2: 200}, reasons=["price_missing"])


def changed(row: dict[str, Any]) -> Seen:
    """Day 23 with a listing whose columns are not what they should be."""
    return seen({1: 100, 2: 200}, day=23, rows={2: row})


@pytest.mark.parametrize(
    ("bad", "check", "evidence"),
    [
        (seen({1: 100}, day=23, says={"landed": 3}), "checks/010_landed_counts.sql", {"landed": 3, "unaccounted": 2}),
        (
            seen({1: 100}, day=23, not_listings=3, says={"landed": 1}),
            "checks/010_landed_counts.sql",
            {"not_listings": 3, "unaccounted": -3},
        ),
        (
            seen({1: 100}, day=23, says={"clean": 2, "landed": 2}),
            "checks/020_staged_counts.sql",
            {"staged_table": "listings", "expected_rows": 2, "staged_rows": 1},
        ),
        (
            seen({1: 100}, day=23, reasons=["price_missing"], says={"rejected": 0, "landed": 1}),
            "checks/020_staged_counts.sql",
            {"staged_table": "rejects", "expected_rows": 0, "staged_rows": 1},
        ),
        (
            changed({"market": "nowhere-tx"}),
            "checks/020_staged_counts.sql",
            {"set_id": None, "market": "nowhere-tx", "expected_rows": 0, "staged_rows": 1},
        ),
        (changed({"price": -1}), "checks/030_staged_contract.sql", {"example_zpid": 2, "rows_found": 1}),
        (changed({"zpid": 0}), "checks/030_staged_contract.sql", {"broken_rule": "zpid >= 1", "example_zpid": 0}),
        (changed({"latitude": 91}), "checks/030_staged_contract.sql", {"broken_rule": "latitude in -90..90"}),
        (
            changed({"observed_at": GOOD.ready.observed}),
            "checks/030_staged_contract.sql",
            {"broken_rule": "observed_at = the observed_at of its set"},
        ),
        (changed({"zpid": 1}), "checks/050_unique_keys.sql", {"in_table": "staging.listings", "zpid": 1}),
    ],
)
def test_a_bad_set_fails_its_check_and_changes_nothing(
    core_tables: Connection, bad: Seen, check: str, evidence: dict[str, Any]
) -> None:
    """The check names the set and what is wrong, and a good set in the same batch is rolled back with it."""
    load(core_tables, "b0", GOOD)
    before, audited = core(core_tables), audit(core_tables)
    with pytest.raises(ChecksFailed, match=check) as failed:
        load(core_tables, "b1", bad, seen({5: 500}, market=HUMBLE, day=23))
    found = failed.value.evidence[check]
    assert any(evidence.items() <= row.items() for row in found), found
    assert bad.set_id in failed.value.set_ids
    assert (before, audited) == (core(core_tables), audit(core_tables))


@pytest.mark.parametrize(
    ("sabotage", "check"),
    [
        ("delete from core.listing_snapshots where zpid = 2", "checks/040_accepted_counts.sql"),
        ("update core.listing_snapshots set set_id = 'nobody' where zpid = 2", "checks/040_accepted_counts.sql"),
        ("update core.load_audit set superseded = 1", "checks/040_accepted_counts.sql"),
        ("update core.load_audit set superseded_by = 'nobody'", "checks/040_accepted_counts.sql"),
        (
            "insert into core.listing_snapshots select * from core.listing_snapshots where zpid = 2",
            "checks/050_unique_keys.sql",
        ),
        ("insert into core.listings select * from core.listings where zpid = 2", "checks/050_unique_keys.sql"),
        ("delete from core.listings where zpid = 2", "checks/060_newest_listings.sql"),
        (
            "update core.listings set observed_at = timestamp '2026-11-21 00:00:00' where zpid = 2",
            "checks/060_newest_listings.sql",
        ),
        ("delete from core.listing_history where zpid = 2", "checks/070_history_stretches.sql"),
        (
            "update core.listing_history set valid_to = date '2026-11-30' where zpid = 2",
            "checks/070_history_stretches.sql",
        ),
        ("update core.listing_history set days_seen = 9 where zpid = 2", "checks/070_history_stretches.sql"),
        (
            "update core.listing_history set last_seen_on = date '2026-11-01' where zpid = 2",
            "checks/070_history_stretches.sql",
        ),
        (
            "insert into core.listing_history select * from core.listing_history where zpid = 2",
            "checks/070_history_stretches.sql",
        ),
        ("delete from core.listing_rejects", "checks/080_kept_rejects.sql"),
        ("update core.listing_rejects set reason = ''", "checks/080_kept_rejects.sql"),
    ],
)
def test_a_load_that_went_wrong_inside_core_is_seen(core_tables: Connection, sabotage: str, check: str) -> None:
    """What a faulty load file would do to core is found by a check, and none of it is committed."""
    with pytest.raises(ChecksFailed, match=check):
        load(core_tables, "b1", GOOD, sabotage=[sabotage])
    assert [[], [], [], []] == list(core(core_tables).values())
    assert {} == audit(core_tables)


def test_every_check_is_seen_to_fail() -> None:
    """No check of the load is left out of the two tests above."""
    both = (test_a_bad_set_fails_its_check_and_changes_nothing, test_a_load_that_went_wrong_inside_core_is_seen)
    marks = [mark for test in both for mark in test.pytestmark if mark.name == "parametrize"]  # type: ignore[attr-defined]
    assert set(CHECK_FILES) == {case[1] for mark in marks for case in mark.args[1]}


def test_an_error_of_the_database_rolls_back_and_says_where(core_tables: Connection) -> None:
    """A statement that fails is named by its file and number, and nothing of the load remains."""
    with pytest.raises(Exception, match="division by zero") as failed:
        load(core_tables, "b1", GOOD, sabotage=["-- load/999_faulty.sql\n\nselect 1;\n\nselect 1 / 0;"])
    assert ["in statement 2 of load/999_faulty.sql"] == failed.value.__notes__
    assert [[], [], [], []] == list(core(core_tables).values())


def test_suspects_outlive_the_rollback_until_they_load(core_tables: Connection) -> None:
    """Each set of a failed batch is known by it and by the hours in which it failed alone, until it is loaded."""
    bad = seen({5: 500}, market=HUMBLE, says={"landed": 3})
    for batch_id in ("b1", "b2"):
        sets = (GOOD, bad) if batch_id == "b1" else (bad,)
        with pytest.raises(ChecksFailed) as failed:
            load(core_tables, batch_id, *sets)
        record_suspects(core_tables, batch_of(batch_id, *sets), failed.value)
        an_hour_passes(core_tables)
    assert {
        (GOOD.set_id, None): Suspicion("b1", 0),
        (bad.set_id, None): Suspicion("b2", 1),
    } == suspicions(core_tables, date(2026, 11, 22))
    assert {} == suspicions(core_tables, date(2026, 11, 23))
    load(core_tables, "b3", GOOD)
    assert {(bad.set_id, None): Suspicion("b2", 1)} == suspicions(core_tables, date(2026, 11, 22))
    errors = rows(core_tables, "select error from core.load_audit where status = 'suspect' and set_id = %s", bad.set_id)
    assert all("checks/010_landed_counts.sql failed" in error and bad.set_id in error for (error,) in errors)


def test_a_short_outage_counts_one_failure(core_tables: Connection) -> None:
    """Failures within an hour of the clock are one, those of two hours are two, also when minutes lie between."""
    for number in range(3):
        record_suspects(core_tables, batch_of(f"b{number}", GOOD), "no connection to S3")
        run(
            core_tables,
            f"update core.load_audit set recorded_at = '2026-11-22 07:5{number}:00' where batch_id = 'b{number}'",
        )
    assert {(GOOD.set_id, None): Suspicion("b2", 1)} == suspicions(core_tables, date(2026, 11, 22))

    run(core_tables, "update core.load_audit set recorded_at = '2026-11-22 08:01:00' where batch_id = 'b2'")
    assert {(GOOD.set_id, None): Suspicion("b2", 2)} == suspicions(core_tables, date(2026, 11, 22))


def test_1100_sets_that_failed_together_are_loaded_but_the_bad_one(core_tables: Connection) -> None:
    """Wake by wake, as planned from the audit: the bad set stands alone in the end, all others are in the warehouse."""
    sets = [seen({number: 100}, market=f"m-{number:04d}-tx") for number in range(1, 1101)]
    sets[700] = seen({701: 100}, market="m-0701-tx", says={"landed": 3})
    wakes = 0
    while plan := wake(core_tables, sets, f"run {wakes}", retries=0):
        wakes += 1
        assert len(plan) <= 2

    assert set(range(1, 1101)) - {701} == {zpid for (zpid,) in rows(core_tables, "select zpid from core.listings")}
    assert {(sets[700].set_id, None): 1} == {
        turn: known.hours_alone for turn, known in suspicions(core_tables, date(2026, 11, 22)).items()
    }
    assert 12 >= wakes


def an_hour_passes(connection: Connection) -> None:
    """Makes what was recorded an hour older."""
    run(connection, "update core.load_audit set recorded_at = dateadd(hour, -1, recorded_at)")


def run(connection: Connection, sql: str) -> None:
    """Changes the warehouse behind the pipeline's back."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
    connection.commit()


def test_a_long_reason_fits_its_column_in_bytes(core_tables: Connection) -> None:
    """An error of 5,000 two-byte characters is cut to the column's 2,000 bytes."""
    record_suspects(core_tables, batch_of("b1", GOOD), "é" * 5000)
    assert [("é" * 1000,)] == rows(core_tables, "select error from core.load_audit")


class CutsTheLine(list[str]):
    """Load files after which the connection dies."""

    def __init__(self, files: list[str], cut: Callable[[], None]) -> None:
        super().__init__(files)
        self._cut = cut

    def __iter__(self) -> Iterator[str]:
        yield from super().__iter__()
        self._cut()
        yield "select 1"


def test_a_connection_cut_before_the_commit_leaves_nothing_and_no_lock(
    core_tables: Connection, connect: Callable[[], Any], cut: Callable[[Any], None]
) -> None:
    """The load fails, core is as before, and the same staged batch loads over a new connection."""
    batch = stage(core_tables, "b1", GOOD)
    doomed = connect()
    load_sql = CutsTheLine([render(name, batch) for name in LOAD_FILES], lambda: cut(doomed))
    with pytest.raises(Exception):  # noqa: B017, PT011 - each driver has its own name for it
        load_batch(doomed, load_sql, [render(name, batch) for name in CHECK_FILES], batch)
    assert [[], [], [], []] == list(core(core_tables).values())
    assert 2 == load_staged(core_tables, batch).accepted


def test_two_loads_at_once_come_out_as_one_after_the_other(core_tables: Connection, connect: Callable[[], Any]) -> None:
    """Batches that race for the same days leave the core that loading them in turn leaves."""
    early = [seen({1: 100, 7: 70}, hour=6), seen({1: 101}, market=HUMBLE, hour=6), seen({1: 95}, day=23, hour=6)]
    late = [seen({1: 110, 3: 30}, hour=9), seen({1: 111}, market=HUMBLE, hour=9), seen({1: 96}, day=23, hour=9)]
    load(core_tables, "turn1", *early)
    load(core_tables, "turn2", *late)
    expected, audited = core(core_tables), audit(core_tables)
    for number in range(3):
        with closing(core_tables.cursor()) as cursor:
            for table in ("listing_snapshots", "listings", "listing_history", "load_audit"):
                cursor.execute(f"delete from core.{table}")
        core_tables.commit()
        faults = _race(connect, [(f"late{number}", late), (f"early{number}", early)])
        assert [] == faults
        assert (expected, audited) == (core(core_tables), audit(core_tables))


def test_a_set_loaded_by_two_at_once_is_loaded_once(core_tables: Connection, connect: Callable[[], Any]) -> None:
    """Two batches with the same set leave one row per listing and one loaded row in the audit."""
    faults = _race(connect, [("one", [GOOD]), ("two", [GOOD]), ("three", [GOOD])])
    assert [] == faults
    assert [(HOUSTON, 1), (HOUSTON, 2)] == rows(
        core_tables, "select market, zpid from core.listing_snapshots order by zpid"
    )
    assert {GOOD.set_id: (2, 2, 0, None)} == audit(core_tables)


def _race(connect: Callable[[], Any], loads: list[tuple[str, list[Seen]]]) -> list[Exception]:
    """Stages each batch, then loads all at the same moment, each over its own connection."""
    start, faults = Barrier(len(loads)), []

    def one(batch_id: str, sets: list[Seen]) -> None:
        with closing(connect()) as connection:
            try:
                batch = stage(connection, batch_id, *sets)
                start.wait(timeout=30)
                load_staged(connection, batch)
            except Exception as fault:  # noqa: BLE001 - handed to the test
                faults.append(fault)

    threads = [Thread(target=one, args=each) for each in loads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return faults
