"""What an API family has to say of itself so that the server can speak it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

from local.listing_api.chance import draws
from local.listing_api.market import Listing

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

    `check` raises BadRequest for parameters that this family would not understand. `page_size` gives the
    listings per page for a query and the server's own default. `listing` renders one listing as of a time,
    with the share of rows to spoil; `envelope` puts listings into a page. `listings_in` gives the list of
    listings in a body of this family, or None where the body is not of it. `empty` is a body's page facts
    with no listings, as page `page`. `by_query` picks another way to render listings by what was asked for.
    """

    name: str
    path: str
    location_param: str
    page_param: str
    check: Callable[[Mapping[str, str]], None]
    page_size: Callable[[Mapping[str, str], int], int]
    listing: Callable[[Listing, datetime, float], Json]
    envelope: Callable[[Sequence[Json], PageFacts], Json]
    listings_in: Callable[[Any], list[Any] | None]
    empty: Callable[[Json, int], Json]
    by_query: Callable[[Mapping[str, str]], Callable[[Listing, datetime, float], Json]] | None = None

    @property
    def host(self) -> str:
        """The value of x-rapidapi-host that asks for this family."""
        return f"{self.name}.p.rapidapi.com"


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


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970 UTC, as all families write times."""
    return int(moment.timestamp() * 1000)
