"""zillow-working-api: GET /search/byaddress; nested listings, each wrapped beside its resultType.

A search must say what it looks for. One for rent shows buildings as groups, which have neither price nor bedrooms.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from local.listing_api.families.family import Family, Json, PageFacts, building_name, whole_number
from local.listing_api.families.nested import EstimateShares, nested_listing
from local.listing_api.market import Listing
from local.listing_api.searches import Search

_NAME = "zillow-working-api"
_MOST_PER_PAGE = 200
_ESTIMATES = EstimateShares(absent=0.0, empty=0.07, no_zestimate=0.09, no_rent=0.03)
_OF_A_GROUP = ("zpid", "address", "location", "country", "currency", "listing", "media", "propertyDisplayRules")


def _check(query: Mapping[str, str]) -> None:
    whole_number(query, "resultsPerPage", 1, _MOST_PER_PAGE)


def _page_size(query: Mapping[str, str], default: int) -> int:
    return whole_number(query, "resultsPerPage", default, _MOST_PER_PAGE)


def _listing(listing: Listing, now: datetime, dirty_share: float) -> Json:
    return {"property": nested_listing(_NAME, _ESTIMATES, listing, now, dirty_share), "resultType": "property"}


def _building(listing: Listing) -> Json:
    """Render a group: what one home has is left out, and rents are told by the number of bedrooms."""
    whole = nested_listing(_NAME, _ESTIMATES, listing, listing.listed_at, 0)
    rents = [unit.rent for unit in listing.units]
    group = {name: whole[name] for name in _OF_A_GROUP} | {
        "propertyType": "apartment",
        "title": building_name(listing),
        "minPrice": min(rents),
        "maxPrice": max(rents),
        "unitsGroup": [{"bedrooms": unit.bedrooms, "minPrice": unit.rent} for unit in listing.units],
    }
    return {"property": group, "resultType": "propertyGroup"}


def _envelope(listings: Sequence[Json], facts: PageFacts) -> Json:
    pages = {"totalPages": facts.total_pages, "currentPage": facts.page, "resultsPerPage": facts.page_size}
    return {"resultsCount": facts.total_listings, "pagesInfo": pages, "searchResults": list(listings)}


def _listings_in(body: Any) -> list[Any] | None:
    for place in (body, body.get("data")) if isinstance(body, dict) else ():
        found = place.get("searchResults") if isinstance(place, dict) else None
        if isinstance(found, list):
            return found
    return None


def _empty(body: Json, page: int) -> Json:
    pages = body.get("pagesInfo")
    facts = {"pagesInfo": pages | {"currentPage": page}} if isinstance(pages, dict) else {}
    if isinstance(body.get("searchResults"), list):
        return body | {"searchResults": []} | facts
    return body | {"data": body["data"] | {"searchResults": []}} | facts


ZILLOW_WORKING_API = Family(
    name=_NAME,
    path="/search/byaddress",
    location_param="location",
    page_param="page",
    search_param="listingStatus",
    searches={Search.SALE: "For_Sale", Search.RENT: "For_Rent", Search.SOLD: "Sold"},
    check=_check,
    page_size=_page_size,
    listing=_listing,
    envelope=_envelope,
    listings_in=_listings_in,
    empty=_empty,
    building=_building,
    search_required=True,
)
