"""Which stays a search finds: the houses on sale, those to let, those sold lately.

What is to let stands in cohorts of its own, beside a few houses of the sale market: a house may be on sale and to let.
What was sold is what left the sale market. So the three move with the same clock, and each date gives the same answer.
"""

from datetime import date
from enum import StrEnum
from functools import lru_cache

from local.listing_api.listing_periods import Stay, active_stays, stays_around
from local.listing_api.places import Market
from local.listing_api.seeded import draws
from local.listing_api.simulated_house import house_of

SOLD_FOR = 30  # days for which a sale is shown
_HOMES, _BUILDINGS = "rent-", "building-"
_HOMES_SHARE = 0.5  # homes to let for each house on sale
_BUILDINGS_SHARE = 0.032  # likewise; real rent pages hold 5 to 9 % of buildings
_BOTH_SHARE = 0.02  # of houses on sale, that are to let as well
_SOLD_SHARE = 0.8  # of houses that leave the market; the others are withdrawn


class Search(StrEnum):
    """What somebody looks for."""

    SALE = "sale"
    RENT = "rent"
    SOLD = "sold"


def is_building(stay: Stay) -> bool:
    """Whether this is a building with flats to let, not one home."""
    return f"/{_BUILDINGS}" in stay.house


@lru_cache(maxsize=256)
def stays_in(seed: int, market: Market, day: date, search: Search) -> tuple[Stay, ...]:
    """What a search finds on a date, in search order."""
    if search is Search.SALE:
        return active_stays(seed, market, day)
    found = _to_let(seed, market, day) if search is Search.RENT else _sold(seed, market, day)
    return tuple(sorted(found, key=lambda stay: (stay.rank, stay.zpid)))


def _to_let(seed: int, market: Market, day: date) -> list[Stay]:
    """Return homes and buildings; nobody lets a plot or a builder's plan."""
    today = day.toordinal()
    found = [stay for stay in active_stays(seed, market, day) if draws(f"let/{stay.house}").random() < _BOTH_SHARE]
    for series, share in ((_HOMES, _HOMES_SHARE), (_BUILDINGS, _BUILDINGS_SHARE)):
        size = round(market.size * share)
        found += [stay for stay in stays_around(seed, market, today, size, series) if stay.is_active(today)]
    houses = ((stay, house_of(stay.house)) for stay in found)
    return [stay for stay, house in houses if not (house.is_lot or house.is_plan)]


def _sold(seed: int, market: Market, day: date) -> list[Stay]:
    """Return what left the sale market within the last days and was sold."""
    today = day.toordinal()
    around = (stays_around(seed, market, when, market.size) for when in (today - SOLD_FOR, today))
    left = {stay.zpid: stay for stays in around for stay in stays if today - SOLD_FOR < stay.gone <= today}
    return [
        stay
        for stay in left.values()
        if draws(f"sold/{stay.house}").random() < _SOLD_SHARE and not house_of(stay.house).is_plan
    ]
