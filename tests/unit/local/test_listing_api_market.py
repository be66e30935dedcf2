"""The simulated market: the same for a seed and a date, moving from day to day, shaped as real pages are."""

import hashlib
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from local.listing_api.bad_rows import Dirt, dirt_of
from local.listing_api.families import FAMILIES
from local.listing_api.market import Listing, listings_on, rows_on
from local.listing_api.pages import SimulatedPages
from local.listing_api.places import UnknownLocation, parse_market

SEED = 7
DAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)

# Field and share of listings without it in real pages, in percent (285 and 125 listings were counted).
MISSING_OF_ZILLOW56 = {
    "bathrooms": 0,
    "bedrooms": 6,
    "livingArea": 7,
    "latitude": 1,
    "lotAreaValue": 13,
    "lotAreaUnit": 13,
    "zestimate": 22,
    "rentZestimate": 15,
    "taxAssessedValue": 18,
    "timeOnZillow": 42,
    "priceChange": 76,
    "datePriceChanged": 76,
    "priceReduction": 79,
    "unit": 86,
    "isShowcaseListing": 28,
    "priceSuffix": 98,
    "openHouse": 92,
    "newConstructionType": 81,
    "listing_sub_type.is_FSBA": 20,
    "listing_sub_type.is_newHome": 81,
    "listing_sub_type.is_bankOwned": 99,
    "zipcode": 0,
}
MISSING_OF_ZILLOW_COM4 = {
    "bathrooms": 1,
    "bedrooms": 2,
    "livingArea": 2,
    "estimates": 26,
    "estimates.zestimate": 79,
    "estimates.rentZestimate": 75,
    "lotSizeWithUnit.lotSize": 3,
    "price.value": 0,
    "price.priceChange": 73,
    "taxAssessment.taxAssessedValue": 8,
    "yearBuilt": 2,
    "address.buildingId": 91,
    "propertyDisplayRules.mls.mlsName": 22,
    "listing.listingSubType.isNewConstruction": 98,
}
# Of 41 and of 20 listings.
MISSING_OF_ZILLOW_COM1 = {
    "livingArea": 2,
    "lotAreaValue": 2,
    "lotAreaUnit": 2,
    "zestimate": 29,
    "rentZestimate": 15,
    "datePriceChanged": 80,
    "priceChange": 80,
    "price": 0,
    "address": 0,
    "carouselPhotos": 100,
    "variableData": 100,
}
MISSING_OF_ZILLOW_WORKING_API = {
    "property.estimates": 0,
    "property.estimates.zestimate": 15,
    "property.estimates.rentZestimate": 10,
    "property.price.value": 0,
    "property.yearBuilt": 2,
    "property.taxAssessment.taxAssessedValue": 8,
    "resultType": 0,
}
TOLERANCE = 5  # percentage points


def _rows(family: str, listings: list[Listing], dirty: float = 0.0) -> list[dict[str, Any]]:
    return [FAMILIES[family].listing(listing, NOW, dirty) for listing in listings]


def _has(row: Any, path: str) -> bool:
    for name in path.split("."):
        if not isinstance(row, dict) or name not in row:
            return False
        row = row[name]
    return True


@pytest.fixture(scope="module")
def many() -> list[Listing]:
    return listings_on(SEED, "tampa, fl", DAY)


@pytest.mark.parametrize("status", ["forSale", "forRent", "recentlySold"])
def test_another_process_makes_the_same_page(status: str) -> None:
    """A page is byte for byte the same in a process with another hash seed that asked other dates before."""
    pages = SimulatedPages(SEED, page_size=41, pages_cap=20, dirty_share=0.005)
    here = pages.body(FAMILIES["zillow56"], {"location": "boston, ma", "status": status}, 3, NOW)
    script = (
        "import hashlib; from datetime import UTC, datetime, timedelta\n"
        "from local.listing_api.families import FAMILIES; from local.listing_api.pages import SimulatedPages\n"
        "pages = SimulatedPages(7, 41, 20, 0.005); now = datetime(2026, 11, 20, 6, tzinfo=UTC)\n"
        f"query = {{'location': 'Boston,MA', 'status': {status!r}}}\n"
        "ask = lambda moment: pages.body(FAMILIES['zillow56'], query, 3, moment)\n"
        "ask(now + timedelta(days=9)); ask(now - timedelta(days=30))\n"
        "print(hashlib.sha256(ask(now)).hexdigest())"
    )
    there = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONHASHSEED": "4242"}, capture_output=True, text=True, check=True
    )
    assert hashlib.sha256(here).hexdigest() == there.stdout.strip()


def test_another_seed_makes_another_market() -> None:
    """Two seeds have no listing of a market in common."""
    one, other = (listings_on(seed, "boston, ma", DAY) for seed in (7, 8))
    assert set() == {listing.zpid for listing in one} & {listing.zpid for listing in other}


def test_a_large_market_moves_every_day() -> None:
    """From each of three days to the next, houses come, go and are cut in price, and most stay as they are."""
    days = [
        {listing.zpid: listing for listing in listings_on(SEED, "austin, tx", DAY + timedelta(days=step))}
        for step in range(3)
    ]
    for before, after in pairwise(days):
        stayed = before.keys() & after.keys()
        cut = [zpid for zpid in stayed if after[zpid].price < before[zpid].price]
        assert 40 < len(after.keys() - stayed) < 200
        assert 40 < len(before.keys() - stayed) < 200
        assert 5 < len(cut) < 0.02 * len(stayed)
        assert all(after[zpid].price_change == after[zpid].price - before[zpid].price for zpid in cut)


def test_some_houses_come_back() -> None:
    """Within a month some houses are withdrawn and stand there again later."""
    days = [{one.zpid for one in listings_on(SEED, "boston, ma", DAY + timedelta(days=step))} for step in range(30)]
    back = {
        zpid
        for step in range(1, 29)
        for zpid in days[step - 1] - days[step]
        if any(zpid in later for later in days[step + 1 :])
    }
    assert len(back) > 5


def test_the_search_order_stays() -> None:
    """Houses that stand on two days stand there in the same order."""
    first, second = ([one.zpid for one in listings_on(SEED, "boston, ma", DAY + timedelta(days=d))] for d in (0, 1))
    in_both = set(first) & set(second)
    assert [zpid for zpid in first if zpid in in_both] == [zpid for zpid in second if zpid in in_both]


def test_a_listing_stands_once_but_now_and_then_comes_on_a_second_page() -> None:
    """listings_on has no zpid twice; the rows of the pages repeat a few and lose none."""
    market = parse_market("tampa, fl", SEED)
    once = [listing.zpid for listing in listings_on(SEED, market, DAY)]
    shown = Counter(stay.zpid for stay in rows_on(SEED, market, DAY))
    assert len(once) == len(set(once))
    assert set(once) == set(shown)
    assert 1 <= sum(shown.values()) - len(once) < 0.002 * len(once)


def test_one_house_may_have_two_zpids(many: list[Listing]) -> None:
    """Some houses stand under two zpids, alike in place, price and photo."""
    seen: dict[tuple[float, float, int, int], set[int]] = {}
    for one in many:
        house = one.house
        seen.setdefault((house.latitude, house.longitude, one.price, house.photo), set()).add(one.zpid)
    assert [2] == sorted({len(zpids) for zpids in seen.values()} - {1})


def test_a_zpid_may_stand_in_two_markets() -> None:
    """Two large markets of a state share a few zpids, two markets of different states none."""
    zpids = {
        name: {one.zpid: one for one in listings_on(SEED, name, DAY)}
        for name in ("denver, co", "boulder, co", "boston, ma")
    }
    shared = zpids["denver, co"].keys() & zpids["boulder, co"].keys()
    assert 1 <= len(shared) <= 20
    assert all(zpids["denver, co"][zpid] == zpids["boulder, co"][zpid] for zpid in shared)
    assert set() == zpids["denver, co"].keys() & zpids["boston, ma"].keys()


@pytest.mark.parametrize(
    ("family", "facts"),
    [
        ("zillow56", MISSING_OF_ZILLOW56),
        ("zillow-com4", MISSING_OF_ZILLOW_COM4),
        ("zillow-working-api", MISSING_OF_ZILLOW_WORKING_API),
    ],
)
def test_missing_rates_are_those_of_real_pages(family: str, facts: dict[str, int], many: list[Listing]) -> None:
    """Each field is missing about as often as in the real pages, and then its key is absent, never null."""
    rows = _rows(family, many)
    wrong = {}
    for path, expected in facts.items():
        missing = 100 * sum(not _has(row, path) for row in rows) / len(rows)
        if abs(missing - expected) > TOLERANCE or (expected == 0 and missing):
            wrong[path] = (expected, missing)
    assert {} == wrong
    assert not any(value is None for row in rows for value in row.values())


def test_zillow_com1_says_null_where_others_say_nothing(many: list[Listing]) -> None:
    """What is missing is null about as often as in real pages, beyond what a plot or a plan lacks anyway."""
    homes = [listing for listing in many if not (listing.house.is_lot or listing.house.is_plan)]
    rows = _rows("zillow-com1", homes)
    nulls = {name: 100 * sum(row[name] is None for row in rows) / len(rows) for name in MISSING_OF_ZILLOW_COM1}
    wrong = {name: (each, nulls[name]) for name, each in MISSING_OF_ZILLOW_COM1.items() if abs(each - nulls[name]) > 8}
    assert {} == wrong


def test_oddities_of_real_pages_are_there(many: list[Listing]) -> None:
    """Plots, unpriced plans, rents posted as sales, price rises, acres, commas and other letters all occur."""
    rows = _rows("zillow56", many)
    plots = [row for row in rows if row["homeType"] == "LOT"]
    assert {0.0} == {row["bathrooms"] for row in plots}
    assert not any("bedrooms" in row or "livingArea" in row for row in plots)
    assert {-1} == {row["daysOnZillow"] for row in rows}
    assert {"+"} == {row["priceSuffix"] for row in rows if row["price"] == 0}
    assert 0 < sum(0 < row["price"] < 5000 for row in rows) < 0.02 * len(rows)
    assert any(row.get("priceChange", 0) > 0 for row in rows)
    assert all(row["lotAreaValue"] >= 0.25 for row in rows if row.get("lotAreaUnit") == "acres")
    assert all(row["lotAreaValue"] > 500 for row in rows if row.get("lotAreaUnit") == "sqft")
    assert any("," in row["streetAddress"] for row in rows)
    assert any(not row["streetAddress"].isascii() for row in rows)
    assert all(row["timeOnZillow"] > 0 for row in rows if "timeOnZillow" in row)
    assert 640_000_000 < max(row["zpid"] for row in rows) <= 2_093_000_000


def test_bytes_per_listing_are_those_of_real_pages(many: list[Listing]) -> None:
    """A zillow56 listing has about 840 bytes and a zillow-com4 listing, with its photos, about 5,600."""
    pages = SimulatedPages(SEED, page_size=250, pages_cap=20, dirty_share=0)
    for family, mean in (("zillow56", 840), ("zillow-com4", 5600)):
        size = len(pages.body(FAMILIES[family], {"location": "tampa, fl"}, 1, NOW)) / 250
        assert mean * 0.85 < size < mean * 1.15


def test_zip_codes_keep_their_leading_zero() -> None:
    """Zip codes of Boston are text of five digits that begin with 0."""
    rows = _rows("zillow56", listings_on(SEED, "boston, ma", DAY))
    assert {"021"} == {row["zipcode"][:3] for row in rows if row["city"] == "Boston"}
    assert {5} == {len(row["zipcode"]) for row in rows}


def test_the_share_of_spoilt_rows_is_the_one_asked_for(many: list[Listing]) -> None:
    """Without dirt every price is a number; with 5 % of it about 5 % of the rows are spoilt, in four ways."""
    clean, dirty = _rows("zillow56", many), _rows("zillow56", many, 0.05)
    spoilt = [row for row, other in zip(dirty, clean, strict=True) if row != other]
    assert all(isinstance(row["price"], float) for row in clean)
    assert 0.04 * len(many) < len(spoilt) < 0.06 * len(many)
    assert len(spoilt) == sum(dirt_of(listing, 0.05) is not None for listing in many)
    assert set(Dirt) == {dirt_of(listing, 0.05) for listing in many} - {None}


def test_tiny_markets_keep_their_size() -> None:
    """Lost Springs never has a listing and Monowi always has exactly one, which changes now and then."""
    days = [DAY + timedelta(days=step) for step in range(90)]
    assert {0} == {len(listings_on(SEED, "lost springs, wy", day)) for day in days}
    assert {1} == {len(listings_on(SEED, "monowi, ne", day)) for day in days}
    assert len({listings_on(SEED, "monowi, ne", day)[0].zpid for day in days}) in (2, 3)


@pytest.mark.parametrize("text", ["Houston, TX", "houston,tx", " HOUSTON ,  tx "])
def test_spelling_does_not_matter(text: str) -> None:
    """Case and blanks of a location make no difference."""
    assert parse_market("houston, tx", SEED) == parse_market(text, SEED)


@pytest.mark.parametrize("text", ["", "houston", "houston, texas", "houston, zz", "77001", "a/b, tx", "x" * 10_000])
def test_a_location_that_names_no_market_is_refused(text: str) -> None:
    """What is not a city and a state code is refused with a short message that says what was expected."""
    with pytest.raises(UnknownLocation, match="Expected a city and a state code, such as 'houston, tx'") as refused:
        parse_market(text, SEED)
    assert len(str(refused.value)) < 200


def test_slugs_are_ascii() -> None:
    """A market's slug has only a-z, 0-9 and hyphens."""
    assert "canon-city-co" == parse_market("Cañon City, CO", SEED).slug
    assert "coeur-d-alene-id" == parse_market("Coeur d'Alene, ID", SEED).slug
