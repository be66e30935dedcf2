"""What a market report says, as plain JSON types: made from the marts by `report_data`, drawn by `report`.

Money is US dollars and areas square feet, as floats exact to the cent; dates are YYYY-MM-DD, moments ISO 8601 in UTC;
shares are 0 to 1, percents 0 to 100. None: not known. docs/marts.md says what each figure means.
"""

from __future__ import annotations

from typing import TypedDict


class Coverage(TypedDict):
    """What was seen against what the API said exists. `share` may exceed 1 when the API counts late.

    `seen` counts listings; `not_listings` the buildings and groups of units beside them, which the API counts too.
    """

    seen: int
    not_listings: int
    claimed: int | None
    share: float | None
    is_complete: bool
    pages_read: int | None
    pages_claimed: int | None


class Measure(TypedDict):
    """Exact quartiles of one measure, over `count` listings; all None where there is none."""

    count: int
    p25: float | None
    median: float | None
    p75: float | None


class Day(TypedDict):
    """One market on one day."""

    date: str
    previous_date: str | None
    active: int
    measured: int
    excluded_price_zero: int
    excluded_rent_like: int
    excluded_plot: int
    price: Measure
    price_sqft: Measure
    rent_yield: Measure
    days_on_market: Measure
    zestimate_gap: Measure
    price_cut_share: float | None
    under_zestimate: int
    over_zestimate: int
    first_seen: int
    last_seen: int
    new: int | None
    gone: int | None
    back: int | None
    coverage: Coverage


class Jump(TypedDict):
    """A change from one observed day to the next that is larger than markets usually move."""

    date: str
    previous_date: str
    measure: str  # "price_median" or "active"
    before: float
    after: float
    change_share: float
    explanation: str


class Listings(TypedDict):
    """The listings of the newest day, a list per column, all of the same length."""

    zpid: list[int]
    latitude: list[float | None]
    longitude: list[float | None]
    price: list[float]
    price_sqft: list[float | None]
    home_type: list[str | None]
    odd: list[str | None]  # "price_zero", "rent_like_price", "plot": kept out of the medians


class PriceCut(TypedDict):
    """A price that fell since the previous observed day, or that the API says fell within the last day."""

    zpid: int
    address: str | None
    city: str | None
    zipcode: str | None
    home_type: str | None
    before: float
    after: float
    percent: float
    changed_at: str | None
    known_by: str  # "observed" or "stated"


class NewListing(TypedDict):
    """A listing that appeared. `why`: "new" and "back" (both days complete), "first_seen" (coverage is not complete:
    first seen here, perhaps not new), "listed" (the market's first day: the API says it was listed within a day)."""

    zpid: int
    address: str | None
    city: str | None
    zipcode: str | None
    home_type: str | None
    bedrooms: float | None
    bathrooms: float | None
    living_area_sqft: float | None
    price: float
    price_sqft: float | None
    listed_at: str | None
    why: str


class Bargain(TypedDict):
    """A listing priced below its zestimate; `percent` is negative."""

    zpid: int
    address: str | None
    city: str | None
    zipcode: str | None
    home_type: str | None
    price: float
    zestimate: float
    percent: float


class Zip(TypedDict):
    """One ZIP code of the market on the newest day; "unknown" where the API gave none."""

    zipcode: str
    active: int
    measured: int
    price: Measure
    price_sqft: Measure
    rent_yield: Measure
    price_cut_share: float | None


class Funnel(TypedDict):
    """Where the rows of the day went: on_pages = clean + rejected + duplicates + not_listings + unreadable.

    loaded = clean.
    """

    on_pages: int
    clean: int
    rejected: int
    duplicates: int
    not_listings: int
    unreadable: int
    loaded: int
    reasons: dict[str, int]


class Market(TypedDict):
    """One market of the report. `days` has its observed days of the 90 up to the report's date, oldest first, and
    `jumps` theirs; the last of them is the newest, which everything else here is about."""

    source: str
    market: str
    name: str
    days: list[Day]
    jumps: list[Jump]
    listings: Listings
    price_cuts: list[PriceCut]
    new_listings: list[NewListing]
    bargains: list[Bargain]
    zips: list[Zip]
    funnel: Funnel


class Report(TypedDict):
    """The report of one date."""

    date: str
    build_number: int
    markets: list[Market]
