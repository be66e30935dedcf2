"""What a house is: its traits, which follow from its text "seed/place/day/index" and never change.

Ranges and shares are those of real pages: plots have no bedrooms, lots of a quarter acre or more are given
in acres, a builder's plan may have no price yet, a rent is now and then posted as a sale.
"""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from random import Random

from local.listing_api import names
from local.listing_api.places import Market, place_named
from local.listing_api.seeded import draws

SQFT_PER_ACRE = 43_560
_TYPICAL_PRICE = 335_000
_TYPICAL_SQFT = 1_900

# Shares of all listings.
_TYPES = ("SINGLE_FAMILY", "TOWNHOUSE", "CONDO", "LOT", "MULTI_FAMILY", "MANUFACTURED", "APARTMENT")
_TYPE_WEIGHTS = (0.745, 0.075, 0.075, 0.045, 0.028, 0.027, 0.005)
_NEW_SHARE, _PLAN_SHARE, _PLAN_UNPRICED, _RENT_SHARE = 0.165, 0.021, 0.3, 0.006
_SUBURB_SHARE, _BEYOND_ASCII_SHARE, _COMMA_SHARE = 0.1, 0.02, 0.015
_OPEN_HOUSE_SHARE, _BANK_OWNED_SHARE, _AUCTION_SHARE = 0.08, 0.011, 0.007
_RISE_SHARE = 0.1  # of price changes
_DAYS_TO_FIRST_CHANGE, _DAYS_TO_NEXT_CHANGE = 155, 55


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A new price from the `after`-th day of the stay on; `change` in dollars, mostly negative."""

    after: int
    price: int
    change: int


@dataclass(frozen=True, slots=True)
class House:
    """One house. Money in US dollars, areas in square feet, coordinates in degrees."""

    home_type: str
    bedrooms: int | None
    bathrooms: int
    half_bath: bool
    living_area: int | None
    lot_area: float
    year_built: int
    street_address: str
    unit: str | None
    city: str
    state: str
    zipcode: str
    time_zone: str
    latitude: float
    longitude: float
    first_price: int
    changes: tuple[PriceChange, ...]
    worth: int
    monthly_rent: int
    tax_value: int
    is_new: bool
    is_plan: bool
    is_bank_owned: bool
    is_auction: bool
    open_house_weekday: int | None
    listed_second: int
    photo: int
    dirt: float

    @property
    def is_lot(self) -> bool:
        """A plot without a building."""
        return self.home_type == "LOT"


@lru_cache(maxsize=40_000)
def house_of(text: str) -> House:
    """The house with this text (Stay.house)."""
    seed, name, listed, _ = text.split("/")
    place = place_named(name, int(seed))
    chance = draws(f"house/{text}")
    draw = chance.random
    is_plan = draw() < _PLAN_SHARE
    home_type = "SINGLE_FAMILY" if is_plan else chance.choices(_TYPES, _TYPE_WEIGHTS)[0]
    is_lot = home_type == "LOT"
    is_new = is_plan or (not is_lot and draw() < _NEW_SHARE)
    bedrooms, bathrooms, living_area = _rooms(chance, home_type)
    worth = _worth(chance, place, living_area)
    first_price = _first_price(chance, worth, is_plan)
    street, unit = _address(chance, home_type, is_plan, is_new)
    city = chance.choice(names.SUBURBS) if place.city == "*" or draw() < _SUBURB_SHARE else place.city
    spread = 0.8 if place.city == "*" else min(0.25, 0.02 + place.size / 50_000)
    return House(
        home_type=home_type,
        bedrooms=bedrooms,
        bathrooms=bathrooms,
        half_bath=not is_lot and draw() < 0.18,
        living_area=living_area,
        lot_area=_lot_area(chance, home_type),
        year_built=0 if is_plan or is_lot else _year_built(chance, int(listed), is_new),
        street_address=street,
        unit=unit,
        city=city,
        state=place.state.code,
        zipcode=f"{place.zip_prefix}{chance.randrange(100):02d}",
        time_zone=place.state.time_zone,
        latitude=round(place.latitude + chance.gauss(0, spread / 2), 6),
        longitude=round(place.longitude + chance.gauss(0, spread / 2), 6),
        first_price=first_price,
        changes=_changes(chance, first_price),
        worth=worth,
        monthly_rent=max(850, round(worth * chance.uniform(0.004, 0.0075))),
        tax_value=max(6200, round(worth * chance.uniform(0.6, 1.0))),
        is_new=is_new,
        is_plan=is_plan,
        is_bank_owned=draw() < _BANK_OWNED_SHARE,
        is_auction=draw() < _AUCTION_SHARE,
        open_house_weekday=chance.choice((5, 6)) if draw() < _OPEN_HOUSE_SHARE else None,
        listed_second=chance.randrange(6 * 3600, 23 * 3600),
        photo=chance.getrandbits(128),
        dirt=draw(),
    )


def _year_built(chance: Random, listed: int, is_new: bool) -> int:
    age = 0 if is_new else int(110 * chance.random() ** 1.6)
    return date.fromordinal(listed).year - age


def _rooms(chance: Random, home_type: str) -> tuple[int | None, int, int | None]:
    """Bedrooms, bathrooms and square feet; a plot has 0 bathrooms and neither of the others."""
    if home_type == "LOT":
        return None, 0, None
    if home_type == "MULTI_FAMILY":
        bedrooms = chance.randint(4, 12)
    else:
        bedrooms = chance.choices((1, 2, 3, 4, 5, 6, 7), (3, 14, 42, 29, 9, 2, 1))[0]
    bathrooms = max(1, min(14, round(bedrooms * chance.uniform(0.5, 0.95))))
    living_area = max(380, round(300 + bedrooms * 480 * chance.lognormvariate(0, 0.28)))
    return bedrooms, bathrooms, living_area


def _worth(chance: Random, place: Market, living_area: int | None) -> int:
    level = _TYPICAL_PRICE * place.state.price_level * draws(f"level/{place.name}").uniform(0.75, 1.35)
    if living_area is None:
        return max(12_000, round(level * 0.3 * chance.lognormvariate(0, 0.8)))
    by_size: float = (living_area / _TYPICAL_SQFT) ** 0.75
    return max(62_000, round(level * by_size * chance.lognormvariate(0, 0.38)))


def _first_price(chance: Random, worth: int, is_plan: bool) -> int:
    """The asking price: 0 for some builder's plans, a month's rent where a rent is posted as a sale."""
    asked = worth * chance.uniform(0.93, 1.14)
    if is_plan and chance.random() < _PLAN_UNPRICED:
        return 0
    if chance.random() < _RENT_SHARE:
        return round(chance.uniform(900, 4200) / 50) * 50
    step = 100 if is_plan else 1000
    return max(9_000, round(asked / step) * step - (100 if chance.random() < 0.35 else 0))


def _changes(chance: Random, first_price: int) -> tuple[PriceChange, ...]:
    """The steps of the price over the longest stay; mostly cuts of 1 to 8 %."""
    if first_price < 10_000:
        return ()
    steps: list[PriceChange] = []
    price, after = first_price, 1 + int(chance.expovariate(1 / _DAYS_TO_FIRST_CHANGE))
    while after < 300:
        rises = chance.random() < _RISE_SHARE
        share = chance.uniform(0.01, 0.15) if rises else -chance.triangular(0.005, 0.12, 0.02)
        change = max(500, round(price * abs(share) / 500) * 500) * (1 if rises else -1)
        price += change
        steps.append(PriceChange(after, price, change))
        after += 2 + int(chance.expovariate(1 / _DAYS_TO_NEXT_CHANGE))
    return tuple(steps)


def _lot_area(chance: Random, home_type: str) -> float:
    """Square feet; families leave it out more or less often."""
    if home_type == "LOT":
        return round(chance.lognormvariate(10.2, 1.3), 4)
    return round(max(600.0, chance.lognormvariate(8.95, 0.6)), 4)


def _address(chance: Random, home_type: str, is_plan: bool, is_new: bool) -> tuple[str, str | None]:
    """Street address and unit; a plan is addressed by its name and its community, with a comma between."""
    if is_plan:
        return (
            f"{chance.choice(names.PLANS)} Plan, {chance.choice(names.SUBURBS)}",
            f"Plan {chance.randint(100, 999)}",
        )
    beyond = chance.random() < _BEYOND_ASCII_SHARE
    street = chance.choice(names.STREETS_BEYOND_ASCII if beyond else names.STREETS)
    address = f"{chance.randint(1, 19_999)} {street} {chance.choice(names.STREET_KINDS)}"
    if chance.random() < _COMMA_SHARE:
        address += f", Lot {chance.randint(1, 90)}"
    unit = None
    if home_type in ("CONDO", "APARTMENT") or (home_type == "TOWNHOUSE" and chance.random() < 0.35):
        unit = f"Apt {chance.randint(1, 420)}"
    elif is_new and chance.random() < 0.15:
        unit = f"# {chance.choice('UGMXT')}{chance.randint(10, 999)}"
    return address, unit
