"""The simulated market as tests and API families see it: which listings stand on a date, in which order.

Pure functions of seed, market and date. A date stands for the whole UTC day: what is new on a date was
listed in the course of the day before, and a price that changed by then is the price of the whole date.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from local.listing_api.chance import draws
from local.listing_api.house import House, house_of
from local.listing_api.places import Market, parse_market
from local.listing_api.stays import Stay, active_stays

_REPEATED_SHARE = 0.0006  # of rows, that come a second time about a page later
_PACIFIC_MIDNIGHT = timedelta(hours=8)  # prices change at midnight there


@dataclass(frozen=True, slots=True)
class Listing:
    """A house as it stands on the market on a date. Money in US dollars; times are UTC."""

    zpid: int
    house: House
    price: int
    price_change: int | None
    price_changed_at: datetime | None
    listed_at: datetime

    def open_house(self, now: datetime) -> tuple[datetime, datetime] | None:
        """Begin and end of the next open house from the day of `now` on, if the house has them."""
        weekday = self.house.open_house_weekday
        if weekday is None:
            return None
        day = _midnight(now.toordinal() + (weekday - now.weekday()) % 7)
        return day + timedelta(hours=18), day + timedelta(hours=20)


def listings_on(seed: int, market: str | Market, day: date) -> list[Listing]:
    """Every listing of a market on a date, each once, in search order; its length is totalResultCount.

    `market` may be text such as "houston, tx". Raises UnknownLocation where it names none.
    """
    found = parse_market(market, seed) if isinstance(market, str) else market
    return [listing_of(stay, day) for stay in active_stays(seed, found, day)]


@lru_cache(maxsize=256)
def rows_on(seed: int, market: Market, day: date) -> Sequence[Stay]:
    """The stays as pages show them: those of `listings_on`, but now and then one comes twice.

    Pages are slices of this, whatever their size; `listing_of` turns a stay into what a page says of it.
    """
    rows = list(active_stays(seed, market, day))
    chance = draws(f"repeats/{seed}/{market.name}/{day.isoformat()}")
    repeats = [place for place in range(len(rows)) if chance.random() < _REPEATED_SHARE]
    for place in reversed(repeats):
        rows.insert(min(len(rows), place + chance.randint(1, 45)), rows[place])
    return tuple(rows)


@lru_cache(maxsize=20_000)
def listing_of(stay: Stay, day: date) -> Listing:
    """What the market says of a house on a date on which it is active."""
    house = house_of(stay.house)
    age = day.toordinal() - stay.listed
    price, change, changed_at = house.first_price, None, None
    for step in house.changes:
        if step.after > age:
            break
        price, change = step.price, step.change
        changed_at = _midnight(stay.listed + step.after - 1) + _PACIFIC_MIDNIGHT
    listed_at = _midnight(stay.listed - 1) + timedelta(seconds=house.listed_second)
    return Listing(stay.zpid, house, price, change, changed_at, listed_at)


def _midnight(ordinal: int) -> datetime:
    return datetime.combine(date.fromordinal(ordinal), time(), UTC)
