"""zillow56: GET /search; flat listings under "results"; what is missing is an absent key, never null."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Any

from local.listing_api.bad_rows import Dirt, dirt_of
from local.listing_api.families.family import Family, Json, PageFacts, family_chance, milliseconds, one_of
from local.listing_api.market import Listing
from local.listing_api.searches import Search
from local.listing_api.simulated_house import SQFT_PER_ACRE

# How often a field that could be there is not, beyond what a plot or a plan lacks anyway.
_NO_TIME, _NO_ZESTIMATE, _NO_RENT, _NO_TAX = 0.42, 0.16, 0.10, 0.08
_NO_ROOMS, _NO_PLACE, _NO_SHOWCASE, _NOT_BY_AGENT = 0.012, 0.01, 0.28, 0.2
_NO_LOT, _NO_LOT_OF_FLAT = 0.07, 0.55

_STATUSES = {Search.SALE: "FOR_SALE", Search.RENT: "FOR_RENT", Search.SOLD: "RECENTLY_SOLD"}


def _check(query: Mapping[str, str]) -> None:
    one_of(query, "output", "json")


def _page_size(query: Mapping[str, str], default: int) -> int:
    return default


def _listing(listing: Listing, now: datetime, dirty_share: float) -> Json:
    house, chance = listing.house, family_chance("zillow56", listing)
    draw = chance.random
    price, photo = float(listing.price), f"{house.photo:032x}"
    row: Json = {
        "bathrooms": house.bathrooms + (0.5 if house.half_bath else 0.0),
        "city": house.city,
        "country": "USA",
        "currency": "USD",
        "daysOnZillow": -1,
        "homeStatus": _STATUSES[listing.search],
        "homeStatusForHDP": _STATUSES[listing.search],
        "homeType": house.home_type,
        "imgSrc": f"https://photos.example.com/fp/{photo}-p_e.jpg",
        "isFeatured": draw() < 0.05,
        "isNonOwnerOccupied": draw() < 0.93,
        "isPreforeclosureAuction": house.is_auction,
        "isPremierBuilder": house.is_plan,
        "isUnmappable": False,
        "isZillowOwned": False,
        "listing_sub_type": _sub_type(listing, draw() < _NOT_BY_AGENT),
        "price": price,
        "priceForHDP": price,
        "shouldHighlight": False,
        "state": house.state,
        "streetAddress": house.street_address,
        "zipcode": house.zipcode,
        "zpid": listing.zpid,
    }
    if draw() >= _NO_SHOWCASE:
        row["isShowcaseListing"] = draw() < 0.2
    if draw() >= _NO_PLACE:
        row |= {"latitude": house.latitude, "longitude": house.longitude}
    if house.unit:
        row["unit"] = house.unit
    row |= _size(listing, chance) | _money(listing, chance) | _times(listing, now, draw() < _NO_TIME)
    if listing.sold_at is not None:
        row["dateSold"] = milliseconds(listing.sold_at)
    _spoil(row, listing, dirty_share)
    return dict(sorted(row.items()))


def _sub_type(listing: Listing, not_by_agent: bool) -> Json:
    """Only what is true is there."""
    house = listing.house
    flags = {
        "is_FSBA": listing.search is Search.SALE and not (not_by_agent or house.is_plan),
        "is_bankOwned": house.is_bank_owned,
        "is_forAuction": house.is_auction,
        "is_newHome": house.is_new,
        "is_openHouse": house.open_house_weekday is not None,
    }
    return {name: True for name, holds in flags.items() if holds}


def _size(listing: Listing, chance: Random) -> Json:
    house, row = listing.house, Json()
    if house.bedrooms is not None and chance.random() >= _NO_ROOMS:
        row["bedrooms"] = float(house.bedrooms)
    if house.living_area is not None and chance.random() >= 2 * _NO_ROOMS:
        row["livingArea"] = float(house.living_area)
    flat = house.home_type in ("CONDO", "APARTMENT")
    if not house.is_plan and chance.random() >= (_NO_LOT_OF_FLAT if flat else _NO_LOT):
        acres = house.lot_area >= SQFT_PER_ACRE / 4
        row["lotAreaUnit"] = "acres" if acres else "sqft"
        row["lotAreaValue"] = round(house.lot_area / SQFT_PER_ACRE, 4) if acres else house.lot_area
    if house.is_new:
        row["newConstructionType"] = "BUILDER_PLAN" if house.is_plan else "BUILDER_SPEC"
    if house.is_plan:
        row |= {"group_type": "BUILDER_COMMUNITY", "priceSuffix": "+"}
    return row


def _money(listing: Listing, chance: Random) -> Json:
    house, row = listing.house, Json()
    if not (house.is_plan or house.is_lot) and chance.random() >= _NO_ZESTIMATE:
        row["zestimate"] = round(house.worth / 100) * 100
    if not house.is_lot and chance.random() >= _NO_RENT:
        row["rentZestimate"] = house.monthly_rent
    if not (house.is_new and chance.random() < 0.6) and chance.random() >= _NO_TAX:
        row["taxAssessedValue"] = float(house.tax_value)
    changed = listing.price_changed_at
    if listing.price_change is not None and changed is not None:
        row["priceChange"] = listing.price_change
        row["datePriceChanged"] = milliseconds(changed)
        if listing.price_change < 0:
            row["priceReduction"] = f"${-listing.price_change:,} ({changed:%b} {changed.day})"
    return row


def _times(listing: Listing, now: datetime, no_age: bool) -> Json:
    row = Json()
    if not no_age:
        age = now - listing.listed_at  # a duration, in whole seconds
        row["timeOnZillow"] = max(1, int(age.total_seconds())) * 1000
    open_house = listing.open_house(now)
    if open_house is not None:
        opens, ends = open_house
        row["openHouse"] = f"{opens:%a}. 1-3pm"
        showing = {"open_house_end": milliseconds(ends), "open_house_start": milliseconds(opens)}
        row["open_house_info"] = {"open_house_showing": [showing]}
    return row


def _spoil(row: Json, listing: Listing, share: float) -> None:
    """Writes a value as website scrapes do."""
    match dirt_of(listing, share):
        case Dirt.PRICE_MISSING:
            del row["price"], row["priceForHDP"]
        case Dirt.PRICE_TEXT:
            row["price"] = f"${listing.price:,}"
        case Dirt.BEDROOMS_TEXT:
            row["bedrooms"] = "--"
        case Dirt.ZPID_TEXT:
            row["zpid"] = str(listing.zpid)


def _envelope(listings: Sequence[Json], facts: PageFacts) -> Json:
    return {
        "results": list(listings),
        "resultsPerPage": facts.page_size,
        "totalPages": facts.total_pages,
        "totalResultCount": facts.total_listings,
    }


def _listings_in(body: Any) -> list[Any] | None:
    found = body.get("results") if isinstance(body, dict) else None
    return found if isinstance(found, list) else None


def _empty(body: Json, page: int) -> Json:
    return body | {"results": []}


ZILLOW56 = Family(
    name="zillow56",
    path="/search",
    location_param="location",
    page_param="page",
    search_param="status",
    searches={Search.SALE: "forSale", Search.RENT: "forRent", Search.SOLD: "recentlySold"},
    check=_check,
    page_size=_page_size,
    listing=_listing,
    envelope=_envelope,
    listings_in=_listings_in,
    empty=_empty,
)
