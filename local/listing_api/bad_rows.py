"""Which few rows come as website scrapes write them, with text where a number belongs or no price at all."""

from enum import Enum

from local.listing_api.market import Listing


class Dirt(Enum):
    """What is wrong with a row. A zpid as text can still be read; the others cannot be kept by a contract."""

    PRICE_MISSING = "price_missing"
    PRICE_TEXT = "price_text"
    BEDROOMS_TEXT = "bedrooms_text"
    ZPID_TEXT = "zpid_text"


def dirt_of(listing: Listing, share: float) -> Dirt | None:
    """What is wrong with a listing where this share (0 to 1) of all homes is spoilt; the same every day."""
    if listing.units or listing.house.dirt >= share:
        return None
    kinds = list(Dirt)
    return kinds[min(len(kinds) - 1, int(listing.house.dirt / share * len(kinds)))]
