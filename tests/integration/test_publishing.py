"""Publishing: what lies in the bucket after a report, when one is due, and what the exports hold."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow.parquet as pq
import pytest

from include.base.settings import Resources
from include.report import exports, marts, steps
from include.report.publishing import Publisher
from include.report.store import ReportStore
from include.warehouse.sql_files import MART_CHECK_FILES, MART_FILES, Connection, render
from tests.support.memory_s3 import MemoryS3
from tests.support.staged_sets import HOUSTON, HUMBLE, empty_marts, load, seen

pytestmark = pytest.mark.timeout(180)

WHERE = Resources("", "", "clean", "", "", "", "", "t")
MOMENT = "2026-11-22T06:10:00Z"
NAMED = {"market_name": "O'Fallon 🏡, mo"}


@pytest.fixture
def mart_tables(core_tables: Connection) -> Connection:
    """A connection to a migrated warehouse whose core and marts are empty."""
    empty_marts(core_tables)
    return core_tables


def publisher(connection: Connection, s3: MemoryS3) -> Publisher:
    """A publisher of what is to be built now."""
    return Publisher(connection, s3, WHERE, marts.build(connection, run_id="test"), "test", MOMENT)


def body(s3: MemoryS3, key: str) -> bytes:
    """What lies at a key."""
    return s3.buckets["clean"][key].body


def test_a_report_has_its_page_its_record_and_every_mart_twice(mart_tables: Connection) -> None:
    """Below reports/date=…/ lie the HTML, the record and each mart as CSV and Parquet; the newest also as latest."""
    s3 = MemoryS3("clean")
    load(mart_tables, "b1", seen({1: 200_000, 2: 300_000}, claimed=2))
    done = publisher(mart_tables, s3).publish("2026-11-22")
    files = [f"marts/{mart}.{kind}" for mart in exports.EXPORTS for kind in ("csv", "parquet")]
    expected = [f"reports/date=2026-11-22/{name}" for name in (*files, "report.html", "report.json")]
    assert sorted([*expected, "reports/latest.html", "reports/latest.json"]) == sorted(s3.buckets["clean"])
    assert ("s3://clean/reports/date=2026-11-22/report.html", 1, 2, True) == (
        done.uri,
        done.markets,
        done.listings,
        done.latest,
    )
    record = json.loads(body(s3, "reports/date=2026-11-22/report.json"))
    assert (["zillow56/houston-tx|2026-11-22"], 1) == (record["reported"], record["build_number"])
    assert body(s3, "reports/latest.html") == body(s3, "reports/date=2026-11-22/report.html")


def test_what_was_published_reads_back(mart_tables: Connection) -> None:
    """The Listings page's store finds the report, its date and its numbers."""
    s3 = MemoryS3("clean")
    load(mart_tables, "b1", seen({1: 200_000, 2: 300_000}, claimed=2))
    publisher(mart_tables, s3).publish("2026-11-22")
    summary = ReportStore(s3, "clean").summary("2026-11-22")
    assert summary is not None
    [market] = summary.markets
    assert (250_000.0, 2, 2, True) == (market["median_price"], market["active"], market["seen"], market["is_complete"])
    assert (1, 0) == (summary.marts["market_by_day"].rows, summary.marts["zestimate_gaps"].rows)


def test_a_report_is_due_until_it_is_published_and_again_after_a_build(mart_tables: Connection) -> None:
    """Never published, or built since: due; else not."""
    s3 = MemoryS3("clean")
    load(mart_tables, "b1", seen({1: 200_000}))
    first = publisher(mart_tables, s3)
    assert first.is_due("2026-11-22")
    first.publish("2026-11-22")
    assert not publisher(mart_tables, s3).is_due("2026-11-22")
    load(mart_tables, "b2", seen({1: 100_000}, hour=9))
    assert publisher(mart_tables, s3).is_due("2026-11-22")


def test_a_run_of_an_earlier_date_publishes_the_newest_too(
    mart_tables: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A late day changes the trend of the newest report: both are put, and only the newest one is the latest."""
    monkeypatch.setattr(steps, "resources", lambda: WHERE)
    s3 = MemoryS3("clean")
    rendered = {"marts": [render(n) for n in MART_FILES], "checks": [render(n) for n in MART_CHECK_FILES]}
    load(mart_tables, "b1", seen({1: 200_000}, day=22))
    load(mart_tables, "b2", seen({1: 210_000}, day=20))
    build = steps.build(mart_tables, rendered, run_id="test", full=False)
    when = datetime(2026, 11, 22, 6, 10, tzinfo=UTC)

    def publish() -> list[dict[str, Any]]:
        return steps.publish(mart_tables, s3, build, partition_key="all|2026-11-20", run_id="test", generated_at=when)

    published = publish()
    assert [("2026-11-20", False), ("2026-11-22", True)] == [(each["date"], each["latest"]) for each in published]
    assert "2026-11-22" == steps.summary(published)["date"]
    assert [] == publish()


def test_exports_hold_the_marts_rows_with_their_types(mart_tables: Connection) -> None:
    """CSV and Parquet have the same rows as the mart; money is a decimal, a date a date."""
    load(mart_tables, "b1", seen({1: 200_000.5, 2: 300_000}, day=21), seen({3: 1_000_000}, market=HUMBLE, day=22))
    marts.build(mart_tables, run_id="test")
    found = {each.mart: each for each in exports.exports(mart_tables, "2026-11-22")}
    days = pq.read_table(io.BytesIO(found["market_by_day"].parquet)).to_pylist()
    assert [(HOUSTON, Decimal("250000.25")), (HUMBLE, Decimal("1000000.00"))] == [
        (row["market"], row["price_median"]) for row in days
    ]
    assert ["2026-11-21", "2026-11-22"] == [row["snapshot_date"].isoformat() for row in days]
    lines = list(csv.DictReader(io.StringIO(found["market_by_day"].csv.decode())))
    assert ["250000.25", "1000000.00"] == [line["price_median"] for line in lines]
    for mart, each in found.items():
        table = pq.read_table(io.BytesIO(each.parquet))
        assert each.rows == table.num_rows == len(list(csv.reader(io.StringIO(each.csv.decode())))) - 1, mart
        assert "null" not in {str(kind) for kind in table.schema.types}, mart
    assert 1 == found["listing_presence"].rows


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_text_that_is_a_formula_is_none_in_a_csv(mart_tables: Connection, sign: str) -> None:
    """A street of the API begins with an apostrophe there, where a spreadsheet would run it; in Parquet it is as sent.

    A negative number stays a number.
    """
    street = f'{sign}HYPERLINK("http://example.com","x")'
    of = {1: {"street_address": street, "zestimate": 300_000, "home_type": "CONDO", "home_status": "FOR_SALE"}}
    load(mart_tables, "b1", seen({1: 200_000}, rows=of))
    marts.build(mart_tables, run_id="test")
    (gaps,) = [each for each in exports.exports(mart_tables, "2026-11-22") if each.mart == "zestimate_gaps"]
    (line,) = csv.DictReader(io.StringIO(gaps.csv.decode(), newline=""))
    assert (f"'{street}", "houston-tx") == (line["street_address"], line["market"])
    assert [street] == pq.read_table(io.BytesIO(gaps.parquet))["street_address"].to_pylist()
    assert float(line["gap_percent"]) < 0


def test_an_empty_warehouse_has_a_report_that_says_so(mart_tables: Connection) -> None:
    """Without any data the report is a page with a sentence, and every export has its columns and no row."""
    s3 = MemoryS3("clean")
    done = publisher(mart_tables, s3).publish("2026-11-22")
    assert (0, 0) == (done.markets, done.listings)
    assert b"<html" in body(s3, "reports/latest.html")
    assert b'"source","market"' in body(s3, "reports/date=2026-11-22/marts/market_by_day.csv")


def test_a_market_named_with_quotes_and_emoji_is_reported_under_its_name(mart_tables: Connection) -> None:
    """What the person asked for stands in mart, record and page, escaped where it must be."""
    s3 = MemoryS3("clean")
    load(mart_tables, "b1", seen({1: 0}, rows={1: {"oddities": "price_zero"}}, **NAMED))
    publisher(mart_tables, s3).publish("2026-11-22")
    [market] = json.loads(body(s3, "reports/latest.json"))["markets"]
    assert ("O'Fallon 🏡, mo", None, 1) == (market["name"], market["median_price"], market["active"])
    html = body(s3, "reports/latest.html").decode()
    assert "O&#39;Fallon 🏡, mo" in html


def test_an_earlier_dates_exports_keep_to_its_days(mart_tables: Connection) -> None:
    """Made again after later days came, a date's files hold its own days, and the listings that were there then."""
    load(mart_tables, "b1", seen({1: 200_000, 2: 300_000}, day=20), seen({2: 300_000, 3: 400_000}, day=22))
    marts.build(mart_tables, run_id="test")
    found = {
        each.mart: pq.read_table(io.BytesIO(each.parquet)).to_pylist()
        for each in exports.exports(mart_tables, "2026-11-20")
    }
    assert ["2026-11-20"] == [row["snapshot_date"].isoformat() for row in found["market_by_day"]]
    assert [1, 2] == [row["zpid"] for row in found["listing_presence"]]
    assert [] == found["zestimate_gaps"]
