"""Reports are read back from the bucket: dates, what each says of itself, its page, its marts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from include.base.keys import MalformedKey, SetKey
from include.ledger.shown import Ready
from include.report.store import Mart, ReportStore, StoreTrouble
from tests.support.memory_s3 import MemoryS3

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
RECORD = {
    "date": "2026-11-22",
    "generated_at": "2026-11-22T11:30:00Z",
    "build_number": 7,
    "run_id": "run-1",
    "markets": [{"source": "zillow56", "market": "houston-tx", "active": 820}],
    "marts": {"zip_by_day": {"rows": 40, "span": "the report's date"}, "builds": {"rows": None}},
    "reported": ["zillow56/houston-tx|2026-11-22"],
}


@pytest.fixture
def s3() -> MemoryS3:
    s3 = MemoryS3("clean", clock=lambda: NOON)
    s3.put_object(Bucket="clean", Key="reports/latest.json", Body=b"{}")
    s3.put_object(Bucket="clean", Key="reports/notices/date=2026-11-22/x.json", Body=b"{}")
    s3.put_object(Bucket="clean", Key="reports/date=2026-11-09/report.html", Body=b"old")
    s3.put_object(Bucket="clean", Key="reports/date=2026-11-22/report.json", Body=json.dumps(RECORD).encode())
    s3.put_object(Bucket="clean", Key="reports/date=2026-11-22/report.html", Body=b"<p>new")
    s3.put_object(Bucket="clean", Key="reports/date=2026-11-22/marts/zip_by_day.csv", Body=b"source\n")
    return s3


@pytest.fixture
def store(s3: Any) -> ReportStore:
    return ReportStore(s3, "clean")


def test_the_dates_are_those_with_a_folder_newest_first(store: ReportStore) -> None:
    """Whatever else lies among the reports is no date."""
    assert ["2026-11-22", "2026-11-09"] == store.dates()


def test_a_report_says_of_itself_what_its_record_has(store: ReportStore) -> None:
    """The record is read into types; the marts keep their order."""
    found = store.summary("2026-11-22")

    assert found is not None
    assert (datetime(2026, 11, 22, 11, 30, tzinfo=UTC), 7, "run-1") == (
        found.generated_at,
        found.build_number,
        found.run_id,
    )
    assert [("zip_by_day", Mart(40, "the report's date")), ("builds", Mart(None, ""))] == list(found.marts.items())
    assert frozenset({"zillow56/houston-tx|2026-11-22"}) == found.as_reported.partitions


def test_what_is_not_there_is_none(store: ReportStore) -> None:
    """A date without a report, one whose report is not finished, and a mart that it does not keep are no trouble."""
    assert (None, None) == (store.summary("2026-11-09"), store.html("2026-11-21"))
    assert None is store.mart("2026-11-22", "zip_by_day", "parquet")


def test_a_report_and_a_mart_come_as_they_lie_there(store: ReportStore) -> None:
    """Byte for byte."""
    mart = store.mart("2026-11-22", "zip_by_day", "csv")

    assert (b"<p>new", b"source\n") == (store.html("2026-11-22"), mart.body.read() if mart else None)


@pytest.mark.parametrize("date", ["", "2026-13-01", "../secrets", "2026-11-22/..", "2026-11-22\n", "20261122"])
def test_what_is_no_date_never_becomes_a_key(store: ReportStore, s3: MemoryS3, date: str) -> None:
    """It is refused before S3 is asked."""
    s3.calls.clear()
    for look in (store.summary, store.html, lambda date: store.mart(date, "zip_by_day", "csv")):
        with pytest.raises(MalformedKey, match="no date"):
            look(date)
    assert [] == s3.calls


@pytest.mark.parametrize(("mart", "kind"), [("../report", "csv"), ("Zip", "csv"), ("", "csv"), ("zip_by_day", "html")])
def test_what_is_no_mart_never_becomes_a_key(store: ReportStore, s3: MemoryS3, mart: str, kind: str) -> None:
    """It is refused before S3 is asked."""
    s3.calls.clear()
    with pytest.raises(MalformedKey):
        store.mart("2026-11-22", mart, kind)
    assert [] == s3.calls


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"generated_at": 7}', b'{"generated_at": "2026", "marts": 1}'])
def test_a_record_that_cannot_be_read_is_a_sentence(store: ReportStore, s3: MemoryS3, body: bytes) -> None:
    """It names the date."""
    s3.put_object(Bucket="clean", Key="reports/date=2026-11-22/report.json", Body=body)
    with pytest.raises(StoreTrouble, match=r"report.json of 2026-11-22 cannot be read"):
        store.summary("2026-11-22")


def test_stamps_tell_which_reports_were_put_again(store: ReportStore) -> None:
    """One listing, of finished reports from the date on."""
    assert {"2026-11-22": NOON} == store.stamps("2026-11-10")
    assert {} == store.stamps("2026-11-23")


def test_of_a_sets_markers_the_newest_replays_counts(store: ReportStore, s3: MemoryS3) -> None:
    """Markers of other transforms and of earlier dates are left out."""
    key = SetKey("zillow56", "houston-tx", "2026-11-22", "20261122T060000Z-aaaaaa")
    early = SetKey("zillow56", "houston-tx", "2026-11-01", "20261101T060000Z-aaaaaa")
    markers = (key.ready("v1", "20261123T1Z-b"), key.ready("v1"), key.ready("v2", "20261124T1Z-c"), early.ready("v1"))
    for name in markers:
        s3.put_object(Bucket="clean", Key=name, Body=b"{}")

    assert {key: Ready("20261123T1Z-b", NOON)} == store.ready("2026-11-10", "v1")


def test_a_bucket_that_is_not_there_is_a_sentence() -> None:
    """It names the bucket and S3's own word."""
    client: Any = MemoryS3()
    with pytest.raises(StoreTrouble, match="clean: NoSuchBucket"):
        ReportStore(client, "clean").dates()
    with pytest.raises(StoreTrouble, match="clean: NoSuchBucket"):
        ReportStore(client, "clean").html("2026-11-22")


def test_an_s3_that_does_not_answer_is_a_sentence(store: ReportStore, s3: MemoryS3, monkeypatch: Any) -> None:
    """Whatever is asked of it."""

    def gone(**kwargs: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="http://gone")

    monkeypatch.setattr(s3, "get_object", gone)
    for look in (store.summary, store.html, lambda date: store.mart(date, "zip_by_day", "csv")):
        with pytest.raises(StoreTrouble, match="cannot be reached"):
            look("2026-11-22")
