"""From Parquet in S3 by COPY manifest into core, and who may read what came out."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from include.warehouse.migrations import migrate
from include.warehouse.sql_files import Connection
from tests.support.copied_sets import copied
from tests.support.staged_sets import HUMBLE, drop_all, load, load_staged, rows, seen
from tests.support.warehouse_fixture import Warehouse

FULL = {
    "home_type": "SINGLE_FAMILY",
    "home_status": "FOR_SALE",
    "price_change": Decimal("-25000.00"),
    "price_changed_at": datetime(2026, 4, 23, 7, 0, 0, 1, tzinfo=UTC),
    "bedrooms": Decimal("3.0"),
    "bathrooms": Decimal("2.5"),
    "living_area_sqft": Decimal("1742.00"),
    "lot_area_sqft": Decimal("10890.00"),
    "lot_area_unit": "acres",
    "street_address": 'Peña Plan, Grand "West"',
    "city": "Humble",
    "zipcode": "02118",
    "latitude": Decimal("29.998800"),
    "longitude": Decimal("-95.262400"),
    "rent_zestimate": Decimal("2100.00"),
    "is_open_house": True,
}
KEPT = "zpid, price, price_change, price_changed_at, lot_area_sqft, street_address, zipcode, latitude, is_open_house"


def test_parquet_comes_into_core_value_for_value(warehouse: Warehouse, core_tables: Connection) -> None:
    """Money, coordinates, microseconds, quotes, leading zeros, flags and nulls are what the files say."""
    full = seen({1: 469_900}, reasons=["price_missing"], rows={1: FULL})
    bare = seen({2: 0}, market=HUMBLE, hour=7)
    batch = copied(warehouse, core_tables, "b1", full, bare)
    assert [1, 1] == [each.accepted for each in load_staged(core_tables, batch).sets]
    moment = datetime(2026, 4, 23, 7, 0, 0, 1)  # noqa: DTZ001 - as TIMESTAMP holds it
    assert [
        (1, Decimal("469900.00"), Decimal("-25000.00"), moment, Decimal("10890.00"), 'Peña Plan, Grand "West"',
         "02118", Decimal("29.998800"), True),
        (2, Decimal("0.00"), None, None, None, None, None, None, False),
    ] == rows(core_tables, f"select {KEPT} from core.listings order by zpid")  # fmt: skip
    assert [("price_missing", "price_missing: by hand", 100)] == rows(
        core_tables, "select reason, detail, raw_position from core.listing_rejects"
    )
    seen_at = datetime(2026, 11, 22, 6, 0, 5, 123456)  # noqa: DTZ001
    assert [(seen_at,)] == rows(core_tables, "select observed_at from core.listings where zpid = 1")


def test_files_without_rows_load_as_an_empty_set(warehouse: Warehouse, core_tables: Connection) -> None:
    """A set whose every row was rejected, and one without rejects, go through COPY and the checks."""
    nothing = seen({}, reasons=["zpid_missing"])
    batch = copied(warehouse, core_tables, "b1", nothing, seen({1: 100}, day=23))
    assert {nothing.set_id: 0} == {
        each.set_id: each.accepted for each in load_staged(core_tables, batch).sets if each.set_id == nothing.set_id
    }


def test_a_first_load_of_many_rows_has_plans_that_scale(warehouse: Warehouse, core_tables: Connection) -> None:
    """20,000 listings into tables that were just made load in seconds; compared row with row they took a minute."""
    drop_all(core_tables)
    migrate(core_tables)
    many = seen({zpid: 100 + zpid for zpid in range(1, 20_001)})
    batch = copied(warehouse, core_tables, "b1", many)
    started = time.monotonic()
    assert load_staged(core_tables, batch).accepted == 20_000
    assert time.monotonic() - started < 20


def test_the_reader_sees_the_classic_table(warehouse: Warehouse, core_tables: Connection) -> None:
    """public.zillowdata has the nine classic columns, each listing as it was last seen."""
    load(core_tables, "b1", seen({1: 100}, rows={1: FULL | {"price": 469_900}}))
    with closing(warehouse.driver("reader")) as reader:
        found = rows(
            reader,
            "select bathrooms, bedrooms, city, homeStatus, homeType, livingArea, price, rentZestimate, zipcode "
            "from public.zillowdata",
        )
    assert [
        (Decimal("2.5"), Decimal("3.0"), "Humble", "FOR_SALE", "SINGLE_FAMILY", Decimal("1742.00"),
         Decimal("469900.00"), Decimal("2100.00"), "02118"),
    ] == found  # fmt: skip


@pytest.mark.parametrize("table", ["core.listings", "core.load_audit", "core.schema_migrations", "staging.listings"])
def test_the_reader_sees_nothing_behind_it(warehouse: Warehouse, core_tables: Connection, table: str) -> None:
    """Neither core nor staging can be read by the reader."""
    with closing(warehouse.driver("reader")) as reader, pytest.raises(Exception, match="permission denied"):
        rows(reader, f"select * from {table}")


def test_the_reader_cannot_write_the_view(warehouse: Warehouse, core_tables: Connection) -> None:
    """The reader may not delete through public.zillowdata."""
    with closing(warehouse.driver("reader")) as reader, pytest.raises(Exception, match="permission denied"):
        rows(reader, "delete from public.zillowdata")


def test_dates_stay_dates(warehouse: Warehouse, core_tables: Connection) -> None:
    """snapshot_date and the bounds of the history are the set's date, whatever the session's time zone."""
    with closing(core_tables.cursor()) as cursor:
        cursor.execute("set timezone to 'America/New_York'")
    core_tables.commit()
    load_staged(core_tables, copied(warehouse, core_tables, "b1", seen({1: 100}, hour=2)))
    seen_at = datetime(2026, 11, 22, 2, 0, 5, 123456)  # noqa: DTZ001
    assert [(date(2026, 11, 22), seen_at)] == rows(core_tables, "select snapshot_date, observed_at from core.listings")
    assert [(date(2026, 11, 22),)] == rows(core_tables, "select valid_from from core.listing_history")
