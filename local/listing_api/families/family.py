"""What an API family has to say of itself so that the server can speak it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

from local.listing_api.market import Listing
from local.listing_api.searches import Search
from local.listing_api.seeded import draws

Json = dict[str, Any]


class BadRequest(ValueError):
    """The request cannot be answered; the message is what the caller is told."""


@dataclass(frozen=True, slots=True)
class PageFacts:
    """Where a page stands: its number from 1, its size, and what the whole search found."""

    page: int
    page_size: int
    total_pages: int
    total_listings: int


@dataclass(frozen=True, slots=True)
class Family:
    """One API family: how it is asked and how it answers.

    `search_param` asks for sale, rent or sold by the values in `searches`; without it sale is meant, unless
    `search_required`. `page_size` gives the listings per page for a query and the server's own default. `listing`
    renders one listing as of a time, with the share of rows to spoil; `envelope` puts listings into a page.
    `listings_in` gives the list of listings in a body of this family, or None where the body is not of it. `empty` is a
    body's page facts with no listings, as page `page`. `building` renders a building to let, None where the family
    shows none. `check` raises BadRequest for other parameters that the family would not understand.
    """

    name: str
    path: str
    location_param: str
    page_param: str
    search_param: str
    searches: Mapping[Search, str]
    page_size: Callable[[Mapping[str, str], int], int]
    listing: Callable[[Listing, datetime, float], Json]
    envelope: Callable[[Sequence[Json], PageFacts], Json]
    listings_in: Callable[[Any], list[Any] | None]
    empty: Callable[[Json, int], Json]
    building: Callable[[Listing], Json] | None = None
    search_required: bool = False
    check: Callable[[Mapping[str, str]], None] | None = None

    @property
    def host(self) -> str:
        """The value of x-rapidapi-host that asks for this family."""
        return f"{self.name}.p.rapidapi.com"

    def search(self, query: Mapping[str, str]) -> Search:
        """Return what a query looks for. Raises BadRequest for what this family would not understand."""
        if self.check is not None:
            self.check(query)
        asked = query.get(self.search_param, "" if self.search_required else self.searches[Search.SALE])
        for search, value in self.searches.items():
            if value == asked:
                return search
        expected = " or ".join(self.searches.values())
        raise BadRequest(f"The parameter {self.search_param}={asked[:40]!r} is not valid. Expected {expected}.")

    def row(self, listing: Listing, now: datetime, dirty_share: float) -> Json:
        """Render what a page shows: one listing, or a building with its units."""
        return self.building(listing) if self.building and listing.units else self.listing(listing, now, dirty_share)


def whole_number(query: Mapping[str, str], name: str, default: int, most: int | None = None) -> int:
    """A parameter that is a whole number from 1, at most `most`. Raises BadRequest for anything else."""
    text = query.get(name)
    if text is None:
        return default
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if number < 1 or (most is not None and number > most):
        upto = "" if most is None else f" to {most}"
        raise BadRequest(f"The parameter {name}={text[:40]!r} is not valid. Expected a whole number from 1{upto}.")
    return number


def one_of(query: Mapping[str, str], name: str, *allowed: str) -> None:
    """Raises BadRequest where a parameter is there and is none of the allowed values."""
    text = query.get(name)
    if text is not None and text not in allowed:
        raise BadRequest(f"The parameter {name}={text[:40]!r} is not valid. Expected {' or '.join(allowed)}.")


def family_chance(family: str, listing: Listing) -> Random:
    """The draws by which a family leaves a field out: the same for a listing on every day."""
    return draws(f"{family}/{listing.zpid}")


def building_name(listing: Listing) -> str:
    """What a building to let is called."""
    return f"The {listing.house.street_address.partition(' ')[2]} Lofts"


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970 UTC, as all families write times."""
    return int(moment.timestamp() * 1000)
