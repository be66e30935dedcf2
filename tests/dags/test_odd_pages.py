"""Pages that contradict each other: what the API serves changes, or repeats itself, while a market is fetched."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from include.base.keys import SetKey
from tests.support.backends import API_KEY, DATE, EXTRACT_ID, PAGE_SIZE, Extraction

SET = SetKey("zillow56", "houston-tx", DATE, EXTRACT_ID)
PAGES = [f"page-{number:04d}.json" for number in range(1, 7)]


def page_of(extraction: Extraction, number: int) -> dict[str, Any]:
    """What the API serves for a page of Houston, asked past the pipeline."""
    headers = {"x-rapidapi-key": API_KEY, "x-rapidapi-host": "zillow56.p.rapidapi.com"}
    answer = extraction.api.get("/search", params={"location": "houston, tx", "page": number}, headers=headers)
    page: dict[str, Any] = answer.raise_for_status().json()
    extraction.asked()
    return page


def manifest_of(extraction: Extraction) -> dict[str, Any]:
    """The set's manifest."""
    manifest: dict[str, Any] = json.loads(extraction.body(SET.manifest))
    return manifest


def test_the_same_page_twice_is_landed_twice_and_counted_twice(extraction: Extraction) -> None:
    """An API that answers page 2 with page 1 costs no page: all three land, and the counts are of what came."""
    extraction.fault({"page": 2, "body": page_of(extraction, 1)})

    receipt = extraction.run()
    assert (3, 3 * PAGE_SIZE) == (receipt["pages"], receipt["listings"])
    assert ["_manifest.json", *PAGES[:3]] == extraction.names()
    bodies = [json.loads(extraction.body(SET.prefix + name)) for name in PAGES[:3]]
    first, second, third = ([listing["zpid"] for listing in body["results"]] for body in bodies)
    assert first == second != third


@pytest.mark.parametrize(
    ("limit", "claims", "expected"),
    [
        pytest.param(6, {1: 2, 2: 4, 3: 4, 4: 4}, 4, id="grows"),
        pytest.param(6, {1: 5, 2: 5, 3: 3}, 3, id="shrinks to the page at hand"),
        pytest.param(6, {1: 5, 2: 5, 3: 2}, 3, id="shrinks below the page at hand"),
        pytest.param(3, {1: 2, 2: 5, 3: 5}, 3, id="grows past the limit"),
        pytest.param(3, {1: 0, 2: 0, 3: 0}, 3, id="claims none"),
    ],
)
def test_the_newest_claim_says_how_many_pages_there_are(
    extraction: Extraction, limit: int, claims: dict[int, int], expected: int
) -> None:
    """Where totalPages changes under way, each page is asked for once, up to what the last page claims.

    The manifest keeps the greatest claim.
    """
    extraction.fault(
        *({"page": number, "body": page_of(extraction, number) | {"totalPages": n}} for number, n in claims.items())
    )

    assert expected == extraction.run(page_limit=limit)["pages"]
    assert {f"zillow56/houston-tx/{number}": 1 for number in range(1, expected + 1)} == extraction.asked()
    manifest = manifest_of(extraction)
    asked = [claims[number] for number in range(1, expected + 1)]
    assert (max(asked), expected) == (manifest["pages_claimed"], len(manifest["pages"]))


def test_an_empty_page_under_way_ends_the_market_and_the_manifest_shows_it(extraction: Extraction) -> None:
    """A page without listings is the last one asked for; that the API claims more pages stands in the manifest."""
    extraction.fault({"page": 2, "body": page_of(extraction, 2) | {"results": []}})

    assert (2, PAGE_SIZE) == tuple(extraction.run(page_limit=5)[name] for name in ("pages", "listings"))
    assert {"zillow56/houston-tx/1": 1, "zillow56/houston-tx/2": 1} == extraction.asked()
    manifest = manifest_of(extraction)
    assert (20, [PAGE_SIZE, 0]) == (manifest["pages_claimed"], [page["listings"] for page in manifest["pages"]])


def test_a_404_behind_pages_that_claim_no_number_ends_the_market(extraction: Extraction) -> None:
    """Where no page says how many there are, a page that is not there is the end, and the set is complete."""
    pages = {number: page_of(extraction, number) for number in (1, 2)}
    for page in pages.values():
        del page["totalPages"]
        del page["totalResultCount"]
    extraction.fault(
        *({"page": number, "body": body} for number, body in pages.items()),
        {"page": 3, "status": 404, "body": {"message": "no such page"}},
    )

    assert (2, 2 * PAGE_SIZE) == tuple(extraction.run(page_limit=5)[name] for name in ("pages", "listings"))
    manifest = manifest_of(extraction)
    assert (None, None) == (manifest["pages_claimed"], manifest["listings_claimed"])
    assert {f"zillow56/houston-tx/{number}": 1 for number in (1, 2, 3)} == extraction.asked()


@pytest.mark.parametrize("claimed", ["2", 2.0, "2.0"])
def test_a_claim_in_another_form_ends_the_market(extraction: Extraction, claimed: Any) -> None:
    """Two pages claimed as text or with a point are two pages: the third, which would be a 404, is not asked for."""
    extraction.fault(
        *({"page": number, "body": page_of(extraction, number) | {"totalPages": claimed}} for number in (1, 2)),
        {"page": 3, "status": 404, "body": {"message": "no such page"}},
    )

    assert 2 == extraction.run(page_limit=5)["pages"]
    assert 2 == manifest_of(extraction)["pages_claimed"]


def test_a_404_where_more_pages_are_claimed_fails_the_market(extraction: Extraction) -> None:
    """A claim says that there is more: the market waits for a person, its pages are kept."""
    extraction.fault({"page": 3, "status": 404, "body": {"message": "no such page"}})

    with pytest.raises(AirflowFailException, match=r"page 3: .*Pages 1 to 2 are kept"):
        extraction.run(page_limit=5)


def test_a_clock_that_stands_still_is_not_believed(extraction: Extraction) -> None:
    """A proxy's Date of 1970 is left out of the manifest: ages count from when the page was received."""
    extraction.fault({"page": 1, "headers": {"Date": "Thu, 01 Jan 1970 00:00:00 GMT"}})

    extraction.run(page_limit=1)
    assert [None] == [page["served_at"] for page in manifest_of(extraction)["pages"]]


def wait_until_answered(extraction: Extraction, requests: int) -> None:
    """Waits until the API has done with so many requests: it notes a late answer when it has given it."""
    end = time.monotonic() + 5
    while extraction.api.get("/_control/requests").json()["total"] < requests:
        assert time.monotonic() < end, "the API has not noted every request"
        time.sleep(0.05)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"delay_seconds": 1.2}, id="before the body"),
        pytest.param({"cut_at": 200, "stall_seconds": 1.2}, id="in the body"),
        pytest.param({"status": 500, "body": {"message": "no"}}, id="500"),
        pytest.param({"status": 502, "body": "<html>Bad Gateway</html>"}, id="502"),
        pytest.param({"status": 429, "body": {"message": "Too many requests"}}, id="429 without Retry-After"),
    ],
)
def test_what_passes_costs_a_second_request_and_no_page(
    extraction: Extraction, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any]
) -> None:
    """A time-out, an outage and a rate without a hint are waited for inside the call, and the set is complete."""
    monkeypatch.setenv("LISTINGS_REQUEST_TIMEOUT", "0.5")
    monkeypatch.setenv("LISTINGS_RESPONSE_TIMEOUT", "1")
    extraction.fault({**fault, "page": 2})

    assert 3 == extraction.run()["pages"]
    wait_until_answered(extraction, 4)
    assert {"zillow56/houston-tx/1": 1, "zillow56/houston-tx/2": 2, "zillow56/houston-tx/3": 1} == extraction.asked()
