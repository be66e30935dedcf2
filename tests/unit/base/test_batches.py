"""What makes a batch loadable, and how it travels."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime

import pytest

from include.base.batches import Batch, InvalidBatch, ReadySet

PARTS = ("zillow56", "houston-tx", "2026-11-22", "20261122T060003Z-1f3a9c", "0123456789ab")
READY = ReadySet(
    "/".join(PARTS), *PARTS, observed_at="2026-11-22T06:00:05.123456Z",
    landed=44, clean=40, rejected=2, duplicates=1, unreadable=1, pages_unreadable=1,
    listings_uri="s3://clean/listings.parquet", listings_bytes=10, rejects_uri="s3://clean/rejects.parquet",
    rejects_bytes=20,
)  # fmt: skip


def test_a_batch_comes_back_from_json() -> None:
    """A batch survives JSON unchanged, and a ready set ignores keys it does not know."""
    batch = Batch("b1", "scheduled__2026-11-22", (READY,))
    assert batch == Batch.from_dict(json.loads(json.dumps(batch.to_dict())))
    assert READY == ReadySet.from_dict(READY.to_dict() | {"rejects_by_reason": {}})


def test_a_marker_from_before_searches_is_of_homes_for_sale() -> None:
    """A ready set that says nothing of its search is read as one for sale."""
    old = READY.to_dict()
    del old["listing"]
    assert "sale" == ReadySet.from_dict(old).listing


def test_a_marker_without_a_count_of_no_listings_has_none() -> None:
    """It was written before they were counted apart."""
    older = READY.to_dict()
    del older["not_listings"]
    assert 0 == ReadySet.from_dict(older).not_listings


@pytest.mark.parametrize("batch_id", ["", "B1", "b-1", "b;drop table core.listings", "b\n", "é", "b" * 41, "b 1"])
def test_an_id_that_is_no_plain_name_is_refused(batch_id: str) -> None:
    """Only what is safe as part of a table name becomes a batch id."""
    with pytest.raises(InvalidBatch, match="expected 1 to 40 of a-z, 0-9 and _"):
        Batch(batch_id, "run", (READY,))


def test_names_of_staging_tables_follow_from_the_id() -> None:
    """Each batch has tables of its own, in the schema staging."""
    batch = Batch("b1", "run", (READY,))
    names = [batch.staging_listings, batch.staging_rejects, batch.staging_sets, batch.staging_winners]
    assert ["staging.listings_b1", "staging.rejects_b1", "staging.sets_b1", "staging.winners_b1"] == names
    assert batch.staging_touched == "staging.touched_b1"


def test_a_batch_without_sets_is_refused() -> None:
    """There is nothing to load, so there is no batch."""
    with pytest.raises(InvalidBatch, match="no sets"):
        Batch("b1", "run", ())


def test_two_cleanings_of_one_extraction_do_not_share_a_batch() -> None:
    """Staged rows do not tell transform versions apart, so the second one is refused by name."""
    other = replace(READY, transform_version="ba9876543210", set_id="/".join((*PARTS[:4], "ba9876543210")))
    with pytest.raises(InvalidBatch, match="20261122T060003Z-1f3a9c more than once"):
        Batch("b1", "run", (READY, other))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"set_id": "zillow56/houston-tx"}, "its parts say"),
        ({"market": "humble-tx"}, "its parts say"),
        ({"clean": -1}, "clean must be a count, not -1"),
        ({"clean": "40"}, "clean must be a count, not '40'"),
        ({"not_listings": None}, "not_listings must be a count, not None"),
        ({"landed": True}, "landed must be a count, not True"),
        ({"observed_at": "2026-11-22T06:00:05"}, "lacks its offset from UTC"),
        ({"observed_at": "yesterday"}, "Invalid isoformat string: 'yesterday'"),
        (
            {"snapshot_date": "22.11.2026", "set_id": "zillow56/houston-tx/22.11.2026/" + "/".join(PARTS[3:])},
            "Invalid isoformat string",
        ),
    ],
)
def test_a_set_that_contradicts_itself_is_refused(changes: dict[str, object], complaint: str) -> None:
    """The error names the set and what is wrong with it."""
    with pytest.raises(InvalidBatch, match=complaint):
        replace(READY, **changes)


def test_times_are_bound_as_utc_without_an_offset() -> None:
    """08:00 at +02:00 is 06:00 in a TIMESTAMP column, and the day is the set's date."""
    local = replace(READY, observed_at="2026-11-22T08:00:05+02:00")
    assert datetime(2026, 11, 22, 6, 0, 5) == local.observed  # noqa: DTZ001
    assert date(2026, 11, 22) == local.day


def test_an_unreadable_page_is_one_reject_row() -> None:
    """Two rejected rows and one page that cannot be read are three rows in rejects.parquet."""
    assert READY.staged_rejects == 3
