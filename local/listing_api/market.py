"""The simulated market as tests and API families see it: which listings stand on a date, in which order.

Pure functions of seed, market and date. A date stands for the whole UTC day: what is new on a date was
listed in the course of the day before, and a price that changed by then is the price of the whole date.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from local.listing_api.listing_periods import Stay
from local.listing_api.places import Market, parse_market
from local.listing_api.searches import Search, is_building, stays_in
from local.listing_api.seeded import draws
from local.listing_api.simulated_house import House, house_of

_REPEATED_SHARE = 0.0006  # of rows, that come a second time about a page later
_PACIFIC_MIDNIGHT = timedelta(hours=8)  # prices change at midnight there


@dataclass(frozen=True, slots=True)
class Unit:
    """The flats of one size in a building: bedrooms (0 is a studio) and the least monthly rent."""

    bedrooms: int
    rent: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A house as a search shows it on a date: its price is a month's rent where it is to let, else that of the house.

    Money in US dollars; times are UTC. A building to let has `units`, whose least price is its own.
    """

    zpid: int
    house: House
    price: int
    price_change: int | None
    price_changed_at: datetime | None
    listed_at: datetime
    search: Search = Search.SALE
    sold_at: datetime | None = None
    units: tuple[Unit, ...] = ()

    def open_house(self, now: datetime) -> tuple[datetime, datetime] | None:
        """Begin and end of the next open house from the day of `now` on, if the house has them."""
        weekday = self.house.open_house_weekday
        if weekday is None:
            return None
        day = _midnight(now.toordinal() + (weekday - now.weekday()) % 7)
        return day + timedelta(hours=18), day + timedelta(hours=20)


def listings_on(seed: int, market: str | Market, day: date, search: Search = Search.SALE) -> list[Listing]:
    """Every listing that a search finds in a market on a date, each once, in search order.

    `market` may be text such as "houston, tx". Raises UnknownLocation where it names none. Its length is
    totalResultCount, less the buildings where a family shows none.
    """
    found = parse_market(market, seed) if isinstance(market, str) else market
    return [listing_of(stay, day, search) for stay in stays_in(seed, found, day, search)]


@lru_cache(maxsize=256)
def rows_on(seed: int, market: Market, day: date, search: Search = Search.SALE) -> Sequence[Stay]:
    """The stays as pages show them: those of `listings_on`, but now and then one comes twice.

    Pages are slices of this, whatever their size; `listing_of` turns a stay into what a page says of it.
    """
    rows = list(stays_in(seed, market, day, search))
    kind = "" if search is Search.SALE else f"/{search}"
    chance = draws(f"repeats/{seed}/{market.name}/{day.isoformat()}{kind}")
    repeats = [place for place in range(len(rows)) if chance.random() < _REPEATED_SHARE]
    for place in reversed(repeats):
        rows.insert(min(len(rows), place + chance.randint(1, 45)), rows[place])
    return tuple(rows)


@lru_cache(maxsize=20_000)
def listing_of(stay: Stay, day: date, search: Search = Search.SALE) -> Listing:
    """What a search says of a house on a date on which it finds it."""
    house = house_of(stay.house)
    last = stay.gone - 1 if search is Search.SOLD else day.toordinal()
    price, change, changed_at = house.first_price, None, None
    for step in house.changes:
        if step.after > last - stay.listed:
            break
        price, change = step.price, step.change
        changed_at = _midnight(stay.listed + step.after - 1) + _PACIFIC_MIDNIGHT
    listed_at = _midnight(stay.listed - 1) + timedelta(seconds=house.listed_second)
    listing = Listing(stay.zpid, house, price, change, changed_at, listed_at)
    if search is Search.SALE:
        return listing
    # Only the sale market has auctions, open houses and houses that nobody has lived in.
    plain = replace(house, is_bank_owned=False, is_auction=False, is_new=False, open_house_weekday=None)
    listing = replace(listing, house=plain, search=search)
    if search is Search.SOLD:
        sold_at = _midnight(last) + _PACIFIC_MIDNIGHT
        return replace(listing, price_change=None, price_changed_at=None, sold_at=sold_at)
    return _building(listing) if is_building(stay) else _to_let(listing, stay)


def _to_let(listing: Listing, stay: Stay) -> Listing:
    """Return the listing with its rent, which changes by the same share and on the same day as a price would."""
    house = listing.house
    asked = house.monthly_rent * draws(f"asked/{stay.house}").uniform(0.93, 1.14)
    rent = _rounded(asked * listing.price / house.first_price)
    if listing.price_change is None:
        return replace(listing, price=rent)
    before = _rounded(asked * (listing.price - listing.price_change) / house.first_price)
    return replace(listing, price=rent, price_change=rent - before)


def _building(listing: Listing) -> Listing:
    chance = draws(f"units/{listing.zpid}")
    first, count = chance.randint(0, 2), chance.randint(1, 3)
    least = _rounded(min(4_000, listing.house.monthly_rent) * chance.uniform(0.5, 0.8))
    units = tuple(Unit(first + more, _rounded(least * (1 + 0.3 * more))) for more in range(count))
    return replace(listing, price=least, price_change=None, price_changed_at=None, units=units)


def _rounded(rent: float) -> int:
    return round(rent / 5) * 5


def _midnight(ordinal: int) -> datetime:
    return datetime.combine(date.fromordinal(ordinal), time(), UTC)
