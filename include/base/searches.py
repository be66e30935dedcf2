"""Knows what a search asks for: homes for sale, for rent or sold. It is part of the market's slug.

A market and its search are one: `houston-tx` holds homes for sale, `houston-tx-rent` those for rent.
"""

from __future__ import annotations

SALE = "sale"
RENT = "rent"
SOLD = "sold"
SEARCHES = (SALE, RENT, SOLD)


def market_of(place: str, listing: str) -> str:
    """The slug of the market that a search of a place fills; `place` is the slug of its homes for sale."""
    return place if listing == SALE else f"{place}-{listing}"


def listing_of(market: str) -> str:
    """What the market with this slug holds, by how it ends."""
    ending = market.rpartition("-")[2]
    return ending if ending in (RENT, SOLD) else SALE


def market_name(location: str, listing: str) -> str:
    """The market in words, so that two searches of one place can be told apart: `houston, tx (rent)`."""
    return location if listing == SALE else f"{location} ({listing})"
