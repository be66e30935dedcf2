"""zillow-working-api: GET /search/byaddress; nested listings, each wrapped beside its resultType.

A search for rent (listingStatus=forRent) gives rents as prices, and flats as groups without price or rooms.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from local.listing_api.families.family import Family, Json, PageFacts, one_of, whole_number
from local.listing_api.families.nested import EstimateShares, nested_listing
from local.listing_api.market import Listing

_NAME = "zillow-working-api"
_MOST_PER_PAGE = 200
_ESTIMATES = EstimateShares(absent=0.0, empty=0.07, no_zestimate=0.09, no_rent=0.03)
_GROUPED = ("CONDO", "APARTMENT")
_OF_ONE_HOME = ("price", "bedrooms", "bathrooms", "livingArea", "yearBuilt", "estimates", "lotSizeWithUnit")


def _check(query: Mapping[str, str]) -> None:
    one_of(query, "listingStatus", "forSale", "forRent")
    whole_number(query, "resultsPerPage", 1, _MOST_PER_PAGE)


def _page_size(query: Mapping[str, str], default: int) -> int:
    return whole_number(query, "resultsPerPage", default, _MOST_PER_PAGE)


def _for_sale(listing: Listing, now: datetime, dirty_share: float) -> Json:
    return {"property": nested_listing(_NAME, _ESTIMATES, listing, now, dirty_share), "resultType": "property"}


def _for_rent(listing: Listing, now: datetime, dirty_share: float) -> Json:
    house, row = listing.house, nested_listing(_NAME, _ESTIMATES, listing, now, dirty_share)
    row["listing"]["listingStatus"] = row["hdpView"]["listingStatus"] = "forRent"
    row["hdpView"].pop("price", None)
    if house.home_type in _GROUPED:
        group = {name: value for name, value in row.items() if name not in _OF_ONE_HOME}
        return {"property": group | {"title": house.street_address}, "resultType": "propertyGroup"}
    if isinstance(row["price"].get("value"), int):
        row["price"] = {"value": house.monthly_rent}
    return {"property": row, "resultType": "property"}


def _by_query(query: Mapping[str, str]) -> Callable[[Listing, datetime, float], Json]:
    return _for_rent if query.get("listingStatus") == "forRent" else _for_sale


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
    location_param="query",
    page_param="page",
    check=_check,
    page_size=_page_size,
    listing=_for_sale,
    envelope=_envelope,
    listings_in=_listings_in,
    empty=_empty,
    by_query=_by_query,
)
