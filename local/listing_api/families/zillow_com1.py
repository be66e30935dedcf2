"""zillow-com1: GET /propertyExtendedSearch; flat listings under "props"; what is missing is null.

The zpid is text and the address one text, of which a plot may lack the street or the zip code.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Any

from local.listing_api.bad_rows import Dirt, dirt_of
from local.listing_api.families.family import (
    Family,
    Json,
    PageFacts,
    building_name,
    family_chance,
    milliseconds,
)
from local.listing_api.market import Listing
from local.listing_api.searches import Search
from local.listing_api.simulated_house import SQFT_PER_ACRE, House

# How often a value is null, beyond what a plot or a plan lacks anyway.
_NO_ZESTIMATE, _NO_RENT, _NO_SIZE, _NO_LOT = 0.23, 0.11, 0.01, 0.02
_NO_STREET, _NO_ZIPCODE = 0.2, 0.1  # of plots
_NOT_BY_AGENT = 0.07
_NO_BUILDING_NAME = 0.5
_STATUSES = {Search.SALE: "FOR_SALE", Search.RENT: "FOR_RENT", Search.SOLD: "RECENTLY_SOLD"}


def _page_size(query: Mapping[str, str], default: int) -> int:
    return default


def _listing(listing: Listing, now: datetime, dirty_share: float) -> Json:
    house, chance = listing.house, family_chance("zillow-com1", listing)
    draw = chance.random
    changed = listing.price_changed_at
    row: Json = {
        "address": _address(house, chance),
        "bathrooms": house.bathrooms,
        "bedrooms": house.bedrooms,
        "carouselPhotos": None,
        "comingSoonOnMarketDate": None,
        "contingentListingType": "FORECLOSURE" if house.is_bank_owned else None,
        "country": "USA",
        "currency": "USD",
        "datePriceChanged": None if changed is None else milliseconds(changed),
        "daysOnZillow": max(0, (now - listing.listed_at).days),
        "detailUrl": f"/homedetails/example/{listing.zpid}_zpid/",
        "has3DModel": draw() < 0.3,
        "hasImage": True,
        "hasVideo": draw() < 0.1,
        "imgSrc": f"https://photos.example.com/fp/{house.photo:032x}-p_e.jpg",
        "latitude": house.latitude,
        "listingStatus": _STATUSES[listing.search],
        "listingSubType": _sub_type(listing, draw() < _NOT_BY_AGENT),
        "livingArea": None if draw() < _NO_SIZE else house.living_area,
        "longitude": house.longitude,
        "price": listing.price,
        "priceChange": listing.price_change,
        "propertyType": house.home_type,
        "rentZestimate": None if house.is_lot or draw() < _NO_RENT else house.monthly_rent,
        "variableData": None,
        "zestimate": _zestimate(house, draw()),
        "zpid": str(listing.zpid),
    }
    row |= _lot(house, draw())
    if house.unit:
        row["unit"] = house.unit
    if house.is_new:
        row["newConstructionType"] = "BUILDER_PLAN" if house.is_plan else "BUILDER_SPEC"
    if house.is_plan:
        row["priceSuffix"] = "+"
    if listing.search is not Search.SALE:
        row["dateSold"] = None if listing.sold_at is None else milliseconds(listing.sold_at)
    _spoil(row, listing, dirty_share)
    return dict(sorted(row.items()))


def _building(listing: Listing) -> Json:
    """Render a building: its zpid is its place, and its rents are text by the number of bedrooms."""
    house, chance = listing.house, family_chance("zillow-com1", listing)
    units = [{"beds": str(each.bedrooms), "price": f"${each.rent:,}+", "roomForRent": False} for each in listing.units]
    return {
        "address": f"{house.street_address}, {house.city}, {house.state}",
        "buildingName": None if chance.random() < _NO_BUILDING_NAME else building_name(listing),
        "detailUrl": f"/b/example-{listing.zpid}/",
        "hasImage": True,
        "imgSrc": f"https://photos.example.com/fp/{house.photo:032x}-p_e.jpg",
        "isBuilding": True,
        "latitude": house.latitude,
        "listingStatus": _STATUSES[listing.search],
        "longitude": house.longitude,
        "lotId": listing.zpid,
        "units": units,
        "zpid": f"{house.latitude}-{house.longitude}",
    }


def _address(house: House, chance: Random) -> str:
    street = f"{house.street_address} {house.unit}" if house.unit and not house.is_plan else house.street_address
    place = f"{house.city}, {house.state}"
    if house.is_lot and chance.random() < _NO_STREET:
        return f"{place} {house.zipcode}"
    if house.is_lot and chance.random() < _NO_ZIPCODE:
        return f"{street}, {place}"
    return f"{street}, {place} {house.zipcode}"


def _lot(house: House, draw: float) -> Json:
    if house.is_plan or draw < _NO_LOT:
        return {"lotAreaUnit": None, "lotAreaValue": None}
    acres = house.lot_area >= SQFT_PER_ACRE / 4
    area = round(house.lot_area / SQFT_PER_ACRE, 4) if acres else house.lot_area
    return {"lotAreaUnit": "acres" if acres else "sqft", "lotAreaValue": area}


def _zestimate(house: House, draw: float) -> int | None:
    return None if house.is_plan or house.is_lot or draw < _NO_ZESTIMATE else round(house.worth / 100) * 100


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


def _spoil(row: Json, listing: Listing, share: float) -> None:
    """Writes a value as website scrapes do; a zpid is text here anyway."""
    match dirt_of(listing, share):
        case Dirt.PRICE_MISSING:
            row["price"] = None
        case Dirt.PRICE_TEXT:
            row["price"] = f"${listing.price:,}"
        case Dirt.BEDROOMS_TEXT:
            row["bedrooms"] = "--"


def _envelope(listings: Sequence[Json], facts: PageFacts) -> Json:
    return {
        "props": list(listings),
        "resultsPerPage": facts.page_size,
        "totalPages": facts.total_pages,
        "totalResultCount": facts.total_listings,
        "schools": {},
        "currentPage": facts.page,
    }


def _listings_in(body: Any) -> list[Any] | None:
    found = body.get("props") if isinstance(body, dict) else None
    return found if isinstance(found, list) else None


def _empty(body: Json, page: int) -> Json:
    return body | {"props": [], "currentPage": page}


ZILLOW_COM1 = Family(
    name="zillow-com1",
    path="/propertyExtendedSearch",
    location_param="location",
    page_param="page",
    search_param="status_type",
    searches={Search.SALE: "ForSale", Search.RENT: "ForRent", Search.SOLD: "RecentlySold"},
    page_size=_page_size,
    listing=_listing,
    envelope=_envelope,
    listings_in=_listings_in,
    empty=_empty,
    building=_building,
)
