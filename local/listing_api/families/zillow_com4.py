"""zillow-com4: GET /properties/search; nested listings under "data"."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from local.listing_api.families.family import Family, Json, PageFacts, whole_number
from local.listing_api.families.nested import EstimateShares, nested_listing
from local.listing_api.market import Listing
from local.listing_api.searches import Search

_NAME = "zillow-com4"
_MOST_PER_PAGE = 250
_ESTIMATES = EstimateShares(absent=0.26, empty=0.47, no_zestimate=0.22, no_rent=0.07)


def _check(query: Mapping[str, str]) -> None:
    whole_number(query, "resultsPerPage", 1, _MOST_PER_PAGE)


def _page_size(query: Mapping[str, str], default: int) -> int:
    return whole_number(query, "resultsPerPage", default, _MOST_PER_PAGE)


def _listing(listing: Listing, now: datetime, dirty_share: float) -> Json:
    return nested_listing(_NAME, _ESTIMATES, listing, now, dirty_share)


def _envelope(listings: Sequence[Json], facts: PageFacts) -> Json:
    meta = {
        "currentPage": facts.page,
        "limit": facts.page_size,
        "totalRecords": facts.total_listings,
        "totalPage": facts.total_pages,
    }
    return {"status": True, "message": "Success", "data": list(listings), "meta": meta}


def _listings_in(body: Any) -> list[Any] | None:
    found = body.get("data") if isinstance(body, dict) else None
    return found if isinstance(found, list) else None


def _empty(body: Json, page: int) -> Json:
    meta = body.get("meta")
    facts = {"meta": meta | {"currentPage": page}} if isinstance(meta, dict) else {}
    return body | {"data": []} | facts


ZILLOW_COM4 = Family(
    name=_NAME,
    path="/properties/search",
    location_param="location",
    page_param="page",
    search_param="status",
    searches={Search.SALE: "forSale"},
    check=_check,
    page_size=_page_size,
    listing=_listing,
    envelope=_envelope,
    listings_in=_listings_in,
    empty=_empty,
)
