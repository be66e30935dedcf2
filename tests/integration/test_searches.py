"""A home for sale and for rent is two listings: from the load to the marts, the report and the classic table."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest

from include.report import marts, reading
from include.warehouse.audit import record_suspects
from include.warehouse.migrations import migrate
from include.warehouse.sql_files import MART_FILES, ChecksFailed, Connection, render, run
from tests.support.staged_sets import (
    HOUSTON,
    Seen,
    batch_of,
    core,
    empty_core,
    empty_marts,
    load,
    loaded_turns,
    mart_rows,
    rows,
    seen,
)

pytestmark = pytest.mark.timeout(300)

RENT, SOLD = "houston-tx-rent", "houston-tx-sold"
NAMES = {HOUSTON: "houston, tx", RENT: "houston, tx (rent)", SOLD: "houston, tx (sold)"}
# What a house is worth and would bring as a rent, beside either price.
WORTH = {1: {"zestimate": 400_000, "rent_zestimate": 2_000}}


def searched(prices: dict[int, float], *, market: str = HOUSTON, **options: Any) -> Seen:
    """A set of one of the searches, seen whole."""
    listing = {HOUSTON: "sale", RENT: "rent", SOLD: "sold"}[market]
    named = {"market_name": NAMES[market], "claimed": len(prices)}
    return seen(prices, market=market, listing=listing, rows=WORTH if 1 in prices else None, **named | options)


# House 1 is in both searches, its price and its rent fall on the same day; it leaves the sale, 3 leaves the rents.
DAYS = [
    searched({1: 300_000, 2: 200_000}, day=20),
    searched({1: 2_500, 3: 1_800}, market=RENT, day=20),
    searched({1: 285_000, 2: 200_000}, day=21),
    searched({1: 2_400}, market=RENT, day=21),
    searched({2: 200_000}, day=22),
    searched({1: 2_400, 3: 1_800}, market=RENT, day=22),
]


@pytest.fixture
def mart_tables(core_tables: Connection) -> Connection:
    """A connection to a migrated warehouse whose core and marts are empty."""
    empty_marts(core_tables)
    return core_tables


def load_all(connection: Connection, batches: Sequence[Sequence[int]]) -> None:
    """Loads the days of those numbers, batch by batch."""
    for number, batch in enumerate(batches):
        load(connection, f"b{number}", *(DAYS[each] for each in batch))


def plain(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows with numbers as floats and dates as days of the month."""
    return [
        tuple(float(each) if isinstance(each, Decimal) else getattr(each, "day", each) for each in row) for row in found
    ]


@pytest.mark.parametrize(
    "batches",
    [
        [[0], [1], [2], [3], [4], [5]],
        [[1], [0], [3], [2], [5], [4]],
        [[5], [4], [3], [2], [1], [0]],
        [[0, 1, 2, 3, 4, 5]],
        [[1, 3, 5], [0, 2, 4], [1]],
    ],
    ids=["sale first", "rent first", "newest first", "at once", "search by search"],
)
def test_a_home_for_sale_and_for_rent_is_two_listings(core_tables: Connection, batches: list[list[int]]) -> None:
    """Whichever search comes first, each has its own newest state and its own history of the house."""
    load_all(core_tables, batches)

    newest = rows(core_tables, "select listing, zpid, market, snapshot_date, price from core.listings order by 1, 2")
    assert [
        ("rent", 1, RENT, 22, 2_400.0),
        ("rent", 3, RENT, 22, 1_800.0),
        ("sale", 1, HOUSTON, 21, 285_000.0),
        ("sale", 2, HOUSTON, 22, 200_000.0),
    ] == plain(newest)
    history = rows(
        core_tables,
        "select listing, valid_from, valid_to, price, days_seen from core.listing_history where zpid = 1 order by 1, 2",
    )
    assert [
        ("rent", 20, 21, 2_500.0, 1),
        ("rent", 21, None, 2_400.0, 2),
        ("sale", 20, 21, 300_000.0, 1),
        ("sale", 21, None, 285_000.0, 1),
    ] == plain(history)
    snapshots = "select distinct market, listing from core.listing_snapshots order by 1"
    assert [(HOUSTON, "sale"), (RENT, "rent")] == rows(core_tables, snapshots)


def test_a_search_that_comes_again_leaves_the_other_alone(core_tables: Connection) -> None:
    """A newer set of rents that lacks the house takes it from the rents, not from the homes for sale."""
    load_all(core_tables, [[0, 1]])
    load(core_tables, "again", searched({3: 1_700, 4: 1_600}, market=RENT, day=20, hour=9))

    kept = rows(core_tables, "select listing, zpid, price from core.listings order by 1, 2")
    assert [
        ("rent", 3, 1_700.0),
        ("rent", 4, 1_600.0),
        ("sale", 1, 300_000.0),
        ("sale", 2, 200_000.0),
    ] == plain(kept)
    assert [("sale",)] == rows(core_tables, "select listing from core.listing_history where zpid = 1")


def test_the_audit_says_what_was_searched_for(core_tables: Connection) -> None:
    """Search and name stand beside each set, loaded or suspect."""
    load(core_tables, "b1", *DAYS[:2])
    record_suspects(core_tables, batch_of("b2", searched({1: 250_000}, market=SOLD)), "by hand")

    sql = "select market, listing, status, market_name from core.load_audit order by 1"
    assert [
        (HOUSTON, "sale", "loaded", "houston, tx"),
        (RENT, "rent", "loaded", "houston, tx (rent)"),
        (SOLD, "sold", "suspect", None),
    ] == rows(core_tables, sql)


def test_each_search_has_marts_of_its_own(mart_tables: Connection) -> None:
    """Medians, what came and went, and price cuts mix no rents into prices; a rent has no yield and no gap."""
    load_all(mart_tables, [[0, 1], [2, 3], [4, 5]])
    marts.build(mart_tables, run_id="test")

    by_day = rows(
        mart_tables,
        "select listing, snapshot_date, price_median, new_listings, gone_listings, back_listings, rent_yield_count, "
        "zestimate_gap_count, under_zestimate from marts.market_by_day order by 1, 2",
    )
    assert [
        ("rent", 20, 2_150.0, None, None, None, 0, 0, 0),
        ("rent", 21, 2_400.0, 0, 1, 0, 0, 0, 0),
        ("rent", 22, 2_100.0, 0, 0, 1, 0, 0, 0),
        ("sale", 20, 250_000.0, None, None, None, 1, 1, 1),
        ("sale", 21, 242_500.0, 0, 0, 0, 1, 1, 1),
        ("sale", 22, 200_000.0, 0, 1, 0, 0, 0, 0),
    ] == plain(by_day)
    cuts = (
        "select listing, zpid, seen_on, market, price_before, price_after, cut_percent from marts.price_cuts order by 1"
    )
    assert [
        ("rent", 1, 21, RENT, 2_500.0, 2_400.0, 4.0),
        ("sale", 1, 21, HOUSTON, 300_000.0, 285_000.0, 5.0),
    ] == plain(rows(mart_tables, cuts))
    for table in ("coverage", "market_by_day", "zip_by_day"):
        sql = f"select distinct market, listing from marts.{table} order by 1"
        assert [(HOUSTON, "sale"), (RENT, "rent")] == rows(mart_tables, sql), table


def test_marts_built_by_the_day_and_at_once_are_the_same(mart_tables: Connection) -> None:
    """Built after each load, whichever search came first, the marts have the rows of a full build."""
    for batches in ([[0], [1], [2], [3], [4], [5]], [[5], [3], [4], [1], [2], [0]]):
        empty_core(mart_tables)
        empty_marts(mart_tables)
        for batch in batches:
            load(mart_tables, f"b{batch[0]}", DAYS[batch[0]])
            marts.build(mart_tables, run_id="test")
        by_day = mart_rows(mart_tables)
        marts.build(mart_tables, run_id="test", full=True)
        assert by_day == mart_rows(mart_tables)


def test_the_report_shows_each_search_its_own_cuts(mart_tables: Connection) -> None:
    """Two markets of one name are told apart, and a cut of the rent is none of the price."""
    load_all(mart_tables, [[0, 1, 2, 3]])
    marts.build(mart_tables, run_id="test")

    markets = reading.read(mart_tables, "2026-11-21")["markets"]
    assert [("houston, tx", [(300_000.0, 285_000.0)]), ("houston, tx (rent)", [(2_500.0, 2_400.0)])] == [
        (market["name"], [(cut["before"], cut["after"]) for cut in market["price_cuts"]]) for market in markets
    ]


def test_the_classic_table_has_the_homes_for_sale(core_tables: Connection) -> None:
    """Dashboards that average its prices meet no rents and no prices of sold homes."""
    load(core_tables, "b1", *DAYS[:2], searched({7: 150_000}, market=SOLD))

    assert [(200_000.0,), (300_000.0,)] == plain(rows(core_tables, "select price from public.zillowdata order by 1"))


@pytest.mark.parametrize(
    ("sabotage", "check"),
    [
        ("update core.listings set listing = 'sold' where zpid = 3", "checks/060_newest_listings.sql"),
        (
            "insert into core.listings select * from core.listings where zpid = 1 and listing = 'rent'",
            "checks/050_unique_keys.sql",
        ),
        ("update core.listing_history set listing = 'sold' where zpid = 3", "checks/070_history_stretches.sql"),
    ],
)
def test_a_load_that_mixes_searches_is_seen(core_tables: Connection, sabotage: str, check: str) -> None:
    """A listing that slipped into another search fails its check, and nothing of the load is committed."""
    with pytest.raises(ChecksFailed, match=check):
        load(core_tables, "b1", *DAYS[:2], sabotage=[sabotage])
    assert [[], [], [], []] == list(core(core_tables).values())


@pytest.mark.parametrize(
    ("sabotage", "check"),
    [
        ("update marts.price_cuts set listing = 'rent'", "mart_checks/060_price_cuts"),
        (
            "insert into marts.price_cuts select * from marts.price_cuts where listing = 'rent'",
            "mart_checks/050_unique_keys",
        ),
    ],
)
def test_marts_that_mix_searches_are_seen(mart_tables: Connection, sabotage: str, check: str) -> None:
    """A cut that slipped into another search fails its check, and the build is rolled back."""
    load_all(mart_tables, [[0, 1, 2, 3]])
    broken = [*(render(each) for each in MART_FILES), f"-- sabotage\n{sabotage}"]
    with pytest.raises(ChecksFailed, match=check):
        marts.build(mart_tables, run_id="test", mart_sql=broken)
    assert {0} == {len(found) for found in mart_rows(mart_tables).values()}


def test_a_warehouse_from_before_searches_was_of_homes_for_sale(core_tables: Connection) -> None:
    """What was loaded before is for sale, stays loaded, and takes rents of the same house beside it."""
    load(core_tables, "b1", DAYS[0])
    with closing(core_tables.cursor()) as cursor:
        for view in ("marts.listing_figures", "public.zillowdata"):
            cursor.execute(f"drop view {view}")
        of_its_search = ("listing_snapshots", "listings", "listing_history", "load_audit")
        marts_with_it = ("coverage", "market_by_day", "zip_by_day", "price_cuts")
        for table in ("staging.sets", *(f"core.{t}" for t in of_its_search), *(f"marts.{t}" for t in marts_with_it)):
            cursor.execute(f"alter table {table} drop column listing")
        for name in ("ddl/013_listing_figures.sql", "ddl/008_zillowdata.sql", "ddl/009_reader_grants.sql"):
            run(cursor, render(name))
        cursor.execute("delete from core.schema_migrations where number = 25")
    core_tables.commit()
    before = rows(core_tables, "select zpid, price from core.listings order by 1")

    assert ["ddl/025_searches.sql"] == migrate(core_tables)

    assert [(*row, "sale") for row in before] == rows(
        core_tables, "select zpid, price, listing from core.listings order by 1"
    )
    assert {DAYS[0].ready.turn} == loaded_turns(core_tables, "2026-11-20")
    load(core_tables, "b2", DAYS[1])
    house = rows(core_tables, "select listing, price from core.listings where zpid = 1 order by 1")
    assert [("rent", 2_500.0), ("sale", 300_000.0)] == plain(house)
