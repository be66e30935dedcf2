"""Which texts name a market, and how large and where that market is."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from local.listing_api.seeded import draws
from local.listing_api.states import STATES, State

_LOCATION = re.compile(r"\s*(?P<city>[^\W\d_](?:[^\W\d_]|[ .'’-]){0,60}?)\s*,\s*(?P<state>[A-Za-z]{2})\s*")
_SHOWN_OF_BAD_INPUT = 60

# Active listings, latitude, longitude, first three digits of the zip codes. Two are there to be tiny:
# a market without any listing and a market with exactly one are things that a pipeline has to survive.
_KNOWN: dict[tuple[str, str], tuple[int, float, float, str]] = {
    ("houston", "TX"): (13400, 29.76, -95.37, "770"),
    ("phoenix", "AZ"): (9200, 33.45, -112.07, "850"),
    ("los angeles", "CA"): (9400, 34.05, -118.24, "900"),
    ("san antonio", "TX"): (8100, 29.42, -98.49, "782"),
    ("chicago", "IL"): (7600, 41.88, -87.63, "606"),
    ("austin", "TX"): (6100, 30.27, -97.74, "787"),
    ("dallas", "TX"): (5600, 32.78, -96.80, "752"),
    ("new york", "NY"): (11800, 40.71, -74.01, "100"),
    ("miami", "FL"): (7900, 25.76, -80.19, "331"),
    ("tampa", "FL"): (3900, 27.95, -82.46, "336"),
    ("atlanta", "GA"): (5200, 33.75, -84.39, "303"),
    ("denver", "CO"): (3300, 39.74, -104.99, "802"),
    ("seattle", "WA"): (2400, 47.61, -122.33, "981"),
    ("boston", "MA"): (1900, 42.36, -71.06, "021"),
    ("philadelphia", "PA"): (4700, 39.95, -75.17, "191"),
    ("san diego", "CA"): (2900, 32.72, -117.16, "921"),
    ("las vegas", "NV"): (6300, 36.17, -115.14, "891"),
    ("charlotte", "NC"): (3600, 35.23, -80.84, "282"),
    ("nashville", "TN"): (3400, 36.16, -86.78, "372"),
    ("portland", "OR"): (2700, 45.52, -122.68, "972"),
    ("monowi", "NE"): (1, 42.83, -98.33, "687"),
    ("lost springs", "WY"): (0, 42.77, -104.93, "822"),
}


class UnknownLocation(ValueError):
    """The text names no market; the message says what was expected and what came."""


@dataclass(frozen=True, slots=True)
class Market:
    """A market: `name` is its spelling in keys ("houston, tx"), `city` the one that people read."""

    name: str
    slug: str
    city: str
    state: State
    size: int
    latitude: float
    longitude: float
    zip_prefix: str


def parse_market(text: str, seed: int) -> Market:
    """The market that "houston, tx" or "Houston, TX" names. Raises UnknownLocation for anything else."""
    match = _LOCATION.fullmatch(text)
    state = STATES.get(match["state"].upper()) if match else None
    if match is None or state is None:
        shown = text if len(text) <= _SHOWN_OF_BAD_INPUT else text[:_SHOWN_OF_BAD_INPUT] + "…"
        raise UnknownLocation(
            f"The location {shown!r} is not known. Expected a city and a state code, such as 'houston, tx'."
        )
    city = " ".join(match["city"].lower().split())
    return _market(city, state, seed)


def known_markets(seed: int) -> list[Market]:
    """The markets with a size of their own, largest first."""
    markets = [_market(city, STATES[state], seed) for city, state in _KNOWN]
    return sorted(markets, key=lambda market: -market.size)


def border_place(state: State) -> str:
    """The name of the state's pool of houses between its cities; no location that a person types can name it."""
    return f"*, {state.code.lower()}"


@lru_cache(maxsize=4096)
def place_named(name: str, seed: int) -> Market:
    """The market or border pool with this `name` (as in Market.name)."""
    city, _, state = name.rpartition(", ")
    return _market(city, STATES[state.upper()], seed)


def slug_of(text: str) -> str:
    """Lower case with only a-z, 0-9 and "-": "Cañon City, CO" gives "canon-city-co"."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def _market(city: str, state: State, seed: int) -> Market:
    name = f"{city}, {state.code.lower()}"
    chance = draws(f"place/{seed}/{name}")
    size = min(4000, max(2, round(chance.lognormvariate(4.6, 1.1))))
    latitude, longitude = state.latitude + chance.uniform(-1, 1), state.longitude + chance.uniform(-1, 1)
    zip_prefix = f"{state.zip_prefix}{chance.randrange(10)}"
    if (city, state.code) in _KNOWN:
        size, latitude, longitude, zip_prefix = _KNOWN[city, state.code]
    return Market(name, slug_of(name), city.title(), state, size, latitude, longitude, zip_prefix)
