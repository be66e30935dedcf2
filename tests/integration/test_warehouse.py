"""Loads against the local Redshift: which set holds a day, what follows from it, and that loads repeat."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from include.warehouse.batch_load import SetLoad, StagingMissing, drop_stale_staging
from include.warehouse.sql_files import Connection
from tests.support.staged_sets import (
    HOUSTON,
    HUMBLE,
    audit,
    batch_of,
    core,
    empty_core,
    load,
    load_staged,
    loaded_turns,
    rows,
    seen,
    stage,
    verdicts,
)

PRICES = "select market, snapshot_date, zpid, price from core.listing_snapshots order by 1, 2, 3"
NEWEST = "select zpid, market, snapshot_date, price from core.listings order by 1"
HISTORY = "select zpid, valid_from, valid_to, price, last_seen_on, days_seen from core.listing_history order by 1, 2"


def nov(day: int) -> date:
    return date(2026, 11, day)


def test_a_set_comes_into_every_table(core_tables: Connection) -> None:
    """A first load fills snapshots, listings, history, rejects and audit, and its receipt says so."""
    first = seen({1: 100, 2: 200.5}, reasons=["price_missing", "page_unreadable"])
    receipt = load(core_tables, "b1", first)
    assert (SetLoad(first.set_id, 2, 2, 2, 0, None, 0, "holds"),) == receipt.sets
    assert [(HOUSTON, nov(22), 1, Decimal("100.00")), (HOUSTON, nov(22), 2, Decimal("200.50"))] == rows(
        core_tables, PRICES
    )
    assert [(1, HOUSTON, nov(22), Decimal(100)), (2, HOUSTON, nov(22), Decimal("200.5"))] == rows(core_tables, NEWEST)
    assert [
        (1, nov(22), None, Decimal(100), nov(22), 1),
        (2, nov(22), None, Decimal("200.5"), nov(22), 1),
    ] == rows(core_tables, HISTORY)
    assert [("page_unreadable", None), ("price_missing", 100)] == rows(
        core_tables, "select reason, raw_position from core.listing_rejects order by reason"
    )
    counted = "landed, clean, rejected, duplicates, unreadable, staged, staged_rejects, accepted, superseded"
    assert [(44, 2, 1, 0, 41, 2, 2, 2, 0)] == rows(core_tables, f"select {counted} from core.load_audit")


def test_a_set_loaded_twice_leaves_core_equal(core_tables: Connection) -> None:
    """Loading a set again, forced and in another batch, changes no business row and adds no audit row."""
    first = seen({1: 100, 2: 200}, reasons=["price_missing"])
    load(core_tables, "b1", first)
    before = core(core_tables)
    receipt = load(core_tables, "b2", first)
    assert before == core(core_tables)
    assert {first.set_id: (2, 2, 0, None)} == audit(core_tables)
    assert (SetLoad(first.set_id, 2, 1, 2, 0, None, 0, "holds"),) == receipt.sets


def test_no_listings_are_accounted_for_apart(core_tables: Connection) -> None:
    """Three buildings beside two listings and a reject: six rows landed, two snapshots, and the audit has the three."""
    load(core_tables, "b1", seen({1: 100, 2: 200}, reasons=["price_missing"], not_listings=3))
    counted = "landed, clean, rejected, duplicates, not_listings, unreadable, accepted"
    assert [(6, 2, 1, 0, 3, 0, 2)] == rows(core_tables, f"select {counted} from core.load_audit")


def test_buildings_alone_take_no_day(core_tables: Connection) -> None:
    """A newer look that brings buildings and no listing is poorer: the day stays with the listings seen before."""
    load(core_tables, "b1", seen({1: 100, 2: 200}))
    load(core_tables, "b2", seen({}, hour=12, not_listings=3))
    assert [(1,), (2,)] == rows(core_tables, "select zpid from core.listing_snapshots order by 1")
    verdicts = rows(core_tables, "select not_listings, verdict from core.load_audit order by observed_at")
    assert [(0, "holds"), (3, "poorer")] == verdicts


def test_a_finished_batch_run_again_yields_its_receipt(core_tables: Connection) -> None:
    """A load task that is cleared after its commit finds the batch loaded and returns the same receipt."""
    first = seen({1: 100})
    receipt = load(core_tables, "b1", first)
    assert receipt == load_staged(core_tables, batch_of("b1", first))


def test_a_receipt_is_plain_json(core_tables: Connection) -> None:
    """An XCom keeps a tuple as something else, which the Listings page would not read. It says who holds the day."""
    older, newer = seen({1: 100, 2: 200}), seen({3: 300}, hour=9)
    receipt = load(core_tables, "b1", older, newer).to_dict()

    assert receipt == json.loads(json.dumps(receipt))
    [day] = receipt["days"]
    assert {
        "partition": "zillow56/houston-tx|2026-11-22",
        "holder": older.set_id,
        "listings": 2,
        "should_hold": None,
        "verdicts": {older.set_id: "holds", newer.set_id: "poorer"},
    } == day


def test_a_batch_that_was_never_staged_is_refused(core_tables: Connection) -> None:
    """Without staging tables, and not loaded either, the error says what to do first."""
    with pytest.raises(StagingMissing, match=r"staging\.sets_b9 .* COPY into them first"):
        load_staged(core_tables, batch_of("b9", seen({1: 100})))


def test_a_load_leaves_no_staging_tables(core_tables: Connection) -> None:
    """After the commit only the empty templates and the register stand in staging."""
    load(core_tables, "b1", seen({1: 100}))
    found = rows(core_tables, "select table_name from information_schema.tables where table_schema = 'staging'")
    assert {"listings", "rejects", "sets", "days", "exclusions", "batches"} == {name for (name,) in found}
    assert [] == rows(core_tables, "select batch_id from staging.batches")


def test_an_older_set_after_a_newer_changes_nothing(core_tables: Connection) -> None:
    """The older set's rows count as superseded by the newer set, which is named."""
    newer, older = seen({1: 110}, hour=9), seen({1: 100}, hour=6, reasons=["price_missing"])
    load(core_tables, "b1", newer)
    load(core_tables, "b2", older)
    assert [(HOUSTON, nov(22), 1, Decimal(110))] == rows(core_tables, PRICES)
    assert [(1, HOUSTON, nov(22), Decimal(110))] == rows(core_tables, NEWEST)
    assert [(1, nov(22), None, Decimal(110), nov(22), 1)] == rows(core_tables, HISTORY)
    assert {newer.set_id: (1, 1, 0, None), older.set_id: (1, 0, 1, newer.set_id)} == audit(core_tables)
    assert [(older.set_id,)] == rows(core_tables, "select set_id from core.listing_rejects")


def test_a_newer_set_drops_listings_that_vanished(core_tables: Connection) -> None:
    """A day is replaced whole: what only the older set had goes from snapshots, listings and history."""
    older, newer = seen({1: 100, 7: 70}, hour=6), seen({1: 110, 3: 30}, hour=9)
    load(core_tables, "b1", older)
    load(core_tables, "b2", newer)
    assert [(HOUSTON, nov(22), 1, Decimal(110)), (HOUSTON, nov(22), 3, Decimal(30))] == rows(core_tables, PRICES)
    assert [1, 3] == [row[0] for row in rows(core_tables, NEWEST)]
    assert [1, 3] == [row[0] for row in rows(core_tables, HISTORY)]
    assert {older.set_id: (2, 0, 2, newer.set_id), newer.set_id: (2, 2, 0, None)} == audit(core_tables)


def test_two_extractions_of_a_day_in_one_batch(core_tables: Connection) -> None:
    """Within one batch, too, the newer extraction holds the day and the older is superseded by it."""
    older, newer = seen({7: 70}, hour=6), seen({1: 110}, hour=9)
    load(core_tables, "b1", newer, older)
    assert [(HOUSTON, nov(22), 1, Decimal(110))] == rows(core_tables, PRICES)
    assert {older.set_id: (1, 0, 1, newer.set_id), newer.set_id: (1, 1, 0, None)} == audit(core_tables)


def test_an_empty_newer_set_takes_no_day(core_tables: Connection) -> None:
    """A set without a clean row does not replace one that has some, whichever comes first."""
    older, newer = seen({1: 100}, hour=6), seen({}, hour=9, reasons=["price_missing"])
    for name, order in (("a", (older, newer)), ("b", (newer, older))):
        empty_core(core_tables)
        for number, each in enumerate(order):
            load(core_tables, f"{name}{number}", each)
        assert [(HOUSTON, nov(22), 1, Decimal(100))] == rows(core_tables, PRICES)
        assert {older.set_id: (1, 1, 0, None), newer.set_id: (0, 0, 0, older.set_id)} == audit(core_tables)
        assert {older.set_id: "holds", newer.set_id: "poorer"} == verdicts(core_tables)


def test_a_later_cleaning_replaces_the_earlier(core_tables: Connection) -> None:
    """Of one extraction cleaned twice the cleaning loaded later holds the day, and only its rejects are kept."""
    before = seen({1: 100}, version="ffffffffffff", reasons=["price_missing", "zpid_missing"])
    after = seen({1: 100, 2: 200}, version="000000000000", reasons=["price_missing"])
    load(core_tables, "b1", before)
    load(core_tables, "b2", after)
    assert [1, 2] == [row[0] for row in rows(core_tables, NEWEST)]
    assert {before.set_id: (1, 0, 1, after.set_id), after.set_id: (2, 2, 0, None)} == audit(core_tables)
    assert [("price_missing", after.set_id)] == rows(core_tables, "select reason, set_id from core.listing_rejects")


def test_a_listing_in_two_markets_is_as_seen_last(core_tables: Connection) -> None:
    """Both markets keep their snapshot, core.listings has the newer observation, the day counts once."""
    load(core_tables, "b1", seen({5: 500}, market=HUMBLE, hour=8), seen({5: 505, 6: 600}, market=HOUSTON, hour=7))
    assert [(HOUSTON, 5), (HOUSTON, 6), (HUMBLE, 5)] == [(row[0], row[2]) for row in rows(core_tables, PRICES)]
    assert [(5, HUMBLE, nov(22), Decimal(500)), (6, HOUSTON, nov(22), Decimal(600))] == rows(core_tables, NEWEST)
    assert [
        (5, nov(22), None, Decimal(500), nov(22), 1),
        (6, nov(22), None, Decimal(600), nov(22), 1),
    ] == rows(core_tables, HISTORY)


def test_a_listing_that_leaves_one_market_stays_by_the_other(core_tables: Connection) -> None:
    """When the newer set of a market drops a listing, it is again as the other market has it."""
    load(core_tables, "b1", seen({5: 505}, market=HOUSTON, hour=7), seen({5: 500}, market=HUMBLE, hour=8))
    load(core_tables, "b2", seen({9: 900}, market=HUMBLE, hour=9))
    assert [(5, HOUSTON, nov(22), Decimal(505)), (9, HUMBLE, nov(22), Decimal(900))] == rows(core_tables, NEWEST)
    assert (5, nov(22), None, Decimal(505), nov(22), 1) == rows(core_tables, HISTORY)[0]


def test_markets_seen_at_the_same_instant_are_told_apart_by_name(core_tables: Connection) -> None:
    """With everything else equal the market first in the alphabet counts, whichever came first."""
    load(core_tables, "b1", seen({5: 500}, market=HUMBLE))
    load(core_tables, "b2", seen({5: 505}, market=HOUSTON))
    assert [(5, HOUSTON, nov(22), Decimal(505))] == rows(core_tables, NEWEST)


def test_newest_is_what_has_the_last_date_whenever_it_was_observed(core_tables: Connection) -> None:
    """A set for the 21st that was observed on the 24th, by a run with another date, does not undo the 23rd."""
    load(core_tables, "b1", seen({1: 100}, day=23), seen({1: 90}, day=21, observed_day=24))
    assert [(1, HOUSTON, nov(23), Decimal(100))] == rows(core_tables, NEWEST)
    assert [(1, nov(21), nov(23), Decimal(90), nov(21), 1), (1, nov(23), None, Decimal(100), nov(23), 1)] == rows(
        core_tables, HISTORY
    )


def test_history_has_a_row_per_stretch_in_whatever_order_days_come(core_tables: Connection) -> None:
    """Days 22 and 23 at 100, 25 at 90, 26 and 27 at 100 again are three stretches; day 24 was not observed."""
    days = {22: 100, 23: 100, 25: 90, 26: 100, 27: 100}
    for day in (26, 22, 27, 25, 23):
        load(core_tables, f"b{day}", seen({1: days[day]}, day=day))
    assert [
        (1, nov(22), nov(25), Decimal(100), nov(23), 2),
        (1, nov(25), nov(26), Decimal(90), nov(25), 1),
        (1, nov(26), None, Decimal(100), nov(27), 2),
    ] == rows(core_tables, HISTORY)


def test_history_tells_null_from_a_value(core_tables: Connection) -> None:
    """Unknown, then 3, then unknown twice, is three stretches: two nulls do not differ, null and 3 do."""
    for day, bedrooms in ((22, None), (23, 3), (24, None), (25, None)):
        load(core_tables, f"b{day}", seen({1: 100}, day=day, rows={1: {"bedrooms": bedrooms}}))
    assert [(nov(22), None), (nov(23), Decimal(3)), (nov(24), None)] == rows(
        core_tables, "select valid_from, bedrooms from core.listing_history order by 1"
    )


@pytest.mark.parametrize(("column", "before", "after"), [
    ("home_status", "FOR_SALE", "PENDING"),
    ("home_type", "CONDO", "TOWNHOUSE"),
    ("bathrooms", 2, 2.5),
    ("living_area_sqft", 1000, 1000.5),
])  # fmt: skip
def test_every_watched_column_begins_a_stretch(
    core_tables: Connection, column: str, before: object, after: object
) -> None:
    """A change of one watched column alone, there and back, makes three stretches."""
    for day, value in ((22, before), (23, after), (24, before)):
        load(core_tables, f"b{day}", seen({1: 100}, day=day, rows={1: {column: value}}))
    assert [(nov(22), nov(23)), (nov(23), nov(24)), (nov(24), None)] == rows(
        core_tables, "select valid_from, valid_to from core.listing_history order by 1"
    )


def test_an_estimate_that_moves_begins_no_stretch(core_tables: Connection) -> None:
    """A change of zestimate alone stands in the snapshots, not in the history."""
    for day, estimate in ((22, 90_000), (23, 91_000)):
        load(core_tables, f"b{day}", seen({1: 100}, day=day, rows={1: {"zestimate": estimate}}))
    assert [(1, nov(22), None, Decimal(100), nov(23), 2)] == rows(core_tables, HISTORY)


def test_text_in_a_watched_column_cannot_look_like_another(core_tables: Connection) -> None:
    """Quotes, blanks and the word null in a status do not make two different days look the same."""
    confused = [("null", None), (None, "null"), (None, None), ("a' 'b", None), ("a", "b"), ("a'", "b"), ("a", "'b")]
    there_and_back = [("null", "b"), (None, "b"), ("null", "b"), ("a", "null"), ("a", None), ("a", "null")]
    states = [*confused, ("%s", "\\'"), *there_and_back]
    for day, (status, kind) in enumerate(states, start=10):
        load(core_tables, f"b{day}", seen({1: 100}, day=day, rows={1: {"home_status": status, "home_type": kind}}))
    assert states == rows(core_tables, "select home_status, home_type from core.listing_history order by valid_from")


def test_loaded_turns_are_those_of_the_date(core_tables: Connection) -> None:
    """Superseded sets are loaded too; other dates are not named."""
    older, newer, other = seen({1: 1}, hour=6), seen({1: 1}, hour=9), seen({1: 1}, day=23)
    load(core_tables, "b1", older, newer, other)
    assert {(older.set_id, None), (newer.set_id, None)} == loaded_turns(core_tables, "2026-11-22")
    assert {(other.set_id, None)} == loaded_turns(core_tables, nov(23))


def test_stale_staging_is_dropped_and_fresh_is_kept(core_tables: Connection) -> None:
    """Only batches staged before the moment given lose their tables, and their names come back."""
    stage(core_tables, "old", seen({1: 100}))
    now = datetime.now(UTC)
    assert [] == drop_stale_staging(core_tables, now - timedelta(hours=1))
    assert ["old"] == drop_stale_staging(core_tables, now + timedelta(hours=1))
    with pytest.raises(StagingMissing):
        load_staged(core_tables, batch_of("old", seen({1: 100})))


def test_staging_a_batch_again_begins_empty(core_tables: Connection) -> None:
    """Leftovers of a batch's first try are gone when it is staged a second time."""
    stage(core_tables, "b1", seen({1: 100, 2: 200}))
    again = stage(core_tables, "b1", seen({1: 100}))
    assert 1 == load_staged(core_tables, again).accepted
