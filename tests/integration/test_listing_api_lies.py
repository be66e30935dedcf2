"""The listing API, told to say what is not so: of its pages and listings, of the time, and that there is nothing."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from local.commands.listing_api_client import ListingApi
from tests.support.listing_api_server import serving

NOW = "2026-11-20T03:00:00Z"  # in the night, when no listing becomes a day older
PLACE = "boulder, co"
# Path and parameters of a search for sale; where the list and both claims stand.
FAMILIES: dict[str, tuple[str, dict[str, str], str, str, str]] = {
    "zillow56": ("/search", {}, "results", "totalPages", "totalResultCount"),
    "zillow-com1": ("/propertyExtendedSearch", {}, "props", "totalPages", "totalResultCount"),
    "zillow-com4": ("/properties/search", {}, "data", "meta.totalPage", "meta.totalRecords"),
    "zillow-working-api": (
        "/search/byaddress",
        {"listingStatus": "For_Sale"},
        "searchResults",
        "pagesInfo.totalPages",
        "resultsCount",
    ),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(tmp_path_factory.mktemp("state"), "--rate", 0) as client:
        yield client


@pytest.fixture
def api(shared: httpx.Client) -> httpx.Client:
    """The server, as new, on 20 November 2026 in the night."""
    shared.post("/_control/reset").raise_for_status()
    shared.put("/_control/clock", json={"now": NOW}).raise_for_status()
    return shared


@pytest.fixture
def steered(api: httpx.Client) -> ListingApi:
    """The same server, as the stack and its tests steer it."""
    assert api.base_url.port is not None
    return ListingApi(api.base_url.port)


def answer(api: httpx.Client, family: str = "zillow56", **asked: Any) -> httpx.Response:
    """What the family's search answers, for page 1 of a small market where nothing else is asked."""
    path, params, *_ = FAMILIES[family]
    headers = {"x-rapidapi-key": "example-key-not-real", "x-rapidapi-host": f"{family}.p.rapidapi.com"}
    return api.get(path, params={"location": PLACE, **params, **asked}, headers=headers).raise_for_status()


def ask(api: httpx.Client, family: str = "zillow56", **asked: Any) -> dict[str, Any]:
    """The page that is answered, without the ages of its listings, which grow with every second."""
    body: dict[str, Any] = json.loads(
        answer(api, family, **asked).content,
        object_hook=lambda found: {name: value for name, value in found.items() if name != "timeOnZillow"},
    )
    return body


def patch(values: dict[str, Any]) -> dict[str, Any]:
    """What sets such paths as "meta.totalPage" in a page."""
    found: dict[str, Any] = {}
    for path, value in values.items():
        *above, name = path.split(".")
        place = found
        for each in above:
            place = place.setdefault(each, {})
        place[name] = value
    return found


def take(body: dict[str, Any], path: str) -> Any:
    """The value at a path, which is taken out of the page."""
    *above, name = path.split(".")
    for each in above:
        body = body[each]
    return body.pop(name, "absent")


@pytest.mark.parametrize("family", FAMILIES)
def test_twenty_pages_are_claimed_whatever_there_is(api: httpx.Client, steered: ListingApi, family: str) -> None:
    """A market of five pages and one without a listing claim 20 on every page, until the fault is taken back."""
    pages = FAMILIES[family][3]
    steered.set_faults([{"family": family, "times": None, "merge": patch({pages: 20})}])
    asked = [(1, PLACE), (5, PLACE), (6, PLACE), (1, "lost springs, wy")]
    assert [20] * 4 == [take(ask(api, family, page=page, location=place), pages) for page, place in asked]
    steered.set_faults([])
    assert [5, 0] == [take(ask(api, family, location=place), pages) for place in (PLACE, "lost springs, wy")]


@pytest.mark.parametrize("claim", [7, 10**30, 1e300, -1, "12889", "2.0", 2.0, [], {"totalMatchingCount": 21_327}])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_claim_is_sent_as_scripted(api: httpx.Client, steered: ListingApi, family: str, claim: Any) -> None:
    """Pages and listings are claimed as any number or text; the rest of the page is as ever."""
    honest, claims = ask(api, family), FAMILIES[family][3:]
    steered.set_faults([{"merge": patch({path: claim})} for path in claims])
    for path in claims:
        lie, sound = ask(api, family), copy.deepcopy(honest)
        assert json.dumps(claim) == json.dumps(take(lie, path))
        take(sound, path)
        assert sound == lie


@pytest.mark.parametrize("family", FAMILIES)
def test_claims_are_left_away(api: httpx.Client, steered: ListingApi, family: str) -> None:
    """A page without claims has its listings and no word of how many there are."""
    honest, (_, _, rows, *claims) = ask(api, family), FAMILIES[family]
    steered.set_faults([{"merge": patch(dict.fromkeys(claims))}])
    silent = ask(api, family)
    assert ["absent"] * 2 == [take(silent, path) for path in claims]
    assert honest[rows] == silent[rows]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_empty_list_comes_twice_and_then_the_listings(api: httpx.Client, steered: ListingApi, family: str) -> None:
    """Two requests find nothing although the page claims as much as ever; the third finds what there is."""
    honest, rows = ask(api, family), FAMILIES[family][2]
    steered.add_faults([{"times": 2, "merge": {rows: []}}])
    assert [honest | {rows: []}] * 2 + [honest] == [ask(api, family) for _ in range(3)]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"headers": {"Date": "Mon, 01 Jan 2018 00:00:00 GMT"}}, "Mon, 01 Jan 2018 00:00:00 GMT"),
        ({"headers": {"date": "yesterday"}}, "yesterday"),
        ({"headers": {"Date": None}}, None),
    ],
)
def test_the_date_header_is_as_scripted(
    api: httpx.Client, steered: ListingApi, fault: dict[str, Any], expected: str | None
) -> None:
    """The header stands still, is no date, or is not there; the page is that of the API's own day."""
    honest = ask(api)
    steered.set_faults([fault | {"times": 2}])
    assert expected == answer(api).headers.get("date")
    assert honest == ask(api)


@pytest.mark.parametrize("seconds", [-172_800, 3600, 90.5])
def test_the_date_header_is_off_by_as_much_as_scripted(api: httpx.Client, steered: ListingApi, seconds: float) -> None:
    """The header runs on, so many seconds before or behind the API's own clock."""
    steered.set_faults([{"date_skew_seconds": seconds}])
    skewed, honest = (parsedate_to_datetime(answer(api).headers["date"]) for _ in range(2))
    assert abs((skewed - honest).total_seconds() - seconds) <= 2


def test_a_fault_may_be_of_one_search(api: httpx.Client, steered: ListingApi) -> None:
    """A fault of the search for rent leaves the one for sale of the same place alone; the log tells them apart."""
    steered.set_faults([{"search": "rent", "times": None, "merge": {"results": []}}])
    found = [len(ask(api, status=status)["results"]) for status in ("forSale", "forRent", "recentlySold")]
    assert [41, 0, 41] == found
    assert [("sale", False), ("rent", True), ("sold", False)] == [
        (entry["search"], entry["fault"]) for entry in steered.requests()["log"]
    ]
