"""How the report writes figures, dates and coverage. What is not known stays None: the page draws it as a dash."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from datetime import date as Date

from include.report.model import Coverage, Day

GAP = "\u00a0"  # a space that breaks no line
MINUS = "\u2212"
ODD = {
    "price_zero": ("without a price (price 0)", "without a price (price 0)"),
    "rent_like_price": ("with a rent-like price", "with a rent-like price"),
    "plot": ("plot of land", "plots of land"),
}
WHY = {
    "new": "new",
    "back": "back again",
    "first_seen": "first seen, perhaps not new",
    "listed": "listed within a day, says the API",
}
KNOWN_BY = {"observed": "seen here", "stated": "stated by the API"}


def known(value: float | None) -> float | None:
    """The value, or None where it is no finite number."""
    return value if value is not None and math.isfinite(value) else None


def count(value: float | None) -> str | None:
    """1234 as 1,234."""
    value = known(value)
    return None if value is None else f"{value:,.0f}"


def counted(value: int, one: str, many: str) -> str:
    """A number and what it counts: 1 listing, 1,234 listings."""
    return f"{value:,}{GAP}{one if value == 1 else many}"


def money(value: float | None) -> str | None:
    """412500 as $412,500; nothing below a dollar."""
    value = known(value)
    if value is None:
        return None
    return f"{MINUS if value <= -0.5 else ''}${abs(value):,.0f}"


def percent(value: float | None, *, signed: bool = False) -> str | None:
    """5.21 as 5.2 %; with a sign, where it is a change, as +5.2 %."""
    value = known(value)
    if value is None:
        return None
    rounded = round(value, 1)
    sign = MINUS if rounded < 0 else "+" if signed and rounded > 0 else ""
    return f"{sign}{abs(rounded):,.1f}{GAP}%"


def share(value: float | None, *, signed: bool = False) -> str | None:
    """0.0521 as 5.2 %."""
    return percent(None if value is None else value * 100, signed=signed)


def rough_share(value: float) -> str:
    """A share as whole percents; one that is not all is never written as 100 %, and some never as 0 %."""
    if 0 < value < 0.01:
        return f"{max(value * 100, 0.1):.1f}{GAP}%"
    if 0.99 < value < 1:
        return f"99{GAP}%"
    return f"{value * 100:,.0f}{GAP}%"


def day(value: str) -> str:
    """2026-11-22 as November 22, 2026; anything else as it is."""
    try:
        found = Date.fromisoformat(value)
    except ValueError:
        return value
    return f"{found:%B} {found.day}, {found.year}"


def short_day(value: str) -> str:
    """2026-11-22 as Nov 22."""
    try:
        found = Date.fromisoformat(value)
    except ValueError:
        return value
    return f"{found:%b}{GAP}{found.day}"


def moment(value: str) -> str:
    """2026-11-22T06:12:03Z as November 22, 2026, 06:12 UTC; anything else as it is."""
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return value
    if found.tzinfo is None:
        return value
    found = found.astimezone(UTC)
    return f"{day(found.date().isoformat())}, {found:%H:%M} UTC"


def home_type(value: str | None) -> str | None:
    """SINGLE_FAMILY as Single family."""
    return value.replace("_", " ").capitalize() if value else None


def seen(coverage: Coverage) -> str:
    """820 of 13,012 listings seen (6 %); 37 and 3 buildings of 40 listings seen (100 %)."""
    claimed, part = coverage["claimed"], known(coverage["share"])
    if claimed is None:
        return f"{counted(coverage['seen'], 'listing', 'listings')} seen; the API did not say how many exist"
    percents = "" if part is None else f" ({rough_share(part)})"
    return f"{_shown(coverage)} of {counted(claimed, 'listing', 'listings')} seen{percents}"


def seen_of_claimed(coverage: Coverage) -> str:
    """820 of 13,012 (6 %), for the overview."""
    claimed, part = coverage["claimed"], known(coverage["share"])
    if claimed is None:
        return f"{coverage['seen']:,} of unknown"
    return f"{_shown(coverage)} of {claimed:,}" + ("" if part is None else f" ({rough_share(part)})")


def _shown(coverage: Coverage) -> str:
    """What was seen of what the API claims: it counts buildings among its listings."""
    buildings = coverage["not_listings"]
    return f"{coverage['seen']:,}" + (f" and {counted(buildings, 'building', 'buildings')}" if buildings else "")


def seen_in_short(coverage: Coverage) -> str:
    """What stands beside a figure: 6 % of listings seen."""
    part = known(coverage["share"])
    if coverage["is_complete"]:
        return "all listings seen"
    if part is None or coverage["claimed"] is None:
        return "coverage not known"
    if part >= 1:
        return "coverage not complete"
    return f"{rough_share(part)} of listings seen"


def coverage_sentence(coverage: Coverage) -> str:
    """What the coverage of a day lets the report say."""
    if coverage["is_complete"]:
        return f"{seen(coverage)}: the whole market."
    pages = ""
    if coverage["pages_read"] is not None and coverage["pages_claimed"] is not None:
        pages = f" Read: {coverage['pages_read']:,} of {counted(coverage['pages_claimed'], 'page', 'pages')}."
    return f"{seen(coverage)}: this cannot say what left the market.{pages}"


def why_not_compared(newest: Day, previous: Day | None) -> str:
    """Why a day names nothing new, gone or back."""
    if not newest["coverage"]["is_complete"]:
        return "coverage incomplete"
    if newest["previous_date"] is None:
        return "first observed day"
    if previous is not None and not previous["coverage"]["is_complete"]:
        return f"coverage incomplete on {short_day(previous['date'])}"
    return "not compared"


def excluded(newest: Day) -> str:
    """Which of the active listings stay out of the medians, and why."""
    kinds = {
        "price_zero": newest["excluded_price_zero"],
        "rent_like_price": newest["excluded_rent_like"],
        "plot": newest["excluded_plot"],
    }
    if not newest["active"]:
        return "No listing was active, so there is no median."
    if not any(kinds.values()):
        return "Medians are of all active listings: none had to be kept out."
    active = counted(newest["active"], "active listing", "active listings")
    return f"Medians are of the {newest['measured']:,} measured of {active}. Kept out: {odd_kinds(kinds)}."


def odd_kinds(kinds: Mapping[str, int]) -> str:
    """How many listings are odd in which way; reasons that have no words stand as they are."""
    known_first = [*ODD, *(reason for reason in kinds if reason not in ODD)]
    named = [(kinds.get(reason, 0), *ODD.get(reason, (reason, reason))) for reason in known_first]
    return ", ".join(f"{number:,} {one if number == 1 else many}" for number, one, many in named if number)


def jump(measure: str, date: str, previous: str, before: float, after: float, change: float) -> str:
    """A jump in words, without its explanation."""
    if measure == "price_median":
        what, first, second = "Median price", money(before), money(after)
    elif measure == "active":
        what, first, second = "Active listings", count(before), count(after)
    else:
        what, first, second = measure, count(before), count(after)
    return f"{what} {share(change, signed=True)} from {day(previous)} to {day(date)}: {first} → {second}."
