"""Each API family, from the local API's pages to clean listings: nothing that was served is unaccounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date

import httpx
import pytest
import yaml

from include.contract.families import SOURCES_FOLDER, known_sources, load_source
from local.listing_api.bad_rows import Dirt, dirt_of
from local.listing_api.families import FAMILIES
from local.listing_api.market import listing_of, listings_on, rows_on
from local.listing_api.places import parse_market
from local.listing_api.searches import Search
from tests.support.listing_api_server import serving
from tests.support.transform_code import clean

SEED, DAY, PLACE, SPOILT = 7, date(2026, 11, 20), "boston, ma", 0.05


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The local API with every twentieth row spoilt and every page of the market within reach."""
    options = ("--rate", 0, "--dirty", SPOILT, "--page-size", 100, "--pages-cap", 50)
    with serving(tmp_path_factory.mktemp("state"), *options) as client:
        client.put("/_control/clock", json={"now": f"{DAY}T06:00:00Z"}).raise_for_status()
        yield client


def extracted(api: httpx.Client, family: str, search: Search = Search.SALE) -> list[tuple[bytes, int]]:
    """Every page of a search, asked for as the adapter says, with the listings that landing counts on it."""
    source = load_source(family)
    headers = {"x-rapidapi-key": "example-key-not-real", "x-rapidapi-host": source.request.host}
    claimed = [each for each in listings_on(SEED, PLACE, DAY, search) if FAMILIES[family].building or not each.units]
    pages: list[tuple[bytes, int]] = []
    last = 1
    while len(pages) < last:
        # 100 listings a page, whether the family asks for that or the server is set to it.
        size = 100 if source.request.page_size_param else None
        params = source.request_params(PLACE, len(pages) + 1, size, search)
        answer = api.request(source.request.method, source.request.path, params=params, headers=headers)
        facts = source.read_page(answer.raise_for_status().content)
        assert len(claimed) == facts.total_listings
        assert facts.total_pages is not None
        last = facts.total_pages
        pages.append((answer.content, facts.listings))
    return pages


def test_the_local_api_speaks_every_family_that_has_an_adapter() -> None:
    """Adapters and families of the local API are the same, with the same host, path, parameters and searches."""
    assert known_sources() == tuple(sorted(FAMILIES))
    for name, family in FAMILIES.items():
        request = load_source(name).request
        assert (request.host, request.path, request.location_param, request.page_param) == (
            family.host,
            family.path,
            family.location_param,
            family.page_param,
        )
        offered = {search: {family.search_param: value} for search, value in family.searches.items()}
        assert offered == {listing: dict(params) for listing, params in load_source(name).request.listing.items()}


@pytest.mark.parametrize("family", known_sources())
def test_a_set_of_each_family_is_extracted_and_cleaned_whole(api: httpx.Client, family: str) -> None:
    """Landed, clean, rejected and duplicates are what the market, counted another way, holds."""
    shown = [listing_of(stay, DAY) for stay in rows_on(SEED, parse_market(PLACE, SEED), DAY)]
    kinds = {listing.zpid: dirt_of(listing, SPOILT) for listing in shown}
    bad = {zpid: kind for zpid, kind in kinds.items() if kind not in (None, Dirt.ZPID_TEXT)}
    rejected = [listing.zpid for listing in shown if listing.zpid in bad]
    reasons = {Dirt.PRICE_MISSING: "price_missing", Dirt.PRICE_TEXT: "price_invalid"}

    pages = extracted(api, family)
    cleaned = clean(*pages, source=family)

    assert len(shown) == sum(listings for _, listings in pages)
    assert {
        "landed": len(shown),
        "clean": len(kinds) - len(bad),
        "rejected": len(rejected),
        "duplicates": len(shown) - len(rejected) - (len(kinds) - len(bad)),
        "not_listings": 0,
        "unreadable": 0,
    } == dict(cleaned.counts)
    assert set(kinds) - set(bad) == set(cleaned.listings["zpid"].to_pylist())
    assert Counter(reasons.get(kinds[zpid], "bedrooms_invalid") for zpid in rejected) == cleaned.rejects_by_reason


@pytest.mark.parametrize("family", known_sources())
def test_every_family_says_the_same_of_a_house(api: httpx.Client, family: str) -> None:
    """Price, place and kind of every clean listing are those of the market's house, whatever the family's shape."""
    market = {listing.zpid: listing for listing in listings_on(SEED, PLACE, DAY)}
    rows = clean(*extracted(api, family)[:3], source=family).listings.to_pylist()
    adapter = yaml.safe_load((SOURCES_FOLDER / f"{family}.yaml").read_text(encoding="utf-8"))
    one_text = adapter["columns"]["zipcode"]["as"] == "address_part"
    assert len(rows) > 250
    for row in rows:
        listing = market[row["zpid"]]
        house = listing.house
        assert (listing.price, house.home_type, "FOR_SALE") == (row["price"], row["home_type"], row["home_status"])
        # An address in one text may lack a plot's ZIP code; the nested families write the unit with the street.
        assert (house.city, house.state) == (row["city"], row["state"])
        may_lack = one_text and house.is_lot
        assert row["zipcode"] in ((house.zipcode, None) if may_lack else (house.zipcode,))
        street = row["street_address"]
        assert may_lack if street is None else street.startswith(house.street_address)


@pytest.mark.parametrize(
    ("family", "search"),
    [
        (family, Search(listing))
        for family in known_sources()
        for listing in load_source(family).request.listing
        if listing != Search.SALE
    ],
)
def test_homes_to_let_and_sold_are_cleaned_as_such(api: httpx.Client, family: str, search: Search) -> None:
    """Status and price of every clean listing are the market's; no home is missing but those that are spoilt."""
    market = {each.zpid: each for each in listings_on(SEED, PLACE, DAY, search) if not each.units}
    sound = {zpid for zpid, each in market.items() if dirt_of(each, SPOILT) in (None, Dirt.ZPID_TEXT)}
    status = {Search.RENT: "FOR_RENT", Search.SOLD: "RECENTLY_SOLD"}[search]

    rows = clean(*extracted(api, family, search), source=family).listings

    assert sound == set(rows["zpid"].to_pylist())
    assert {(status, zpid, market[zpid].price) for zpid in sound} == {
        (row["home_status"], row["zpid"], row["price"]) for row in rows.to_pylist()
    }


@pytest.mark.parametrize("family", ["zillow-com1", "zillow-working-api"])
def test_the_buildings_of_a_search_for_rent_are_no_listings(api: httpx.Client, family: str) -> None:
    """Each building of the market counts as one no listing, and none of them is a reject or news."""
    market = listings_on(SEED, PLACE, DAY, Search.RENT)
    buildings = [each for each in market if each.units]
    bad = [each for each in market if not each.units and dirt_of(each, SPOILT) not in (None, Dirt.ZPID_TEXT)]

    cleaned = clean(*extracted(api, family, Search.RENT), source=family)

    assert len(buildings) > 20
    found = {name: cleaned.counts[name] for name in ("clean", "not_listings")}
    assert {"clean": len(market) - len(buildings) - len(bad), "not_listings": len(buildings)} == found
    assert {str(each.zpid) for each in bad} == set(cleaned.rejects["zpid"].to_pylist())
    assert {} == cleaned.unknown_fields
