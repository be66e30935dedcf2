"""The comparison behind `make chaos` sees what a lost, doubled or changed listing looks like."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.proofs.chaos.comparison import broken_rules, listings_differ, rejects_differ
from tests.proofs.chaos.plan import KINDS, SCENES, Calendar, disturbance

FIRST, SECOND = date(2026, 3, 1), date(2026, 3, 2)
Row = dict[str, Any]
Tables = dict[str, list[Row]]


def snapshot(zpid: int, day: date = FIRST, market: str = "houston-tx", price: int = 100, hour: int = 1) -> Row:
    """A row of core.listing_snapshots in as many columns as the rules ask for."""
    return {
        "source": "zillow56",
        "listing": "sale",
        "market": market,
        "snapshot_date": day,
        "zpid": zpid,
        "price": Decimal(price),
        "home_status": "FOR_SALE",
        "home_type": "LOT",
        "bedrooms": None,
        "bathrooms": Decimal(0),
        "living_area_sqft": None,
        "listed_at": datetime(2026, 2, 1, 12, tzinfo=UTC),
        "extract_id": f"{day:%Y%m%d}",
        "observed_at": datetime(day.year, day.month, day.day, hour, tzinfo=UTC),
        "raw_key": f"listings/date={day}/page-0001.json",
        "raw_position": zpid,
        "set_id": f"{market}/{day}",
        "batch_id": f"batch of {day}",
        "loaded_at": datetime(2026, 11, 1, tzinfo=UTC),
    }


def stretch(zpid: int, price: int, first: date, end: date | None, last: date, days: int) -> Row:
    """A row of core.listing_history."""
    names = ("source", "listing", "zpid", "price", "home_status", "home_type", "bedrooms", "bathrooms")
    like = snapshot(zpid, price=price)
    return {
        **{name: like[name] for name in (*names, "living_area_sqft")},
        "valid_from": first,
        "valid_to": end,
        "last_seen_on": last,
        "days_seen": days,
    }


@pytest.fixture
def core() -> Tables:
    """A warehouse of two days: listing 1 in two markets and dearer on the second day, 2 only on the first."""
    rows = [
        snapshot(1),
        snapshot(2),
        snapshot(1, market="austin-tx"),
        snapshot(1, SECOND, price=120),
    ]
    counts = {
        "landed": 0,
        "rejected": 0,
        "duplicates": 0,
        "not_listings": 0,
        "unreadable": 0,
        "superseded": 0,
        "withdrawn": 0,
    }
    audit = []
    for name in sorted({row["set_id"] for row in rows}):
        held = sum(row["set_id"] == name for row in rows)
        audit.append(
            {**counts, "set_id": name, "status": "loaded", "landed": held, "clean": held, "staged": held}
            | {"accepted": held}
        )
    return {
        "listing_snapshots": rows,
        "listings": [dict(rows[1]), dict(rows[3])],
        "listing_history": [
            stretch(1, 100, FIRST, SECOND, FIRST, 1),
            stretch(1, 120, SECOND, None, SECOND, 1),
            stretch(2, 100, FIRST, None, FIRST, 1),
        ],
        "listing_rejects": [],
        "load_audit": audit,
    }


def test_the_same_listings_on_another_date_do_not_differ() -> None:
    """What is the run's own is not compared, and ages may round by a second."""
    later = snapshot(1, SECOND) | {"listed_at": datetime(2026, 2, 1, 12, tzinfo=UTC) + timedelta(seconds=1)}
    assert not listings_differ([snapshot(1)], [later])


def test_a_listing_that_is_not_there_is_lost() -> None:
    """It is named by source, market and zpid."""
    assert ["zillow56/houston-tx/2"] == listings_differ([snapshot(1), snapshot(2)], [snapshot(1, SECOND)]).lost


def test_a_listing_that_is_there_twice_is_doubled() -> None:
    """Also when both rows are right in every column."""
    assert ["zillow56/houston-tx/1"] == listings_differ([snapshot(1)], [snapshot(1, SECOND)] * 2).doubled


def test_a_listing_that_should_not_be_there_is_strange() -> None:
    """What only the disturbed run has is named."""
    assert ["zillow56/houston-tx/2"] == listings_differ([snapshot(1)], [snapshot(1), snapshot(2)]).strange


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("price", Decimal(101)),
        ("bedrooms", Decimal(0)),
        ("listed_at", datetime(2026, 2, 1, 12, 0, 2, tzinfo=UTC)),
        ("raw_key", "listings/date=2026-03-01/page-0002.json"),
        ("raw_position", 7),
    ],
)
def test_a_changed_column_is_named(column: str, value: Any) -> None:
    """A listing differs in any column that is not the run's own; of the raw key the page counts."""
    changed = listings_differ([snapshot(1)], [snapshot(1) | {column: value}]).changed
    assert [f"zillow56/houston-tx/1: {'page' if column == 'raw_key' else column}"] == changed


@pytest.mark.parametrize(("body", "differs"), [('{"timeOnZillow": 9, "price": 1}', False), ('{"price": 2}', True)])
def test_a_rejected_row_may_grow_older_and_nothing_else(body: str, differs: bool) -> None:
    """The age in a reject's JSON is not compared, everything else is."""
    reject = snapshot(1) | {"reason": "price_invalid", "body": '{"timeOnZillow": 1, "price": 1}'}
    assert differs == bool(rejects_differ([reject], [reject | {"body": body}]).changed)


def test_a_warehouse_that_follows_from_its_snapshots_breaks_no_rule(core: Tables) -> None:
    """The rules hold for a day of two markets, a changed price and a listing that left."""
    assert [] == broken_rules(core)


@pytest.mark.parametrize(
    ("table", "row", "change", "said"),
    [
        ("listings", 1, {"price": Decimal(100)}, "listings: zillow56/sale/1 does not follow from the snapshots"),
        ("listings", 0, None, "listings: zillow56/sale/2 does not follow from the snapshots"),
        ("listing_history", 0, {"valid_to": None}, "listing_history: zillow56/sale/1/2026-03-01 does not follow"),
        ("load_audit", 0, {"accepted": 9}, "austin-tx/2026-03-01 has accepted 9, expected 1"),
        ("load_audit", 0, {"landed": 9}, "austin-tx/2026-03-01 has landed 9, expected 1"),
        ("load_audit", 0, None, "no loaded row of load_audit for austin-tx/2026-03-01"),
        ("listing_snapshots", 1, {"set_id": "other"}, "zillow56/houston-tx/2026-03-01 is held by 2 sets"),
    ],
)
def test_a_broken_rule_is_said(core: Tables, table: str, row: int, change: Row | None, said: str) -> None:
    """A derived row that is wrong or gone, a count that is wrong, a day held by two sets."""
    if change is None:
        del core[table][row]
    else:
        core[table][row] |= change
    assert any(said in found for found in broken_rules(core))


@pytest.mark.parametrize("table", ["listing_snapshots", "listings", "listing_history", "load_audit"])
def test_a_key_that_stands_twice_is_said(core: Tables, table: str) -> None:
    """Unique keys are not enforced by Redshift, so they are counted."""
    core[table].append(dict(core[table][0]))
    assert any(found.startswith(table) and "stands 2 times" in found for found in broken_rules(core))


def test_ten_seeds_kill_each_kind_once_and_always_the_same() -> None:
    """A seed means one process and one moment, for good; every block of ten has all ten kinds."""
    for first in (1, 11, 41):
        block = [disturbance(seed) for seed in range(first, first + 10)]
        assert sorted(KINDS) == sorted(each.kind for each in block)
        assert block == [disturbance(seed) for seed in range(first, first + 10)]
        assert all(0 <= each.moment < 1 for each in block)


def test_no_two_runs_are_loaded_as_the_same_date() -> None:
    """Every seed, every undisturbed run and the first one has a date of its own."""
    calendar = Calendar(SECOND)
    undisturbed = {calendar.undisturbed(scene) for scene in SCENES} | {calendar.warm_up()}
    assert 1000 + 4 + 1 == len({calendar.disturbed(seed) for seed in range(1, 1001)} | undisturbed)
