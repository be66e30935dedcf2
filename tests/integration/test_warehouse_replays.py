"""Replays against the local Redshift: sets that are loaded already are loaded again, as they were or cleaned anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.base.batches import InvalidBatch, Suspicion
from include.base.keys import set_of
from include.warehouse.audit import record_suspects, suspicions
from include.warehouse.rows_held import missing
from include.warehouse.sql_files import Connection
from tests.support.staged_sets import (
    HOUSTON,
    HUMBLE,
    Seen,
    audit,
    batch_of,
    core,
    empty_core,
    load,
    loaded_turns,
    rows,
    seen,
    settle,
    stage,
)

OLD_TRANSFORM, NEW_TRANSFORM = "ffffffffffff", "000000000000"
REPLAY = "20261123T080000Z-aaaaaa"
# A zpid's price, or None where the row is a reject. One listing may stand in both markets, twice a day.
ROWS = st.dictionaries(st.integers(1, 4), st.sampled_from([100, 110, None]), max_size=4)
DAYS = st.dictionaries(
    st.tuples(st.sampled_from([HOUSTON, HUMBLE]), st.integers(22, 24), st.sampled_from([6, 9])),
    st.tuples(ROWS, ROWS),
    min_size=2,
    max_size=8,
)
KEPT = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def cleaned(slot: tuple[str, int, int], found: dict[int, int | None], version: str, name: str | None = None) -> Seen:
    """A set as a transform cleaned it: rows with a price are listings, the others rejects."""
    market, day, hour = slot
    prices = {zpid: price for zpid, price in found.items() if price is not None}
    return seen(
        prices,
        market=market,
        day=day,
        hour=hour,
        reasons=["price_missing"] * (len(found) - len(prices)),
        version=version,
        replay=name,
    )


def load_in_batches(connection: Connection, name: str, sets: list[Seen], data: st.DataObject) -> None:
    """Loads the sets in a random order, cut into random batches, and then what returns to its day."""
    order, size = data.draw(st.permutations(sets)), data.draw(st.integers(1, 4))
    for at in range(0, len(order), size):
        load(connection, f"{name}_{at}", *order[at : at + size])
    settle(connection, sets, name)


@settings(max_examples=4, deadline=None, suppress_health_check=KEPT, database=None)
@given(days=DAYS, data=st.data())
def test_a_replay_of_everything_changes_nothing(core_tables: Connection, days: Any, data: st.DataObject) -> None:
    """All sets loaded again, in a random order and random batches, leave every row as it was, and the audit too."""
    empty_core(core_tables)
    load_in_batches(core_tables, "b", [cleaned(slot, found, OLD_TRANSFORM) for slot, (found, _) in days.items()], data)
    before, audited = core(core_tables), audit(core_tables)

    again = [cleaned(slot, found, OLD_TRANSFORM, REPLAY) for slot, (found, _) in days.items()]
    load_in_batches(core_tables, "r", again, data)

    assert (before, audited) == (core(core_tables), audit(core_tables))
    assert {each.ready.turn for each in again if each.ready.snapshot_date == "2026-11-22"} == loaded_turns(
        core_tables, "2026-11-22"
    )


@settings(max_examples=4, deadline=None, suppress_health_check=KEPT, database=None)
@given(days=DAYS, data=st.data())
def test_a_changed_transform_leaves_what_a_fresh_warehouse_has(
    core_tables: Connection, days: Any, data: st.DataObject
) -> None:
    """Other prices, rows that became rejects and rejects that became rows: core is as if no other had been."""
    new = [cleaned(slot, found, NEW_TRANSFORM) for slot, (_, found) in days.items()]
    empty_core(core_tables)
    load_in_batches(core_tables, "f", new, data)
    fresh, fresh_audit = core(core_tables), audit(core_tables)

    empty_core(core_tables)
    load_in_batches(core_tables, "b", [cleaned(slot, found, OLD_TRANSFORM) for slot, (found, _) in days.items()], data)
    load_in_batches(core_tables, "r", [_replayed(each) for each in new], data)

    assert fresh == core(core_tables)
    audited = audit(core_tables)
    assert fresh_audit == {each.set_id: audited[each.set_id] for each in new}
    winners = {set_id for set_id, row in fresh_audit.items() if row[3] is None}
    old = {set_id: row for set_id, row in audited.items() if set_id not in fresh_audit}
    assert (len(days), {0}, True) == (
        len(old),
        {row[1] for row in old.values()},
        {r[3] for r in old.values()} <= winners,
    )


def _replayed(each: Seen) -> Seen:
    return replace(each, ready=replace(each.ready, replay=REPLAY))


def test_lost_rows_come_again(core_tables: Connection) -> None:
    """A day lost with its audit, and snapshots lost without it, are as before after a replay of the day."""
    sets = [seen({1: 100, 2: 200}), seen({1: 101}, hour=9), seen({3: 300}, market=HUMBLE), seen({1: 99}, day=21)]
    load(core_tables, "b1", *sets)
    before = core(core_tables)
    for number, losses in enumerate((("load_audit", "listing_snapshots", "listing_rejects"), ("listing_snapshots",))):
        with closing(core_tables.cursor()) as cursor:
            for table in losses:
                cursor.execute(f"delete from core.{table} where snapshot_date = '2026-11-22' and market = 'houston-tx'")
        core_tables.commit()
        lacking = missing(core_tables, date(2026, 11, 1), date(2026, 11, 30), [set_of(each.set_id) for each in sets])
        assert [set_of(each.set_id) for each in sets[: 2 - number]] == lacking

        load(core_tables, f"r{number}", *(_replayed(each) for each in sets[:2]))
        assert before == core(core_tables)
        there = missing(core_tables, date(2026, 11, 1), date(2026, 11, 30), [set_of(each.set_id) for each in sets])
        assert [] == there


def test_two_replays_at_once_follow_each_other(core_tables: Connection, connect: Callable[[], Any]) -> None:
    """Two batches with the same sets, loaded at the same time, leave what one leaves, and none of them fails."""
    sets = [seen({1: 100, 2: 200}, reasons=["price_missing"]), seen({1: 101}, market=HUMBLE, hour=7)]
    load(core_tables, "b1", *sets)
    before = core(core_tables)

    def again(number: int) -> None:
        name = f"20261123T08000{number}Z-aaaaaa"
        with closing(connect()) as connection:
            load(connection, f"r{number}", *(replace(each, ready=replace(each.ready, replay=name)) for each in sets))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(again, range(3)))
    assert before == core(core_tables)
    assert len(sets) == len(audit(core_tables))


def test_a_replay_is_a_turn_of_its_own(core_tables: Connection) -> None:
    """A set loaded again by a replay is loaded by that turn alone, and replaced only itself."""
    load(core_tables, "b1", seen({1: 100}), seen({2: 200}, market=HUMBLE))
    before = core(core_tables)
    replayed = seen({1: 100}, replay="20261123T080000Z-aaaaaa")
    load(core_tables, "b2", replayed)

    assert before == core(core_tables)
    assert {
        (replayed.set_id, "20261123T080000Z-aaaaaa"),
        (seen({}, market=HUMBLE).set_id, None),
    } == loaded_turns(core_tables, "2026-11-22")


def test_a_replay_that_fails_is_suspect_by_its_own_turn(core_tables: Connection) -> None:
    """What failed in a replay does not make the set suspect as it is loaded, nor its next replay."""
    load(core_tables, "b1", seen({1: 100}))
    failed = seen({1: 100}, replay="20261123T080000Z-aaaaaa")
    record_suspects(core_tables, batch_of("b2", failed), "by hand")
    assert {failed.ready.turn: Suspicion("b2", 1)} == suspicions(core_tables, date(2026, 11, 22))

    load(core_tables, "b3", failed)
    assert {} == suspicions(core_tables, date(2026, 11, 22))


def test_whoever_holds_the_day_supersedes_all_others(core_tables: Connection) -> None:
    """Three extractions of a day name the newest, in whatever order they came, and after it was cleaned again too."""
    first, second, third = (seen({1: 100 + hour}, hour=hour) for hour in (6, 9, 12))
    for number, each in enumerate((first, third, second)):
        load(core_tables, f"b{number}", each)
    assert {first.set_id: third.set_id, second.set_id: third.set_id, third.set_id: None} == {
        name: row[3] for name, row in audit(core_tables).items()
    }

    again = seen({1: 112}, hour=12, version="ffffffffffff")
    load(core_tables, "b3", again)
    assert {None: 1, again.set_id: 3} == Counter(row[3] for row in audit(core_tables).values())


@pytest.mark.parametrize("contract", ["", "0.9.0"])
def test_what_another_contract_shaped_is_not_staged(core_tables: Connection, contract: str) -> None:
    """A set cleaned under another contract, or one that does not say which, is refused before any COPY."""
    with pytest.raises(InvalidBatch, match=r"houston-tx.* was cleaned under contract .* replay its date"):
        stage(core_tables, "b1", seen({1: 100}, contract_version=contract))

    assert [] == rows(core_tables, "select batch_id from staging.batches")
