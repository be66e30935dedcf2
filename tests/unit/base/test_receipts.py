"""Receipts go through JSON and come back, and stay small."""

import json

import pytest

from include.base.receipts import CleanReceipt, ExtractRequest, LandedReceipt
from tests.support.examples import REQUEST

LANDED = LandedReceipt(
    source="zillow56",
    market="houston-tx",
    date="2026-11-22",
    extract_id="20261122T060003Z-1f3a9c",
    manifest_key="listings/…/_manifest.json",
    manifest_sha256="0" * 64,
    observed_at="2026-11-22T06:00:05.123456Z",
    pages=20,
    listings=820,
    bytes=1_069_480,
)
CLEAN = CleanReceipt("a/b/c/d/e", "ready/x.json", landed=41, clean=38, rejected=1, duplicates=2, unreadable=0)


@pytest.mark.parametrize("record", [REQUEST, LANDED, CLEAN])
def test_a_receipt_survives_json(record: ExtractRequest | LandedReceipt | CleanReceipt) -> None:
    """What XCom carries is plain JSON that gives the same receipt back."""
    assert record == type(record).from_dict(json.loads(json.dumps(record.to_dict())))


def test_what_a_newer_version_added_is_ignored() -> None:
    """A receipt with a key that this version does not know is still read."""
    assert REQUEST == ExtractRequest.from_dict({**REQUEST.to_dict(), "invented_later": 1})


def test_what_is_missing_is_an_error() -> None:
    """A receipt without one of its facts is refused by that fact's name."""
    incomplete = LANDED.to_dict()
    del incomplete["manifest_sha256"]

    with pytest.raises(TypeError, match="manifest_sha256"):
        LandedReceipt.from_dict(incomplete)


def test_optional_claims_may_be_absent() -> None:
    """An API that claims no totals leaves them None."""
    assert (LANDED.pages_claimed, LANDED.listings_claimed) == (None, None)
