"""The marts: definitions on days made by hand, incremental builds against full ones, checks that fail."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg
import pytest

from include.report import marts
from include.warehouse.migrations import migrate
from include.warehouse.sql_files import MART_CHECK_FILES, ChecksFailed, Connection, render
from tests.support.mart_builds import build
from tests.support.staged_sets import HOUSTON, MARTS, Seen, load, mart_rows, rows, seen

pytestmark = pytest.mark.timeout(300)


def complete(prices: dict[int, float], **options: Any) -> Seen:
    """A set of which the API claimed just as many listings as it showed."""
    return seen(prices, claimed=len(prices) + len(options.get("reasons", ())), **options)


def column(connection: Connection, names: str, market: str = HOUSTON) -> list[tuple[Any, ...]]:
    """Columns of market_by_day, a row per day; numbers as floats."""
    sql = f"select {names} from marts.market_by_day where market = %s order by snapshot_date"
    return [tuple(None if v is None else float(v) for v in row) for row in rows(connection, sql, market)]


def test_new_gone_and_back_compare_two_complete_days(mart_tables: Connection) -> None:
    """Of two complete days the later says what is new, what is gone, and what came back after it was gone."""
    load(mart_tables, "b1", complete({1: 200_000, 2: 200_000}, day=20))
    load(mart_tables, "b2", complete({2: 200_000, 3: 200_000}, day=21))
    load(mart_tables, "b3", complete({1: 200_000, 3: 200_000, 4: 200_000}, day=22))
    build(mart_tables)
    assert [(None, None, None), (1, 1, 0), (1, 1, 1)] == column(
        mart_tables, "new_listings, gone_listings, back_listings"
    )
    assert [(2, 0), (1, 1), (1, 3)] == column(mart_tables, "first_seen, last_seen")


def test_an_incomplete_day_says_nothing_of_what_left(mart_tables: Connection) -> None:
    """Where the API claims more than it showed, that day and the next have no new, gone or back."""
    load(mart_tables, "b1", complete({1: 200_000, 2: 200_000}, day=20))
    load(mart_tables, "b2", seen({2: 200_000}, day=21, claimed=13_000))
    load(mart_tables, "b3", complete({2: 200_000}, day=22))
    build(mart_tables)
    assert [(None, None, None)] * 3 == column(mart_tables, "new_listings, gone_listings, back_listings")
    assert [(1.0,), (0.000077,), (1.0,)] == column(mart_tables, "coverage_share")


def test_an_unknown_claim_and_an_unreadable_page_are_no_complete_coverage(mart_tables: Connection) -> None:
    """A day is complete only when the API named a number and every page was read."""
    load(mart_tables, "b1", seen({1: 200_000}, day=20))
    load(mart_tables, "b2", seen({1: 200_000}, day=21, claimed=1, reasons=["page_unreadable"]))
    load(mart_tables, "b3", seen({1: 200_000}, day=22, claimed=1))
    build(mart_tables)
    found = rows(mart_tables, "select is_complete from marts.market_by_day order by snapshot_date")
    assert [(False,), (False,), (True,)] == found


@pytest.mark.parametrize(
    ("claimed", "found"),
    [
        (5, ([(2.0, 1.0, True)], [(5, 3)])),
        (6, ([(2.0, 0.833333, False)], [(5, 3)])),
    ],
)
def test_no_listings_count_towards_the_claim(mart_tables: Connection, claimed: int, found: object) -> None:
    """Two listings and three buildings are five of what the API claims to have, but two listings."""
    load(mart_tables, "b1", seen({1: 200_000, 2: 200_000}, claimed=claimed, not_listings=3))
    build(mart_tables)
    accounted = rows(mart_tables, "select on_pages, not_listings from marts.coverage")
    assert found == (column(mart_tables, "listings_seen, coverage_share, is_complete"), accounted)


def test_buildings_alone_are_no_market_seen_whole(mart_tables: Connection) -> None:
    """Where the API shows the three buildings that it claims, and no listing, nothing is known to have left."""
    load(mart_tables, "b1", seen({}, claimed=3, not_listings=3))
    build(mart_tables)
    assert [(False,)] == rows(mart_tables, "select is_complete from marts.coverage")


def test_a_listing_that_was_rejected_has_not_left(mart_tables: Connection) -> None:
    """A listing rejected on the day is not gone, and when it is clean again it is neither new nor back."""
    load(mart_tables, "b1", complete({1: 200_000, 2: 200_000}, day=20))
    load(mart_tables, "b2", complete({2: 200_000}, day=21, reasons=["price_missing"], rejected_zpids=[1]))
    load(mart_tables, "b3", complete({1: 200_000, 2: 200_000}, day=22))
    build(mart_tables)
    assert [(0, 0, 0), (0, 0, 0)] == column(mart_tables, "new_listings, gone_listings, back_listings")[1:]


@pytest.mark.parametrize(
    ("zpids", "claimed", "seen_and_complete"),
    [
        ([2, 2], 2, (2, True)),  # one listing, rejected twice
        ([2, 2], 3, (2, False)),
        ([1, 3], 2, (2, True)),  # the first is clean as well
        ([2], 3, (3, False)),  # the second reject has no zpid: some listing, but which?
        ([], 3, (3, False)),
    ],
)
def test_each_listing_is_seen_once(
    mart_tables: Connection, zpids: list[int], claimed: int, seen_and_complete: tuple[int, bool]
) -> None:
    """Rejected twice, or rejected and clean, it counts once; a day with a reject without a zpid was not seen whole."""
    reasons = ["price_missing", "price_invalid"]
    load(mart_tables, "b1", seen({1: 200_000}, claimed=claimed, reasons=reasons, rejected_zpids=zpids))
    build(mart_tables)
    assert [seen_and_complete] == column(mart_tables, "listings_seen, is_complete")


@pytest.mark.parametrize(("reached_end", "expected"), [(True, True), (None, True), (False, False)])
def test_what_our_page_limit_ended_was_not_seen_whole(
    mart_tables: Connection, reached_end: bool | None, expected: bool
) -> None:
    """All that was claimed was seen, and still there may be more behind the page at which we stopped."""
    load(mart_tables, "b1", seen({1: 200_000, 2: 200_000}, claimed=2, reached_end=reached_end))
    build(mart_tables)
    assert [(2, expected)] == column(mart_tables, "listings_seen, is_complete")


def test_a_reject_that_nobody_can_name_says_nothing_of_what_left(mart_tables: Connection) -> None:
    """The day and the next have no counts of what came, left and returned, instead of wrong ones."""
    load(mart_tables, "b1", complete({1: 200_000, 2: 200_000}, day=20))
    load(mart_tables, "b2", seen({2: 200_000}, day=21, claimed=2, reasons=["price_missing"]))
    load(mart_tables, "b3", complete({1: 200_000, 2: 200_000}, day=22))
    load(mart_tables, "b4", complete({1: 200_000, 2: 200_000}, day=23))
    build(mart_tables)
    flows = column(mart_tables, "new_listings, gone_listings, back_listings")
    assert [(None, None, None), (None, None, None), (0, 0, 0)] == flows[1:]


def test_odd_listings_are_counted_and_kept_out_of_medians(mart_tables: Connection) -> None:
    """Price 0, a rent and a plot are active, not measured, each counted once, and move no median."""
    odd = {
        4: {"oddities": "plot,price_zero", "home_type": "LOT"},
        5: {"oddities": "rent_like_price"},
        6: {"oddities": "plot", "home_type": "LOT"},
    }
    load(mart_tables, "b1", seen({1: 100_000, 2: 200_000, 3: 400_000, 4: 0, 5: 1_900, 6: 50_000}, rows=odd))
    build(mart_tables)
    counts = "active, measured, excluded_price_zero, excluded_rent_like, excluded_plot"
    assert [(6, 3, 1, 1, 1)] == column(mart_tables, counts)
    assert [(150_000, 200_000, 300_000)] == column(mart_tables, "price_p25, price_median, price_p75")


def test_medians_interpolate_to_the_cent(mart_tables: Connection) -> None:
    """Quartiles of four prices lie between them, exact to the cent; yield and square feet likewise."""
    homes = {
        zpid: {"living_area_sqft": 1_000 * zpid, "rent_zestimate": 1_000, "zestimate": 100_000} for zpid in range(1, 5)
    }
    load(mart_tables, "b1", seen({1: 100_000.01, 2: 200_000.02, 3: 300_000.05, 4: 400_000.09}, rows=homes))
    build(mart_tables)
    assert [(175_000.02, 250_000.04, 325_000.06)] == column(mart_tables, "price_p25, price_median, price_p75")
    assert [(100.00, 100.00)] == column(mart_tables, "price_sqft_p25, price_sqft_p75")
    assert [(0.05,)] == column(mart_tables, "rent_yield_median")
    assert [(150.0, 0, 4)] == column(mart_tables, "zestimate_gap_median, under_zestimate, over_zestimate")


def test_price_cuts_are_observed_or_stated(mart_tables: Connection) -> None:
    """A lower price than the day before is a cut; at first sight the API's word counts; one to 0 or a rent is none.

    A rent that falls is a cut as well, and so is the price of a plot, however low.
    """
    stated = {2: {"price_change": -10_000}, 3: {"price_change": 5_000}}
    for_sale = {zpid: {"home_status": "FOR_SALE"} for zpid in (5, 6)}
    for_rent = {7: {"home_status": "FOR_RENT"}, 8: {"home_status": "FOR_SALE", "home_type": "LOT"}}
    load(
        mart_tables,
        "b1",
        seen(
            {1: 200_000, 2: 190_000, 3: 100_000, 4: 300_000, 5: 80_000, 6: 250_000, 7: 2_000, 8: 8_000},
            day=20,
            rows=stated | for_sale | for_rent,
        ),
    )
    load(
        mart_tables,
        "b2",
        seen(
            {1: 180_000, 2: 190_000, 3: 110_000, 4: 0, 5: 1_200, 6: 1_900, 7: 1_800, 8: 6_000},
            day=21,
            rows=for_sale | for_rent | {6: {"home_status": "FOR_RENT"}},
        ),
    )
    build(mart_tables)
    sql = "select zpid, extract(day from seen_on), price_before, cut_percent, known_by from marts.price_cuts order by 1"
    found = [(int(a), int(b), float(c), float(d), e) for a, b, c, d, e in rows(mart_tables, sql)]
    assert [
        (1, 21, 200_000.0, 10.0, "observed"),
        (2, 20, 200_000.0, 5.0, "stated"),
        (7, 21, 2_000.0, 10.0, "observed"),
        (8, 21, 8_000.0, 25.0, "observed"),
    ] == found


def test_an_empty_market_is_a_day_with_nothing(mart_tables: Connection) -> None:
    """A set without a listing is a day with 0 active and no medians; that all have left nobody would believe it."""
    load(mart_tables, "b1", complete({1: 200_000}, day=20))
    load(mart_tables, "b2", complete({}, day=21))
    build(mart_tables)
    assert (0, 0, None, None) == column(mart_tables, "active, price_count, price_median, gone_listings")[1]
    assert [(True,), (False,)] == column(mart_tables, "is_complete")


def test_jumps_are_marked_and_explained(mart_tables: Connection) -> None:
    """A median that doubles is a jump with an explanation, and fails no build."""
    load(mart_tables, "b1", seen(dict.fromkeys(range(1, 31), 100_000), day=20))
    load(mart_tables, "b2", seen(dict.fromkeys(range(1, 31), 200_000), day=21))
    load(mart_tables, "b3", seen(dict.fromkeys(range(1, 4), 200_000), day=24))
    build(mart_tables)
    found = rows(mart_tables, "select measure, explanation from marts.jumps order by snapshot_date, measure")
    assert [
        ("price_median", "nothing here explains it: look at the listings"),
        ("active", "3 days lie between the two"),
    ] == found


def test_a_build_with_nothing_stale_changes_nothing(mart_tables: Connection) -> None:
    """The second build finds no partition and keeps the number of the first."""
    load(mart_tables, "b1", seen({1: 200_000}))
    first = build(mart_tables)
    assert (1, 1, "2026-11-22") == (first.build_number, first.partitions, first.newest_date)
    assert (1, 0) == (build(mart_tables).build_number, build(mart_tables).partitions)


def test_a_days_build_touches_that_day_alone(mart_tables: Connection) -> None:
    """Of three days loaded one after the other each build takes one partition."""
    taken = []
    for day in (20, 21, 22):
        load(mart_tables, f"b{day}", complete({1: 200_000 - day, 2: 300_000}, day=day))
        taken.append(build(mart_tables).partitions)
    assert [1, 1, 1] == taken


SABOTAGE = {
    "010_bounds": "update marts.market_by_day set measured = measured + 1",
    "020_sums_against_core": "update marts.zip_by_day set active = active + 1",
    "030_rejects_against_core": "update marts.rejects_by_day set rejects = rejects + 1",
    "040_sightings": "delete from marts.listing_presence where zpid = 1",
    "050_unique_keys": "insert into marts.coverage select * from marts.coverage",
    "060_price_cuts": "update marts.price_cuts set price_before = price_after",
}


def test_every_check_is_sabotaged_below() -> None:
    """No check file is left out of the test that sees it fail."""
    assert list(MART_CHECK_FILES) == [f"mart_checks/{name}.sql" for name in SABOTAGE]


@pytest.mark.parametrize("name", SABOTAGE)
def test_a_check_that_fails_rolls_the_build_back(mart_tables: Connection, name: str) -> None:
    """Broken rows make the check name them, and the marts stay as the build before left them."""
    load(mart_tables, "b1", seen({1: 200_000, 2: 300_000}, day=20, reasons=["price_missing"]))
    build(mart_tables)
    before = mart_rows(mart_tables)
    load(mart_tables, "b2", seen({1: 190_000, 2: 300_000}, day=21, reasons=["price_missing"]))
    broken = [*(render(each) for each in marts.MART_FILES), f"-- sabotage\n{SABOTAGE[name]}"]
    with pytest.raises(ChecksFailed, match=f"mart_checks/{name}") as failed:
        build(mart_tables, mart_sql=broken)
    assert "houston-tx" in str(failed.value) or "zpid" in str(failed.value)
    assert before == mart_rows(mart_tables)


def test_the_reader_sees_the_marts_and_cannot_change_them(mart_tables: Connection, warehouse: Any) -> None:
    """The role reader selects from every mart and from the view of listing figures, and writes to none."""
    load(mart_tables, "b1", seen({1: 200_000}))
    build(mart_tables)
    with closing(warehouse.driver("reader")) as reader:
        for table in (*MARTS, "builds", "listing_figures"):
            rows(reader, f"select count(*) from marts.{table}")
        assert [(1,)] == rows(reader, "select count(*) from marts.market_by_day")
        with closing(reader.cursor()) as cursor, pytest.raises(Exception, match="permission denied"):
            cursor.execute("delete from marts.market_by_day")


def test_a_dashboard_that_holds_its_transaction_open_stops_no_build(mart_tables: Connection, warehouse: Any) -> None:
    """A reader has read every mart and the ledger of builds, and goes home: builds, also full ones, come through."""
    load(mart_tables, "b1", seen({1: 200_000}))
    build(mart_tables)
    load(mart_tables, "b2", seen({1: 190_000}, hour=9))
    with closing(warehouse.driver("reader")) as reader, closing(mart_tables.cursor()) as cursor:
        with closing(reader.cursor()) as held:
            for table in (*MARTS, "builds", "listing_figures"):
                held.execute(f"select count(*) from marts.{table}")
        cursor.execute("set statement_timeout to 3000")
        mart_tables.commit()
        try:
            assert [1, 1] == [build(mart_tables).partitions, build(mart_tables, full=True).partitions]
        finally:
            mart_tables.rollback()
            cursor.execute("set statement_timeout to 0")
            mart_tables.commit()


@pytest.mark.parametrize("locked", ["core.build_lock", "core.load_audit", "core.schema_migrations"])
def test_the_reader_cannot_read_what_is_locked(mart_tables: Connection, warehouse: Any, locked: str) -> None:
    """What a load, a build or a migration locks is none of the reader's tables."""
    with warehouse.psycopg("reader") as reader, pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute(f"select * from {locked}")


def test_a_readers_table_in_public_stops_no_build(mart_tables: Connection, warehouse: Any) -> None:
    """Made while everybody may create in public, and named as a table of the build; built twice in one session."""
    load(mart_tables, "b1", seen({1: 200_000}))
    with warehouse.postgres.connect() as admin:
        try:
            admin.execute("grant create on schema public to public")
            with warehouse.psycopg("reader") as reader:
                for name in ("held_days", "cut_listings", '"Odd name"'):
                    reader.execute(f"create table public.{name} (kept integer)")
            migrate(mart_tables)
            assert [1, 1] == [build(mart_tables).partitions, build(mart_tables, full=True).partitions]
            assert (0,) == admin.execute("select count(kept) from public.held_days").fetchone()
        finally:
            admin.execute("revoke create on schema public from public")
            admin.execute('drop table if exists public.held_days, public.cut_listings, public."Odd name"')


def test_a_day_whose_set_was_cleaned_to_other_rows_is_built_anew(mart_tables: Connection) -> None:
    """A replay of the only set of all: its load has a number of its own, so that the marts see it."""
    first = complete(dict.fromkeys(range(1, 21), 200_000))
    load(mart_tables, "b1", first)
    build(mart_tables)
    again = complete(dict.fromkeys(range(1, 11), 300_000), replay="20261123T080000Z-aaaaaa")
    load(mart_tables, "b2", again)
    build(mart_tables)

    assert first.set_id == again.set_id
    assert [(10,)] == [row[:1] for row in column(mart_tables, "active, listings_seen")]
