"""When a house is on the market: listing and removal, as pure functions of seed, market and date.

The houses of a market come in cohorts, one per day: the cohort of a day is what appears that day for the
first time. Everything about a cohort follows from the text "seed/market/day", so any date can be asked for
in any order, in any process, and gives the same answer. Only the stay is decided here (when, which zpid,
which place in the search order); what the house looks like is decided when somebody looks at it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from random import Random

from local.listing_api.places import Market, border_place
from local.listing_api.seeded import draws

LONGEST_STAY = 280  # days; the longest timeOnZillow seen in real pages is 287 days
_MEAN_STAY = 62  # days, of the distribution below; new houses per day = size / mean stay
_STEADY_BELOW = 12  # markets smaller than this keep exactly their size
_STEADY_STAY = 45
_AWAY_SHARE = 0.04  # withdrawn and back later
_TWIN_SHARE = 0.004  # the same house under a second zpid
_BORDER_SIZE = 40  # houses of a state that stand between its cities, so in several markets
_BORDER_SHOWN = 0.3  # how many of them one market shows
_BORDER_NEEDS = 100  # a market smaller than this shows none

_ZPID_FIRST, _ZPID_SPAN, _ZPID_STEP = 27_000_000, 2_061_584_297, 1_234_567_891
_DAYS_PER_CYCLE, _PER_COHORT = 1024, 1024


@dataclass(frozen=True, slots=True)
class Stay:
    """One house's time on one market. Days are proleptic ordinals; `house` is the text its traits follow from."""

    house: str
    zpid: int
    listed: int
    gone: int
    away: tuple[int, int] | None
    rank: float

    def is_active(self, day: int) -> bool:
        """Whether the house is shown on this day."""
        if not self.listed <= day < self.gone:
            return False
        return self.away is None or not self.away[0] <= day < self.away[1]


@lru_cache(maxsize=256)
def active_stays(seed: int, market: Market, day: date) -> tuple[Stay, ...]:
    """The stays shown on a date, in search order: the same houses keep their order from day to day."""
    today = day.toordinal()
    found = [stay for stay in stays_around(seed, market, today, market.size) if stay.is_active(today)]
    if market.size >= _BORDER_NEEDS:
        found += _border_stays(seed, market, today)
    return tuple(sorted(found, key=lambda stay: (stay.rank, stay.zpid)))


def stays_around(seed: int, market: Market, today: int, size: int, series: str = "") -> Iterator[Stay]:
    """Yield every stay that may be active on a day, of a market with about `size` houses at a time.

    A series such as "rent-" has houses and zpids of its own.
    """
    if size < _STEADY_BELOW:
        yield from _steady_stays(seed, market.name, today, size, series)
        return
    for listed in range(today - LONGEST_STAY, today + 1):
        yield from _cohort(seed, market.name, size / _MEAN_STAY, listed, series)


def _border_stays(seed: int, market: Market, today: int) -> Iterator[Stay]:
    """Houses of the state's border pool that this market shows; another market may show the same zpid."""
    pool = border_place(market.state)
    for listed in range(today - LONGEST_STAY, today + 1):
        for stay in _cohort(seed, pool, _BORDER_SIZE / _MEAN_STAY, listed):
            shown = draws(f"shown/{market.name}/{stay.zpid}").random() < _BORDER_SHOWN
            if shown and stay.is_active(today):
                yield stay


@lru_cache(maxsize=60_000)
def _cohort(seed: int, place: str, mean: float, listed: int, series: str = "") -> tuple[Stay, ...]:
    """The houses that a place lists for the first time on a day: the second zpid of a twin is among them."""
    chance = draws(f"cohort/{seed}/{place}/{series}{listed}")
    offset = draws(f"zpid/{seed}/{series}{place}").getrandbits(31)
    stays = []
    for index in range(min(_poisson(chance, mean), _PER_COHORT // 2)):
        house = f"{seed}/{place}/{listed}/{series}{index}"
        length = min(LONGEST_STAY, max(1, round(chance.lognormvariate(3.72, 0.9))))
        away = _away(chance, listed, length)
        stays.append(Stay(house, _zpid(offset, listed, index), listed, listed + length, away, chance.random()))
        if chance.random() < _TWIN_SHARE:
            twin = _zpid(offset, listed, index + _PER_COHORT // 2)
            stays.append(Stay(house, twin, listed, listed + length, away, chance.random()))
    return tuple(stays)


def _steady_stays(seed: int, place: str, today: int, size: int, series: str) -> Iterator[Stay]:
    """A tiny market: each of its places on the list is handed from one house to the next without a gap."""
    offset = draws(f"zpid/{seed}/{series}{place}").getrandbits(31)
    for slot in range(size):
        shift = slot * _STEADY_STAY // size
        listed = today - (today + shift) % _STEADY_STAY
        house = f"{seed}/{place}/{listed}/{series}{slot}"
        yield Stay(house, _zpid(offset, listed, slot), listed, listed + _STEADY_STAY, None, slot / size)


def _away(chance: Random, listed: int, length: int) -> tuple[int, int] | None:
    draw, start, days = chance.random(), chance.random(), chance.randint(2, 12)
    if draw >= _AWAY_SHARE or length < 20:
        return None
    first = listed + 3 + int(start * (length - 18))
    return first, first + days


def _poisson(chance: Random, mean: float) -> int:
    """A Poisson draw: Knuth's product for small means, the normal approximation for large ones."""
    if mean > 30:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        count += 1
    return count


def _zpid(offset: int, listed: int, index: int) -> int:
    """A number from 27,000,000 to 2,088,584,296, as real ones are: never twice within a place and 1,024 days."""
    code = (listed % _DAYS_PER_CYCLE) * _PER_COHORT + index
    return _ZPID_FIRST + (offset + code * _ZPID_STEP) % _ZPID_SPAN
