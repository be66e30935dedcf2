"""Made-up market reports: realistic ones of any size, and the odd ones that a page must bear.

The figures of a market's newest day are computed from its listings, so that what the page counts agrees with them.
"""

from __future__ import annotations

import random
import statistics
from collections import Counter
from collections.abc import Sequence
from datetime import date as Date
from datetime import timedelta
from typing import Any

from include.report.model import Coverage, Day, Funnel, Listings, Market, Measure, Report, Zip

DATE = "2026-11-22"
GENERATED_AT = "2026-11-22T06:12:03+00:00"
HOME_TYPES = ["SINGLE_FAMILY", "CONDO", "TOWNHOUSE", "MULTI_FAMILY"]
STREETS = ["Westheimer Rd", "Bissonnet St", "Heights Blvd", "Memorial Dr", "Yale St", "Montrose Blvd", "Almeda Rd"]
PLACES = {
    "houston-tx": ("houston, tx", 29.76, -95.37, 330_000.0),
    "austin-tx": ("austin, tx", 30.27, -97.74, 540_000.0),
    "marfa-tx": ("marfa, tx", 30.31, -104.02, 300_000.0),
}
NOTHING: Measure = {"count": 0, "p25": None, "median": None, "p75": None}


def measure(values: Sequence[float], digits: int = 2) -> Measure:
    """Exact quartiles of the values, interpolated between neighbours."""
    if not values:
        return {**NOTHING}
    p25, median, p75 = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return {"count": len(values), "p25": round(p25, digits), "median": round(median, digits), "p75": round(p75, digits)}


def coverage(seen: int, claimed: int | None) -> Coverage:
    """Complete when all that the API claimed was seen."""
    return {
        "seen": seen,
        "not_listings": 0,
        "claimed": claimed,
        "share": seen / claimed if claimed else None,
        "is_complete": claimed is not None and seen >= claimed,
        "pages_read": max(1, -(-seen // 41)),
        "pages_claimed": None if claimed is None else max(1, -(-claimed // 41)),
    }


def listings(rng: random.Random, number: int, place: str) -> Listings:
    """So many listings around a place, a few of them odd."""
    _, latitude, longitude, typical = PLACES.get(place, PLACES["houston-tx"])
    made: Listings = {
        "zpid": [], "latitude": [], "longitude": [], "price": [], "price_sqft": [], "home_type": [], "odd": [],
    }  # fmt: skip
    for index in range(number):
        odd = rng.choices([None, "price_zero", "rent_like_price", "plot"], [95, 1, 1, 3])[0] if index else None
        east, north = rng.gauss(0, 0.11), rng.gauss(0, 0.09)
        price = {"price_zero": 0.0, "rent_like_price": 1850.0}.get(
            odd or "", round(typical * rng.lognormvariate(0.05, 0.5) * (1.3 if east < 0 else 0.9), -2)
        )
        area = typical / 190 * rng.lognormvariate(0, 0.25)
        made["zpid"].append(20_000_000 + rng.randrange(80_000_000))
        made["latitude"].append(None if rng.random() < 0.02 else round(latitude + north, 6))
        made["longitude"].append(None if made["latitude"][-1] is None else round(longitude + east, 6))
        made["price"].append(price)
        made["price_sqft"].append(None if odd or rng.random() < 0.06 else round(price / area, 4))
        made["home_type"].append("LOT" if odd == "plot" else rng.choice(HOME_TYPES))
        made["odd"].append(odd)
    return made


def day(date: str, previous: str | None, rows: Listings, covered: Coverage, *, drift: float = 1.0) -> Day:
    """A day of a market; `drift` moves prices against those of the listings."""
    odd = Counter(rows["odd"])
    kept = [index for index, reason in enumerate(rows["odd"]) if reason is None]
    prices = [rows["price"][index] * drift for index in kept]
    per_foot = [value * drift for index in kept if (value := rows["price_sqft"][index]) is not None]
    measured = len(kept)
    return {
        "date": date, "previous_date": previous, "active": len(rows["zpid"]), "measured": measured,
        "excluded_price_zero": odd["price_zero"], "excluded_rent_like": odd["rent_like_price"],
        "excluded_plot": odd["plot"],
        "price": measure(prices), "price_sqft": measure(per_foot, 4),
        "rent_yield": measure([0.052 + 0.0001 * (index % 200) for index in range(measured)], 6),
        "days_on_market": measure([float(index * 7 % 120) for index in range(measured)]),
        "zestimate_gap": measure([(index * 13 % 200) / 10 - 9 for index in range(measured)], 4),
        "price_cut_share": 0.183 if measured else None,
        "under_zestimate": measured // 2, "over_zestimate": measured - measured // 2,
        "first_seen": len(rows["zpid"]) // 20, "last_seen": len(rows["zpid"]) // 25,
        "new": None, "gone": None, "back": None, "coverage": covered,
    }  # fmt: skip


def dates(number: int, last: str = DATE) -> list[str]:
    """So many days in a row, the last of them given."""
    return [(Date.fromisoformat(last) - timedelta(days=back)).isoformat() for back in reversed(range(number))]


def funnel(loaded: int, reasons: dict[str, int] | None = None, duplicates: int = 1) -> Funnel:
    """A funnel that adds up."""
    reasons = {"price_invalid": 3, "price_missing": 1} if reasons is None else reasons
    rejected = sum(reasons.values())
    return {
        "on_pages": loaded + rejected + duplicates, "clean": loaded, "rejected": rejected, "duplicates": duplicates,
        "not_listings": 0, "unreadable": 0, "loaded": loaded, "reasons": reasons,
    }  # fmt: skip


def _address(rng: random.Random) -> dict[str, Any]:
    return {
        "zpid": 20_000_000 + rng.randrange(80_000_000),
        "address": f"{rng.randrange(100, 9900)} {rng.choice(STREETS)}",
        "city": "Houston",
        "zipcode": f"770{rng.randrange(2, 40):02d}",
        "home_type": rng.choice(HOME_TYPES),
    }


def tables(rng: random.Random, number: int, *, complete: bool) -> dict[str, Any]:
    """Rows for the tables of a market with so many listings."""
    cuts, new, bargains = [], [], []
    for index in range(number // 24):
        before = round(rng.lognormvariate(12.8, 0.4), -2)
        part = rng.uniform(0.6, 12)
        cuts.append(_address(rng) | {
            "before": before, "after": round(before * (1 - part / 100), -2), "percent": round(part, 2),
            "changed_at": "2026-11-21T15:00:00Z", "known_by": "observed" if index % 3 else "stated"})  # fmt: skip
    for index in range(number // 20):
        price = round(rng.lognormvariate(12.8, 0.4), -2)
        new.append(_address(rng) | {
            "bedrooms": float(rng.randrange(1, 6)), "bathrooms": rng.choice([1.0, 2.0, 2.5, 3.0]),
            "living_area_sqft": float(rng.randrange(700, 3800)), "price": price,
            "price_sqft": round(price / 1900, 4) if index % 9 else None, "listed_at": "2026-11-21T09:30:00Z",
            "why": ("new" if index % 6 else "back") if complete else "first_seen"})  # fmt: skip
    for _ in range(number // 8):
        zestimate = round(rng.lognormvariate(12.8, 0.4), -2)
        part = rng.uniform(0.2, 14)
        bargains.append(_address(rng) | {
            "price": round(zestimate * (1 - part / 100), -2), "zestimate": zestimate,
            "percent": round(-part, 2)})  # fmt: skip
    return {"price_cuts": cuts, "new_listings": new, "bargains": bargains, "zips": zips(rng, number)}


def zips(rng: random.Random, number: int) -> list[Zip]:
    """ZIP codes, the last of them unknown."""
    codes = [f"770{code:02d}" for code in range(2, 2 + min(number // 20, 30))] + ["unknown"]
    made: list[Zip] = []
    for code in codes if number else []:
        active = max(1, number // len(codes))
        price = rng.lognormvariate(12.8, 0.3)
        made.append({
            "zipcode": code, "active": active, "measured": active - 1,
            "price": measure([price * 0.8, price, price * 1.3]), "price_sqft": measure([150.0, price / 1800, 320.0]),
            "rent_yield": measure([0.05, 0.06, 0.07], 6), "price_cut_share": round(rng.random() * 0.4, 4)})  # fmt: skip
    return made


def market(place: str = "houston-tx", number: int = 412, observed: int = 14, *, claimed: int | None = None,
           seed: int = 1, last: str = DATE) -> Market:  # fmt: skip
    """A market with so many listings, all that the API claimed unless `claimed` is more."""
    rng = random.Random(f"{place}{seed}")
    rows = listings(rng, number, place)
    covered = coverage(number + 4 if claimed is None else number, number + 4 if claimed is None else claimed)
    complete = covered["is_complete"]
    days: list[Day] = []
    previous = None
    steps = [rng.gauss(0.001, 0.006) for _ in range(observed)]
    for index, date in enumerate(dates(observed, last)):
        one = day(date, previous, rows, covered, drift=1 - sum(steps[index + 1 :]))
        if index < observed - 1:
            one["active"] = max(0, number - round(number * sum(steps[index + 1 :]) * 2))
            one["measured"] = max(0, one["active"] - (number - one["measured"]))
        if complete and previous:
            one["new"], one["gone"], one["back"] = rng.randrange(4, 20), rng.randrange(4, 20), rng.randrange(0, 3)
        days.append(one)
        previous = date
    name = PLACES[place][0] if place in PLACES else place.replace("-", " ")
    made: Market = {
        "source": "zillow56", "market": place, "name": name, "days": days, "jumps": [], "listings": rows,
        "funnel": funnel(number), **tables(rng, number, complete=complete),
    }  # type: ignore[typeddict-item]  # fmt: skip
    return made


def with_jump(made: Market, explanation: str) -> Market:
    """The market with its median price a third higher from its tenth day on."""
    days = made["days"]
    place = min(9, len(days) - 1)
    for one in days[:place]:
        for part in ("p25", "median", "p75"):
            one["price"][part] = round((one["price"][part] or 0.0) / 1.33, 2)  # type: ignore[literal-required]
    before, after = days[place - 1]["price"]["median"] or 0.0, days[place]["price"]["median"] or 0.0
    made["jumps"] = [{
        "date": days[place]["date"], "previous_date": days[place - 1]["date"], "measure": "price_median",
        "before": before, "after": after, "change_share": after / before - 1, "explanation": explanation}]  # fmt: skip
    return made


def empty_market(place: str = "marfa-tx") -> Market:
    """A market in which nothing was for sale, on its only day."""
    made = market(place, 0, 1)
    made["days"][0]["coverage"] = coverage(0, 0) | {"is_complete": True}  # type: ignore[assignment]
    made["funnel"] = funnel(0, {}, 0)
    return made


def unpriced_market(place: str = "dime-box-tx", number: int = 5) -> Market:
    """A market all of whose listings have the price 0: no measure has a value."""
    made = market(place, number, 2)
    made["listings"]["price"] = [0.0] * number
    made["listings"]["price_sqft"] = [None] * number
    made["listings"]["odd"] = ["price_zero"] * number
    made["days"] = [day(one["date"], one["previous_date"], made["listings"], one["coverage"]) for one in made["days"]]
    return made


def report(*markets: Market, date: str = DATE) -> Report:
    """A report of the markets."""
    return {"date": date, "build_number": 17, "markets": list(markets)}


def realistic_report(observed: int = 14) -> Report:
    """Three markets: one seen whole, one of which 6 % was seen and whose median jumped, one empty."""
    explanation = "820 of 13,012 listings were seen: another part of the market may have been shown."
    return report(
        market("austin-tx", 812, observed),
        with_jump(market("houston-tx", 820, observed, claimed=13_012), explanation),
        empty_market(),
    )


def odd_report() -> Report:
    """Every oddity that a page must bear, a market each."""
    hostile = market("hostile", 30, 3)
    hostile["name"] = "\"quoted\" <script>alert('x')</script> & 🏡 \u2028 </script><!-- שלום"
    hostile["funnel"] = funnel(30, {"</script><b>reason</b>": 2, "of any text, \"'": 1})
    hostile["price_cuts"] = hostile["price_cuts"] or tables(random.Random(3), 60, complete=True)["price_cuts"]
    hostile["price_cuts"][0]["address"] = "</script><img src=x onerror=alert(1)>"
    with_jump(hostile, "<i>any</i> explanation")
    long = market("long", 30, 3, claimed=None)
    long["name"] = "llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch" * 4
    stale = market("stale-tx", 40, 5, last="2026-11-20")
    stale["name"] = "Stale, TX"
    twin = market("austin-tx", 50, 2)
    twin["source"] = "zillow-com4"
    unknown = market("no-claim-tx", 60, 4)
    for one in unknown["days"]:
        one["coverage"] = coverage(60, None)
        one["new"] = one["gone"] = one["back"] = None
    never = market("never-tx", 0, 1)
    never["days"] = []
    return report(
        hostile, market("one-tx", 1, 1), unpriced_market(), stale, empty_market(), long, twin, unknown, never,
        market("austin-tx", 70, 90),
    )  # fmt: skip


def big_report(markets: int = 100, observed: int = 90, number: int = 550) -> Report:
    """Many markets, as large as a report is meant to become."""
    return report(*(market(f"market-{index}-tx", number, observed, seed=index) for index in range(markets)))
