"""Pages are stored once and as they came, and the manifest completes the set."""

import json
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from include.base.receipts import LandedReceipt
from include.base.set_records import Manifest
from include.base.version import VERSION
from include.contract.families import NotAPage, load_source
from include.extract import landing
from include.extract.landing import LandingSet
from tests.support.examples import PREFIX, RECEIVED_AT, REQUEST, buckets, page
from tests.support.memory_s3 import MemoryS3
from tests.support.record_schemas import complaints

SOURCE = load_source("zillow56")
LATER = "2026-11-22T06:00:09.000000Z"
SERVED = "2026-11-22T06:00:04.000000Z"
QUOTA = {"limit": 500, "remaining": 480, "reset": 86400}
NOT_PAGES = [
    pytest.param(b"", "empty", id="empty"),
    pytest.param(b" \n", "empty", id="blank"),
    pytest.param(b"<html><body>502 Bad Gateway</body></html>", "html", id="html"),
    pytest.param(b'{"results": [', "not_json", id="cut off"),
    pytest.param(b'{"message": "You are not subscribed to this API."}', "You are not subscribed", id="error body"),
    pytest.param(b'{"results": null}', "no_list", id="no list"),
    pytest.param(b"[]", "no_list", id="a bare list"),
]


def landing_set(s3: MemoryS3) -> LandingSet:
    """The set of REQUEST in the landing bucket."""
    return LandingSet(s3, "landing", REQUEST)


def test_a_page_is_stored_as_received() -> None:
    """The object is the body, byte by byte; the facts about it are returned and stand in its metadata."""
    s3 = buckets()
    body = page(2, total_pages=20) + b"\n\n"

    stored, facts = landing_set(s3).put_page(SOURCE, 1, body, RECEIVED_AT, SERVED)

    assert [PREFIX + "page-0001.json"] == s3.keys("landing")
    kept = s3.buckets["landing"][PREFIX + "page-0001.json"]
    assert (body, {"received-at": RECEIVED_AT, "served-at": SERVED}) == (kept.body, kept.metadata)
    assert (2, 20, 60) == (facts.listings, facts.total_pages, facts.total_listings)
    assert ("page-0001.json", 1, len(body), sha256(body).hexdigest(), 2, RECEIVED_AT, SERVED) == (
        stored.name,
        stored.page,
        stored.bytes,
        stored.sha256,
        stored.listings,
        stored.received_at,
        stored.served_at,
    )


def test_the_page_that_came_first_is_kept() -> None:
    """A second body for a page changes nothing, and what is returned describes the first."""
    s3 = buckets()
    first, second = page(2), page(3)
    one = landing_set(s3).put_page(SOURCE, 1, first, RECEIVED_AT, SERVED)

    assert one == landing_set(s3).put_page(SOURCE, 1, second, LATER, None)
    assert first == s3.buckets["landing"][PREFIX + "page-0001.json"].body


@pytest.mark.parametrize(("body", "words"), NOT_PAGES)
def test_what_is_no_page_is_never_stored_as_one(body: bytes, words: str) -> None:
    """Empty, HTML, cut-off or error bodies raise with their words and leave nothing."""
    s3 = buckets()

    with pytest.raises(NotAPage, match=words):
        landing_set(s3).put_page(SOURCE, 1, body, RECEIVED_AT, None)
    assert [] == s3.keys("landing")


def test_an_error_body_is_kept_outside_the_set() -> None:
    """It lies under errors/ by page, status and checksum, once however often it came, and is no part of the set."""
    s3 = buckets()
    body = b'{"message": "no"}'
    expected = f"errors/{PREFIX.removeprefix('listings/')}page-0003-403-{sha256(body).hexdigest()[:12]}.body"

    assert [expected, expected] == [landing_set(s3).put_error(3, 403, body) for _ in range(2)]
    assert ([expected], body) == (s3.keys("landing"), s3.buckets["landing"][expected].body)
    assert [] == landing_set(s3).pages(SOURCE)


def test_landed_pages_are_found_again() -> None:
    """A second try sees what the first one stored, with the times and counts of then."""
    s3 = buckets()
    stored = [
        landing_set(s3).put_page(SOURCE, number, page(number), RECEIVED_AT, served)
        for number, served in ((1, SERVED), (2, None), (3, SERVED))
    ]

    assert stored == landing_set(s3).pages(SOURCE)


@given(st.sets(st.integers(1, 12)))
def test_pages_after_a_gap_do_not_count(numbers: set[int]) -> None:
    """Pages are taken from the first on, up to the first that lacks."""
    s3 = buckets()
    for number in numbers:
        landing_set(s3).put_page(SOURCE, number, page(1), RECEIVED_AT, None)
    expected = []
    while len(expected) + 1 in numbers:
        expected.append(len(expected) + 1)

    assert expected == [stored.page for stored, _ in landing_set(s3).pages(SOURCE)]


def test_another_extraction_has_pages_of_its_own() -> None:
    """Pages of another extraction of the same market and date are not taken for one's own."""
    s3 = buckets()
    landing_set(s3).put_page(SOURCE, 1, page(1), RECEIVED_AT, None)
    other = LandingSet(s3, "landing", replace(REQUEST, extract_id="20261122T100003Z-aaaaaa"))

    assert [] == other.pages(SOURCE)


def test_the_manifest_says_all_there_is_to_know() -> None:
    """It names each page with checksum, bytes, listings and times, what the API claimed, and the run."""
    s3 = buckets()
    one, two = page(2), page(1)
    ours = landing_set(s3)
    pages = [ours.put_page(SOURCE, 1, one, RECEIVED_AT, SERVED), ours.put_page(SOURCE, 2, two, LATER, None)]

    assert json.loads(ours.complete(pages, QUOTA)) == {
        "manifest_version": 1,
        "pipeline_version": VERSION,
        "source": "zillow56",
        "market": "houston-tx",
        "location": "houston, tx",
        "listing": "sale",
        "date": "2026-11-22",
        "extract_id": "20261122T060003Z-1f3a9c",
        "run_id": "manual__example",
        "observed_at": RECEIVED_AT,
        "completed_at": LATER,
        "pages": [
            {
                "name": "page-0001.json",
                "page": 1,
                "bytes": len(one),
                "sha256": sha256(one).hexdigest(),
                "listings": 2,
                "received_at": RECEIVED_AT,
                "served_at": SERVED,
            },
            {
                "name": "page-0002.json",
                "page": 2,
                "bytes": len(two),
                "sha256": sha256(two).hexdigest(),
                "listings": 1,
                "received_at": LATER,
                "served_at": None,
            },
        ],
        "listings": 3,
        "pages_claimed": 2,
        "pages_limit": 20,
        "listings_claimed": 60,
        "date_override": None,
        "quota": QUOTA,
    }


@pytest.mark.parametrize(
    ("claims", "greatest"),
    [
        ([(20, 820), (0, 0)], (20, 820)),
        ([(2, 60), (4, 90), (3, 80)], (4, 90)),
        ([(None, None), ("3", "70")], (3, 70)),
        ([(None, None)], (None, None)),
        ([(3_000_000_000, 10**20)], (None, None)),
        ([(10**30, 10**30), (2, 60)], (2, 60)),
    ],
)
def test_the_manifest_keeps_the_greatest_claim_of_its_pages(
    claims: list[tuple[Any, Any]], greatest: tuple[int | None, int | None]
) -> None:
    """An empty page that claims nothing takes no claim back; what no column holds, as text or not, is none."""
    ours = landing_set(buckets())
    bodies = [
        page(1, None, **{"totalPages": pages, "totalResultCount": listings} if pages is not None else {})
        for pages, listings in claims
    ]
    manifest = ours.complete(
        [ours.put_page(SOURCE, number, body, RECEIVED_AT, None) for number, body in enumerate(bodies, 1)], None
    )

    receipt = landing.receipt(manifest, "s3://landing/it")
    assert greatest == (receipt.pages_claimed, receipt.listings_claimed)
    assert greatest == tuple(json.loads(manifest)[name] for name in ("pages_claimed", "listings_claimed"))


@pytest.mark.parametrize("claimed", [3_000_000_000, 10**20, 10**30])
def test_an_old_manifest_is_read_with_its_claims_bounded(claimed: int) -> None:
    """A set that an earlier version landed with such a claim is announced without it, in a record that travels."""
    ours = landing_set(buckets())
    made = json.loads(ours.complete([ours.put_page(SOURCE, 1, page(1), RECEIVED_AT, None)], None))
    old = json.dumps(made | {"pages_claimed": claimed, "listings_claimed": claimed}).encode()
    receipt = landing.receipt(old, "s3://landing/it")

    assert (None, None) == (receipt.pages_claimed, receipt.listings_claimed)


def test_the_manifest_stands_as_it_was_put_first() -> None:
    """Completing a complete set gives the manifest that is there, and changes nothing."""
    s3 = buckets()
    ours = landing_set(s3)
    pages = [ours.put_page(SOURCE, 1, page(1), RECEIVED_AT, None)]
    first = ours.complete(pages, QUOTA)

    assert first == landing_set(s3).complete(pages, None)
    assert first == ours.manifest()


def test_a_location_keeps_its_letters() -> None:
    """The manifest is UTF-8: a name beyond ASCII is readable in it."""
    s3 = buckets()
    ours = LandingSet(s3, "landing", replace(REQUEST, location="cañon city, co"))

    assert "cañon city, co" in ours.complete([ours.put_page(SOURCE, 1, page(1), RECEIVED_AT, None)], None).decode()


def test_no_manifest_means_incomplete() -> None:
    """Pages alone are no complete set."""
    s3 = buckets()
    landing_set(s3).put_page(SOURCE, 1, page(1), RECEIVED_AT, None)

    assert landing_set(s3).manifest() is None


def test_a_missing_bucket_is_not_an_incomplete_set() -> None:
    """Where there is no bucket, reading and putting raise S3's own error instead of asking the API again."""
    s3 = MemoryS3()

    with pytest.raises(ClientError, match="NoSuchBucket"):
        landing_set(s3).manifest()
    with pytest.raises(ClientError, match="NoSuchBucket"):
        landing_set(s3).put_page(SOURCE, 1, page(1), RECEIVED_AT, None)
    with pytest.raises(ClientError, match="NoSuchBucket"):
        landing_set(s3).complete([landing_set(buckets()).put_page(SOURCE, 1, page(1), RECEIVED_AT, None)], None)


def test_the_receipt_is_read_off_the_manifest() -> None:
    """Whoever holds the manifest's bytes has the receipt: counts, claims, and the checksum of these very bytes."""
    s3 = buckets()
    ours = landing_set(s3)
    bodies = [page(2), page(1)]
    manifest = ours.complete(
        [ours.put_page(SOURCE, number, body, RECEIVED_AT, None) for number, body in enumerate(bodies, 1)], None
    )

    assert landing.receipt(manifest, "s3://landing/it") == LandedReceipt(
        source="zillow56",
        market="houston-tx",
        date="2026-11-22",
        extract_id="20261122T060003Z-1f3a9c",
        manifest_key=PREFIX + "_manifest.json",
        manifest_sha256=sha256(s3.buckets["landing"][PREFIX + "_manifest.json"].body).hexdigest(),
        observed_at=RECEIVED_AT,
        pages=2,
        listings=3,
        bytes=len(bodies[0]) + len(bodies[1]),
        pages_claimed=2,
        listings_claimed=60,
    )


@pytest.mark.parametrize("count", [1, 60])
def test_the_receipt_does_not_grow_with_the_market(count: int) -> None:
    """A receipt takes less than a kilobyte, for one page and for sixty."""
    s3 = buckets()
    ours = landing_set(s3)
    pages = [ours.put_page(SOURCE, number, page(41), RECEIVED_AT, SERVED) for number in range(1, count + 1)]

    assert 1000 > len(json.dumps(landing.receipt(ours.complete(pages, QUOTA), "s3://landing/it").to_dict()))


@pytest.mark.parametrize(("claimed", "quota", "served"), [(20, QUOTA, SERVED), (None, None, None)])
def test_the_manifest_has_the_form_of_its_schema(
    claimed: int | None, quota: dict[str, int] | None, served: str | None
) -> None:
    """With claims, quota and a server's time, and without any of them; and its reader takes what was written."""
    ours = landing_set(buckets())
    body = ours.complete([ours.put_page(SOURCE, 1, page(2, total_pages=claimed), RECEIVED_AT, served)], quota)

    assert [] == complaints("manifest", json.loads(body))
    read = Manifest.read(body, ours.manifest_uri)
    assert ("houston, tx", "sale", (2,), claimed) == (
        read.location,
        read.listing,
        read.listings_by_page,
        read.pages_claimed,
    )


@pytest.mark.parametrize("name", ["pages", "listing", "pages_claimed", "quota"])
def test_a_manifest_that_lacks_something_has_not_that_form(name: str) -> None:
    """The schema refuses a manifest without any of its parts, and one with a part too many."""
    ours = landing_set(buckets())
    whole = json.loads(ours.complete([ours.put_page(SOURCE, 1, page(1), RECEIVED_AT, None)], None))

    assert [f"$: '{name}' is a required property"] == complaints(
        "manifest", {key: value for key, value in whole.items() if key != name}
    )
    assert 1 == len(complaints("manifest", {**whole, "colour": "red"}))
