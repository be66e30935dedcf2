"""A listing as the nested families write it, with its photos; a missing value is an absent key."""

from dataclasses import dataclass
from datetime import datetime
from random import Random

from local.listing_api import names
from local.listing_api.bad_rows import Dirt, dirt_of
from local.listing_api.families.family import Json, family_chance, milliseconds
from local.listing_api.market import Listing
from local.listing_api.searches import Search
from local.listing_api.simulated_house import SQFT_PER_ACRE

_NO_TAX, _NO_LISTING_SERVICE, _NO_BATHROOMS, _NO_YEAR, _NO_LOT = 0.08, 0.22, 0.008, 0.016, 0.03
_TYPES = {
    "SINGLE_FAMILY": "singleFamily",
    "TOWNHOUSE": "townhome",
    "CONDO": "condo",
    "LOT": "land",
    "MULTI_FAMILY": "multiFamily",
    "MANUFACTURED": "manufactured",
    "APARTMENT": "apartment",
}
_STATUSES = {Search.SALE: "forSale", Search.RENT: "forRent", Search.SOLD: "recentlySold"}
_PHOTO_STEP = 0x9E3779B97F4A7C15F39CC0605CEDC835
_PHOTO_MASK = (1 << 128) - 1


@dataclass(frozen=True, slots=True)
class EstimateShares:
    """How often `estimates` is absent or empty and, where it is neither, lacks one of its two values."""

    absent: float
    empty: float
    no_zestimate: float
    no_rent: float


def nested_listing(family: str, estimates: EstimateShares, listing: Listing, now: datetime, dirty_share: float) -> Json:
    """One listing as of a time, with the share of rows to spoil."""
    house, chance, status = listing.house, family_chance(family, listing), _STATUSES[listing.search]
    draw = chance.random
    row: Json = {
        "zpid": listing.zpid,
        "address": _address(listing, chance),
        "location": {"latitude": house.latitude, "longitude": house.longitude},
        "bestGuessTimeZone": house.time_zone,
        "country": "usa",
        "currency": "usd",
        "propertyType": _TYPES[house.home_type],
        "price": _price(listing),
        "listing": {"listingStatus": status, "listingSubType": _sub_type(listing)},
        "listingDateTimeOnZillow": milliseconds(listing.listed_at),
        "daysOnZillow": max(0, (now - listing.listed_at).days),
        "media": _media(listing, chance),
        "hdpView": {
            "hdpUrl": f"/homedetail/ExamplePage.htm?fromApp=true&zpid={listing.zpid}",
            "listingStatus": status,
            "price": listing.price,
        },
        "isFeatured": draw() < 0.04,
        "isPreforeclosureAuction": house.is_auction,
        "isShowcaseListing": draw() < 0.3,
        "isUnmappable": False,
        "personalizedResult": {"isViewed": False, "userRecommendation": {"isRecommendedForYou": False}},
        "propertyDisplayRules": _display_rules(listing, chance),
        "region": {},
        "rental": {"areApplicationsAccepted": False},
        "ssid": chance.randint(41, 17_925),
        "zillowOwnedProperty": {"isZillowOwned": False},
    }
    row |= _size(listing, chance) | _estimates(listing, chance, estimates) | _open_house(listing, now)
    if draw() >= _NO_TAX:
        year = str(now.year - 1)
        row["taxAssessment"] = {"taxAssessedValue": house.tax_value, "taxAssessmentYear": year}
    if house.is_plan:
        row["newConstruction"] = {"isPremierBuilder": draw() < 0.5, "newConstructionType": "builderPlan"}
    if draw() < 0.34:
        row["mapDotTag"] = {"name": "showcase"}
    if listing.sold_at is not None:
        row["dateSold"] = milliseconds(listing.sold_at)
    _spoil(row, listing, dirty_share)
    return row


def _address(listing: Listing, chance: Random) -> Json:
    house = listing.house
    street = f"{house.street_address} {house.unit}" if house.unit and not house.is_plan else house.street_address
    address: Json = {
        "streetAddress": street,
        "city": house.city,
        "state": house.state,
        "zipcode": house.zipcode,
    }
    if house.home_type in ("CONDO", "APARTMENT"):
        address["buildingId"] = chance.randint(1_000_000_000, 2_460_000_000)
    return address


def _price(listing: Listing) -> Json:
    price: Json = {"value": listing.price}
    if listing.house.living_area:
        price["pricePerSquareFoot"] = round(listing.price / listing.house.living_area)
    changed = listing.price_changed_at
    if changed is not None:
        price |= {"priceChange": listing.price_change, "changedDate": milliseconds(changed)}
    return price


def _sub_type(listing: Listing) -> Json:
    """Only what is true is there."""
    house = listing.house
    flags = {
        "isFSBA": listing.search is Search.SALE and not house.is_plan,
        "isBankOwned": house.is_bank_owned,
        "isForAuction": house.is_auction,
        "isNewConstruction": house.is_plan,
        "isOpenHouse": house.open_house_weekday is not None,
    }
    return {name: True for name, holds in flags.items() if holds}


def _size(listing: Listing, chance: Random) -> Json:
    house, row = listing.house, Json()
    if house.bedrooms is not None:
        row["bedrooms"] = house.bedrooms
    if chance.random() >= _NO_BATHROOMS:
        row["bathrooms"] = house.bathrooms
    if house.living_area is not None:
        row["livingArea"] = house.living_area
    if chance.random() >= _NO_YEAR:
        row["yearBuilt"] = house.year_built
    if chance.random() >= _NO_LOT:
        acres = house.lot_area >= SQFT_PER_ACRE / 4
        size = house.lot_area / SQFT_PER_ACRE if acres else round(house.lot_area)
        row["lotSizeWithUnit"] = {"lotSize": size, "lotSizeUnit": "acres" if acres else "squareFeet"}
    return row


def _estimates(listing: Listing, chance: Random, shares: EstimateShares) -> Json:
    """There, or there and empty, or not there at all."""
    draw = chance.random()
    if draw < shares.absent:
        return {}
    estimates = Json()
    if draw >= shares.absent + shares.empty:
        if chance.random() >= shares.no_zestimate:
            estimates["zestimate"] = round(listing.house.worth / 100) * 100
        if chance.random() >= shares.no_rent:
            estimates["rentZestimate"] = listing.house.monthly_rent
    return {"estimates": estimates}


def _open_house(listing: Listing, now: datetime) -> Json:
    open_house = listing.open_house(now)
    if open_house is None:
        return {}
    opens, ends = open_house
    return {"openHouseShowingList": [{"startTime": milliseconds(opens), "endTime": milliseconds(ends)}]}


def _media(listing: Listing, chance: Random) -> Json:
    """Photo lists are most of a listing's bytes: up to 90 links."""
    house = listing.house
    count = min(90, max(1, round(chance.lognormvariate(3.64, 0.6))))
    photos = [
        f"https://photos.example.com/fp/{(house.photo + place * _PHOTO_STEP) & _PHOTO_MASK:032x}-p_f.jpg"
        for place in range(count)
    ]
    spot = f"location={house.latitude},{house.longitude}&size=1600x1200&source=outdoor&signature=example-not-real"
    return {
        "allPropertyPhotos": {"highResolution": photos},
        "hasApprovedThirdPartyVirtualTour": False,
        "hasVRModel": chance.random() < 0.1,
        "hasVideos": False,
        "propertyPhotoLinks": {"highResolutionLink": photos[0]},
        "thirdPartyPhotoLinks": {
            "satelliteLink": f"https://maps.example.com/staticmap?mobile=false&zoom=17&maptype=satellite&{spot}",
            "streetViewLink": f"https://maps.example.com/streetview?{spot}",
            "streetViewMetadataLink": f"https://maps.example.com/streetview/metadata?{spot}",
        },
    }


def _display_rules(listing: Listing, chance: Random) -> Json:
    mls = {"brokerName": chance.choice(names.BROKERS)}
    if chance.random() >= _NO_LISTING_SERVICE:
        mls["mlsName"] = chance.choice(names.LISTING_SERVICES)
    rules: Json = {"canShowAddress": True, "canShowOnMap": True, "listingCategory": "category1", "mls": mls}
    if chance.random() < 0.2:
        rules["providerLogo"] = "https://photos.example.com/fp/example-logo.gif"
    if listing.house.is_plan:
        rules["builder"] = {"name": chance.choice(names.BUILDERS)}
    return rules


def _spoil(row: Json, listing: Listing, share: float) -> None:
    """Writes a value as website scrapes do."""
    match dirt_of(listing, share):
        case Dirt.PRICE_MISSING:
            del row["price"]["value"], row["hdpView"]["price"]
        case Dirt.PRICE_TEXT:
            row["price"]["value"] = f"${listing.price:,}"
        case Dirt.BEDROOMS_TEXT:
            row["bedrooms"] = "--"
        case Dirt.ZPID_TEXT:
            row["zpid"] = str(listing.zpid)
