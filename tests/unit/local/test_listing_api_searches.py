"""The searches of the local API: for sale, for rent with its buildings, and sold, each in its family's words."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from local.listing_api.families import FAMILIES
from local.listing_api.market import Listing, listings_on
from local.listing_api.pages import SimulatedPages
from local.listing_api.searches import Search

SEED, PLACE, DAY = 7, "boston, ma", date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)

# What each family is asked with for sale, for rent and sold, and what its rows then say of their status.
SEARCHES = {
    "zillow56": ("status", ("forSale", "forRent", "recentlySold"), ("FOR_SALE", "FOR_RENT", "RECENTLY_SOLD")),
    "zillow-com1": ("status_type", ("ForSale", "ForRent", "RecentlySold"), ("FOR_SALE", "FOR_RENT", "RECENTLY_SOLD")),
    "zillow-com4": ("status", ("forSale",), ("forSale",)),
    "zillow-working-api": ("listingStatus", ("For_Sale", "For_Rent", "Sold"), ("forSale", "forRent", "recentlySold")),
}
ASKED = [(family, number) for family, (_, values, _) in SEARCHES.items() for number in range(len(values))]
# SHA-256 of the first three sale pages of Boston, a twentieth spoilt, as they were when the API knew no other search.
SALE_PAGES = {
    "zillow56": "90e8481815a03c0b48fd096360fec20b9200a9d820590365d18a8f00017c9d76",
    "zillow-com4": "363c2a18fe029b2e32796a254caf3cf51ea105dc79450119a5b2b40c28ad8f29",
    "zillow-com1": "8cc50e1fe4f18835b5d7ed7f202f27d499b655057b0afc734f4a25f60753a457",
    "zillow-working-api": "aebda62d9e916985c1d41e388bce3f967c887d44e90e8a86642fe47c980d6fbb",
}


def ask(family: str, number: int, page: int, pages: SimulatedPages) -> bytes:
    """A page of the family's first, second or third search."""
    name, values, _ = SEARCHES[family]
    return pages.body(FAMILIES[family], {"location": PLACE, name: values[number]}, page, NOW)


def rows_of(family: str, number: int, dirty: float = 0) -> list[dict[str, Any]]:
    """Every row of a search, without the wrapping that zillow-working-api has."""
    pages = SimulatedPages(SEED, page_size=1000, pages_cap=20, dirty_share=dirty)
    body = json.loads(ask(family, number, 1, pages))
    return [row.get("property", row) for row in FAMILIES[family].listings_in(body) or []]


def by_zpid(search: Search, day: date = DAY) -> dict[int, Listing]:
    """What a search finds, less the buildings."""
    return {one.zpid: one for one in listings_on(SEED, PLACE, day, search) if not one.units}


@pytest.mark.parametrize("family", FAMILIES)
def test_homes_for_sale_come_byte_for_byte_as_before(family: str) -> None:
    """The other searches have changed nothing of the one for sale, whether the request names it or not."""
    pages = SimulatedPages(SEED, page_size=41, pages_cap=20, dirty_share=0.05)
    bodies = b"".join(ask(family, 0, page, pages) for page in (1, 2, 3))
    assert SALE_PAGES[family] == hashlib.sha256(bodies).hexdigest()
    if family != "zillow-working-api":
        assert bodies.startswith(pages.body(FAMILIES[family], {"location": PLACE}, 1, NOW))


@pytest.mark.parametrize(("family", "number"), ASKED)
def test_every_row_has_the_status_that_was_asked_for(family: str, number: int) -> None:
    """Homes for sale, for rent and sold are told apart by each family's own parameter, values and field."""
    status = {"zillow56": "homeStatus", "zillow-com1": "listingStatus"}.get(family)
    rows = rows_of(family, number)
    said = {row[status] if status else row["listing"]["listingStatus"] for row in rows}
    assert {SEARCHES[family][2][number]} == said
    assert len(rows) > 600


@pytest.mark.parametrize(("family", "number"), ASKED)
def test_a_search_claims_what_its_pages_hold(family: str, number: int) -> None:
    """The rows of all pages, each house and building once, are as many as each page claims."""
    pages = SimulatedPages(SEED, page_size=100, pages_cap=20, dirty_share=0)
    found, claims, page = set[str](), set[int](), 1
    while rows := FAMILIES[family].listings_in(body := json.loads(ask(family, number, page, pages))):
        found |= {str(row.get("property", row)["zpid"]) for row in rows}
        claims |= {body[name] for name in ("totalResultCount", "resultsCount") if name in body}
        claims |= {body["meta"]["totalRecords"]} if "meta" in body else set()
        page += 1
    assert {len(found)} == claims


def test_a_few_houses_are_for_sale_and_for_rent() -> None:
    """Such a house has one zpid, one address and two prices; all others to let are not on sale."""
    sale, rent = by_zpid(Search.SALE), by_zpid(Search.RENT)
    both = sale.keys() & rent.keys()
    assert 0.01 * len(sale) < len(both) < 0.03 * len(sale)
    assert len(rent) > 10 * len(both)
    for zpid in both:
        ours, theirs = sale[zpid].house, rent[zpid].house
        assert (ours.street_address, ours.unit, ours.zipcode) == (theirs.street_address, theirs.unit, theirs.zipcode)
        assert rent[zpid].price < 30_000
        assert sale[zpid].price > 60_000 or sale[zpid].house.first_price < 10_000


def test_rents_are_rents_and_are_cut() -> None:
    """A rent is what a month in such a house costs, and its change is the difference to the day before."""
    days = [by_zpid(Search.RENT, DAY + timedelta(days=step)) for step in range(10)]
    rents = sorted(one.price for one in days[0].values())
    assert (True, True) == (500 <= rents[0], rents[-1] < 30_000)
    assert 0.002 < rents[len(rents) // 2] / sorted(one.house.worth for one in days[0].values())[len(rents) // 2] < 0.01
    changed = [
        (old[zpid].price, new[zpid])
        for old, new in pairwise(days)
        for zpid in old.keys() & new.keys()
        if old[zpid].price != new[zpid].price
    ]
    assert len(changed) > 10
    assert all(new.price_change == new.price - before for before, new in changed)
    assert not any(one.house.is_lot or one.house.is_plan for one in days[0].values())


def test_what_is_sold_was_for_sale_until_then() -> None:
    """Each sold house was on sale on the day of its sale, at that price, within the last month, and is no longer."""
    sold, on_sale = by_zpid(Search.SOLD), by_zpid(Search.SALE)
    assert len(sold) > 500
    assert set() == sold.keys() & on_sale.keys()
    dates = {one.sold_at.date() for one in sold.values() if one.sold_at}
    assert (DAY - timedelta(days=30), DAY - timedelta(days=1)) == (min(dates), max(dates))
    for day in sorted(dates)[::6]:
        then = by_zpid(Search.SALE, day)
        left = {zpid: one.price for zpid, one in sold.items() if one.sold_at and one.sold_at.date() == day}
        assert left.items() <= {zpid: one.price for zpid, one in then.items()}.items()
        assert set() == left.keys() & by_zpid(Search.SALE, day + timedelta(days=1)).keys()


@pytest.mark.parametrize("family", ["zillow56", "zillow-com1", "zillow-working-api"])
def test_the_date_of_a_sale_is_told_in_milliseconds(family: str) -> None:
    """Every sold row says when it was sold; no row for sale does, and one for rent at most null."""
    expected = {str(zpid): one.sold_at for zpid, one in by_zpid(Search.SOLD).items()}
    told = {str(row["zpid"]): datetime.fromtimestamp(row["dateSold"] / 1000, UTC) for row in rows_of(family, 2)}
    assert expected == told
    assert {None} == {row.get("dateSold") for number in (0, 1) for row in rows_of(family, number)}


def test_zillow_com1_shows_buildings_among_the_homes_to_let() -> None:
    """A few per cent of its rent rows are buildings: a place for a zpid, text for rents, and no price of their own."""
    rows = rows_of("zillow-com1", 1, dirty=0.5)
    buildings = [row for row in rows if "isBuilding" in row]
    assert 0.04 * len(rows) < len(buildings) < 0.09 * len(rows)
    for row in buildings:
        assert re.fullmatch(r"\d+\.\d+--\d+\.\d+", row["zpid"])
        assert row["zpid"] == f"{row['latitude']}-{row['longitude']}"
        assert row["isBuilding"] is True
        assert all(re.fullmatch(r"\$[\d,]+\+", unit["price"]) for unit in row["units"])
        assert not {"price", "bedrooms", "bathrooms", "livingArea"} & row.keys()
    assert any(rows.index(row) < 100 for row in buildings)


def test_zillow_working_api_shows_the_same_buildings_as_groups() -> None:
    """A group's least and greatest rent are those of the units that zillow-com1 writes as text."""
    body = json.loads(ask("zillow-working-api", 1, 1, SimulatedPages(SEED, 1000, 20, dirty_share=0.5)))
    groups = [row["property"] for row in body["searchResults"] if row["resultType"] == "propertyGroup"]
    rents = {
        row["lotId"]: [int(re.sub(r"\D", "", unit["price"])) for unit in row["units"]]
        for row in rows_of("zillow-com1", 1)
        if "isBuilding" in row
    }
    assert {each["zpid"]: (each["minPrice"], each["maxPrice"]) for each in groups} == {
        zpid: (min(prices), max(prices)) for zpid, prices in rents.items()
    }
    assert all(min(unit["minPrice"] for unit in each["unitsGroup"]) == each["minPrice"] for each in groups)
    assert not any({"price", "bedrooms"} & each.keys() for each in groups)


def test_zillow56_shows_no_buildings() -> None:
    """zillow56 lists the homes to let and nothing else."""
    assert set(by_zpid(Search.RENT)) == {row["zpid"] for row in rows_of("zillow56", 1)}


def test_buildings_are_to_let_only_and_stay() -> None:
    """Neither a sale nor a sold search finds a building; most stand there a week later, with the same units."""
    assert not any(one.units for search in (Search.SALE, Search.SOLD) for one in listings_on(SEED, PLACE, DAY, search))
    now, later = (
        {one.zpid: one.units for one in listings_on(SEED, PLACE, DAY + timedelta(days=step), Search.RENT) if one.units}
        for step in (0, 7)
    )
    stayed = now.keys() & later.keys()
    assert len(stayed) > 0.7 * len(now)
    assert all(now[zpid] == later[zpid] for zpid in stayed)
