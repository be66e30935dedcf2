"""What the browser gets of a market to draw charts and tables from: columns, as compact JSON that no text can end.

Text columns that repeat are packed as {"of": the distinct texts, "at": an index per row}.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from datetime import date as Date
from typing import Any

from include.report.model import Bargain, Day, Listings, Market, NewListing, PriceCut, Zip
from include.report.page import words

Columns = dict[str, Any]

LATITUDE_SPAN = 0.03  # degrees that a map shows at least: about 3 km
FAR = 4.0  # how many spans of the middle 90 % of listings beside it a place may lie
TICKS = 6
EPOCH = Date(1970, 1, 1).toordinal()


def safe_json(value: object) -> str:
    """JSON for a script element: no text in it ends the element, opens a comment or breaks a line."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def quantile(ordered: Sequence[float], part: float) -> float:
    """The part-quantile of sorted values, interpolated between neighbours."""
    place = part * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def number(value: float | None, digits: int = 2) -> float | int | None:
    """The value with so many digits, as an int where it is one; None where it is no finite number."""
    value = words.known(value)
    if value is None:
        return None
    rounded = round(value, digits)
    return int(rounded) if rounded == int(rounded) else rounded


def numbers(values: Iterable[float | None], digits: int = 2) -> list[float | int | None]:
    """A column of numbers."""
    return [number(value, digits) for value in values]


def packed(values: Sequence[str | None]) -> Any:
    """A column of texts, packed where they repeat."""
    places: dict[str | None, int] = {}
    at = [places.setdefault(value, len(places)) for value in values]
    return {"of": list(places), "at": at} if 2 * len(places) <= len(values) else list(values)


def days(observed: Sequence[Day]) -> Columns:
    """The observed days, a list per column."""
    return {
        "date": [day["date"] for day in observed],
        "active": [day["active"] for day in observed],
        "median": numbers(day["price"]["median"] for day in observed),
        "p25": numbers(day["price"]["p25"] for day in observed),
        "p75": numbers(day["price"]["p75"] for day in observed),
        "price_sqft": numbers(day["price_sqft"]["median"] for day in observed),
        "new": [day["new"] for day in observed],
        "gone": [day["gone"] for day in observed],
        "back": [day["back"] for day in observed],
        "seen": [day["coverage"]["seen"] for day in observed],
        "claimed": [day["coverage"]["claimed"] for day in observed],
        "share": numbers((day["coverage"]["share"] for day in observed), 4),
        "complete": [int(day["coverage"]["is_complete"]) for day in observed],
    }


def located(listings: Listings) -> list[bool]:
    """Which listings have a place that a map can show: within the globe, and not far outside of the others."""
    pairs = list(zip(listings["latitude"], listings["longitude"], strict=True))
    there = [_on_globe(latitude, longitude) for latitude, longitude in pairs]
    inside = [True] * len(pairs)
    for axis in (0, 1):
        values = sorted(float(pair[axis] or 0.0) for pair, is_there in zip(pairs, there, strict=True) if is_there)
        if not values:
            break
        low, high = quantile(values, 0.05), quantile(values, 0.95)
        reach = max(high - low, LATITUDE_SPAN) * FAR
        inside = [
            was and low - reach <= (pair[axis] or 0.0) <= high + reach for was, pair in zip(inside, pairs, strict=True)
        ]
    return [is_there and is_inside for is_there, is_inside in zip(there, inside, strict=True)]


def _on_globe(latitude: float | None, longitude: float | None) -> bool:
    latitude, longitude = words.known(latitude), words.known(longitude)
    return latitude is not None and longitude is not None and abs(latitude) < 90 and abs(longitude) <= 180


def histogram_limit(values: Iterable[float | None]) -> float | None:
    """Up to which value a histogram is drawn: the largest, or the 98th percentile where few lie far above it."""
    ordered = sorted(value for value in values if words.known(value) is not None and value is not None)
    if not ordered:
        return None
    usual = quantile(ordered, 0.98)
    return ordered[-1] if ordered[-1] <= 1.6 * usual else usual


def measured(listings: Listings, column: list[float] | list[float | None]) -> list[float]:
    """The finite values of the listings that are not odd."""
    pairs = zip(column, listings["odd"], strict=True)
    return [value for value, odd in pairs if odd is None and value is not None and math.isfinite(value)]


def map_params(listings: Listings, drawn: Sequence[bool]) -> dict[str, float]:
    """Middle and extent of the map, and the prices per square foot between which its colours lie."""
    latitudes = [lat for lat, is_drawn in zip(listings["latitude"], drawn, strict=True) if is_drawn and lat is not None]
    longitudes = [lon for lon, is_drawn in zip(listings["longitude"], drawn, strict=True) if is_drawn and lon is not None]  # noqa: E501 # fmt: skip
    if not latitudes:
        return {}
    middle = (min(latitudes) + max(latitudes)) / 2
    cosine = max(math.cos(math.radians(middle)), 0.01)
    colours = sorted(measured(listings, listings["price_sqft"])) or [0.0]
    low, high = quantile(colours, 0.05), quantile(colours, 0.95)
    if high - low < 1:
        low, high = low * 0.9 - 1, high * 1.1 + 1
    return {
        "latitude_mid": round(middle, 6),
        "longitude_mid": round((min(longitudes) + max(longitudes)) / 2, 6),
        "latitude_span": round(max(max(latitudes) - min(latitudes), LATITUDE_SPAN), 6),
        "longitude_span": round(max(max(longitudes) - min(longitudes), LATITUDE_SPAN / cosine), 6),
        "cosine": round(cosine, 6),
        "colour_low": round(low, 2),
        "colour_high": round(high, 2),
        "point_area": 90 if len(latitudes) < 50 else 44 if len(latitudes) < 2000 else 16,
    }


def listings_columns(listings: Listings, drawn: Sequence[bool]) -> Columns:
    """The listings of the newest day. `grey`: no price per square foot, or kept out of the medians."""
    odd = [int(reason is not None) for reason in listings["odd"]]
    per_foot = numbers(listings["price_sqft"], 1)
    return {
        "zpid": listings["zpid"],
        "latitude": numbers(listings["latitude"], 5),
        "longitude": numbers(listings["longitude"], 5),
        "price": numbers(listings["price"], 0),
        "price_sqft": per_foot,
        "home_type": packed([words.home_type(kind) for kind in listings["home_type"]]),
        "odd": odd,
        "drawn": [int(is_drawn) for is_drawn in drawn],
        "grey": [int(value is None or is_odd) for value, is_odd in zip(per_foot, odd, strict=True)],
    }


def _places(rows: Sequence[PriceCut] | Sequence[NewListing] | Sequence[Bargain]) -> Columns:
    return {
        "zpid": [row["zpid"] for row in rows],
        "address": [row["address"] for row in rows],
        "city": packed([row["city"] for row in rows]),
        "zipcode": packed([row["zipcode"] for row in rows]),
        "home_type": packed([words.home_type(row["home_type"]) for row in rows]),
    }


def price_cuts(rows: Sequence[PriceCut]) -> Columns:
    """The table of price cuts."""
    return _places(rows) | {
        "before": numbers((row["before"] for row in rows), 0),
        "after": numbers((row["after"] for row in rows), 0),
        "percent": numbers((-abs(row["percent"]) for row in rows), 2),
        "changed_at": packed([row["changed_at"] for row in rows]),
        "known_by": packed([words.KNOWN_BY.get(row["known_by"], row["known_by"]) for row in rows]),
    }


def new_listings(rows: Sequence[NewListing]) -> Columns:
    """The table of what appeared."""
    return _places(rows) | {
        "price": numbers((row["price"] for row in rows), 0),
        "price_sqft": numbers((row["price_sqft"] for row in rows), 1),
        "bedrooms": numbers(row["bedrooms"] for row in rows),
        "bathrooms": numbers(row["bathrooms"] for row in rows),
        "area": numbers((row["living_area_sqft"] for row in rows), 0),
        "listed_at": packed([row["listed_at"] for row in rows]),
        "why": packed([words.WHY.get(row["why"], row["why"]) for row in rows]),
    }


def bargains(rows: Sequence[Bargain]) -> Columns:
    """The table of what is priced below its zestimate."""
    return _places(rows) | {
        "price": numbers((row["price"] for row in rows), 0),
        "zestimate": numbers((row["zestimate"] for row in rows), 0),
        "percent": numbers((row["percent"] for row in rows), 2),
    }


def zips(rows: Sequence[Zip]) -> Columns:
    """The table of ZIP codes."""
    return {
        "zipcode": [row["zipcode"] for row in rows],
        "active": [row["active"] for row in rows],
        "measured": [row["measured"] for row in rows],
        "median": numbers((row["price"]["median"] for row in rows), 0),
        "price_sqft": numbers((row["price_sqft"]["median"] for row in rows), 1),
        "rent_yield": numbers((row["rent_yield"]["median"] for row in rows), 6),
        "price_cut_share": numbers((row["price_cut_share"] for row in rows), 4),
    }


def ticks(dates: Sequence[str]) -> dict[str, Any]:
    """The axis of a trend, in milliseconds since 1970, UTC: where it begins and ends, and at most six marks."""
    moments = [(Date.fromisoformat(date).toordinal() - EPOCH) * 86_400_000 for date in dates]
    step = max(1, math.ceil(len(moments) / TICKS))
    return {"first": moments[0], "last": moments[-1], "ticks": moments[::-step][::-1]} if moments else {}


def market_data(market: Market, drawn: Sequence[bool]) -> dict[str, Any]:
    """All that the browser draws of one market."""
    listings, newest = market["listings"], market["days"][-1] if market["days"] else None
    params: dict[str, Any] = {
        "point_size": 44 if len(market["days"]) <= 31 else 14,
        "price_limit": number(histogram_limit(measured(listings, listings["price"])), 0),
        "price_sqft_limit": number(histogram_limit(measured(listings, listings["price_sqft"])), 1),
        "price_median": number(newest["price"]["median"]) if newest else None,
        "price_sqft_median": number(newest["price_sqft"]["median"]) if newest else None,
    }
    return {
        "params": params | ticks([day["date"] for day in market["days"]]) | map_params(listings, drawn),
        "days": days(market["days"]),
        "jumps": {
            "date": [jump["date"] for jump in market["jumps"]],
            "measure": [jump["measure"] for jump in market["jumps"]],
            "change": numbers((jump["change_share"] for jump in market["jumps"]), 4),
        },
        "listings": listings_columns(listings, drawn),
        "price_cuts": price_cuts(market["price_cuts"]),
        "new_listings": new_listings(market["new_listings"]),
        "bargains": bargains(market["bargains"]),
        "zips": zips(market["zips"]),
    }
