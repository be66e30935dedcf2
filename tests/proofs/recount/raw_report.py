"""The report recomputed from raw zillow56 pages with pandas: docs/marts.md read a second time, without the product.

Nothing here uses the transform, the warehouse or its SQL. Numbers are exact: Decimal and Fraction until the last step,
rounded half up (away from zero) to the decimals that the report has.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from functools import cache, cached_property
from typing import Any

import pandas as pd

from include.report.model import (
    Bargain,
    Coverage,
    Day,
    Funnel,
    Jump,
    Listings,
    Market,
    Measure,
    NewListing,
    PriceCut,
    Report,
    Zip,
)

LONGEST_TREND = 90
MOST_BARGAINS = 20
RENT_LIKE_BELOW = 10_000
JUMPS = {"active": Fraction(50, 100), "price_median": Fraction(25, 100)}


@dataclass(frozen=True, eq=False)
class RawSet:
    """What one extraction brought: `pages` as the API sent them, parsed, with the moment that each was served."""

    market: str
    name: str
    date: str
    extract_id: str
    observed_at: datetime
    pages: Sequence[Mapping[str, Any]] = field(repr=False)
    served_at: Sequence[datetime] = field(repr=False)
    source: str = "zillow56"

    @property
    def came_to_the_end(self) -> bool:
        """Whether the last page is empty, the twentieth (the last that is shown), or the last that it claims."""
        claimed = [page["totalPages"] for page in self.pages if page.get("totalPages") is not None]
        return not self.pages[-1]["results"] or len(self.pages) >= min([20, *claimed])


def report_of(sets: Iterable[RawSet], date: str, build_number: int = 1) -> Report:
    """The report of `date` after all of `sets` were loaded; see `Loaded.report`."""
    return Loaded(sets).report(date, build_number)


# What the contract asks of a row.


class Refused(ValueError):
    """The reason why a row is rejected."""


def _number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Refused("invalid")
    if isinstance(value, float) and not math.isfinite(value):
        raise Refused("invalid")
    text = value if isinstance(value, str) else repr(value)
    if not re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", text):
        raise Refused("invalid")
    return Decimal(text)


def _whole(value: Any) -> int:
    found = _number(value)
    if found != int(found) or not -(2**63) <= found < 2**63:
        raise Refused("invalid")
    return int(found)


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or "\0" in value:
        raise Refused("invalid")
    return value.strip() or None


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Refused("invalid")
    return value


def _word(value: Any) -> str | None:
    if not isinstance(value, str):
        raise Refused("invalid")
    return value or None


@dataclass(frozen=True)
class Rule:
    """A column: where it stands in a row, how it is read, and its least and greatest value, or its length in bytes."""

    name: str
    path: str
    read: Callable[[Any], Any]
    least: float | None = None
    most: float | None = None
    places: int = 0
    length: int | None = None
    required: bool = False


_MONEY = {"read": _number, "least": 0, "most": 10**9, "places": 2}
_ROOMS = {"read": _number, "least": 0, "most": 1000, "places": 1}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_2200 = 7_258_118_400_000  # in milliseconds
# In the contract's order, which says what a row with two faults is rejected for.
RULES = (
    Rule("zpid", "zpid", _whole, least=1, required=True),
    Rule("home_type", "homeType", _word),
    Rule("home_status", "homeStatus", _word),
    Rule("price", "price", required=True, **_MONEY),
    Rule("price_change", "priceChange", _number, -(10**9), 10**9, places=2),
    Rule("price_changed_at", "datePriceChanged", _whole, 0, _YEAR_2200),
    Rule("zestimate", "zestimate", **_MONEY),
    Rule("rent_zestimate", "rentZestimate", **_MONEY),
    Rule("tax_assessed_value", "taxAssessedValue", **_MONEY),
    Rule("bedrooms", "bedrooms", **_ROOMS),
    Rule("bathrooms", "bathrooms", **_ROOMS),
    Rule("living_area_sqft", "livingArea", _number, 0, 9_999_999_999, places=2),
    Rule("lot_area_sqft", "lotAreaValue", _number, 0, 10**9, places=2),
    Rule("lot_area_unit", "lotAreaUnit", _text, length=16),
    Rule("street_address", "streetAddress", _text, length=512),
    Rule("unit", "unit", _text, length=64),
    Rule("city", "city", _text, length=128),
    Rule("state", "state", _text, length=32),
    Rule("zipcode", "zipcode", _text, length=16),
    Rule("latitude", "latitude", _number, -90, 90, places=6),
    Rule("longitude", "longitude", _number, -180, 180, places=6),
    Rule("days_on_market", "timeOnZillow", _whole, 0, _YEAR_2200),
    Rule("days_on_market", "daysOnZillow", _whole, -1, 2**31 - 1),
    *(
        Rule(name, f"listing_sub_type.{sent}", _flag)
        for name, sent in (
            ("is_new_home", "is_newHome"),
            ("is_open_house", "is_openHouse"),
            ("is_foreclosure", "is_bankOwned"),
            ("is_auction", "is_forAuction"),
        )
    ),
    Rule("sold_at", "dateSold", _whole, -2_208_988_800_000, _YEAR_2200),  # from 1900 on
)
HOME_TYPES = frozenset(
    {"SINGLE_FAMILY", "MULTI_FAMILY", "TOWNHOUSE", "CONDO", "COOPERATIVE", "APARTMENT", "MANUFACTURED", "LOT"}
)
HOME_STATUSES = frozenset(
    {"FOR_SALE", "FOR_RENT", "PENDING", "COMING_SOON", "SOLD", "RECENTLY_SOLD", "FORECLOSURE", "FORECLOSED"}
    | {"PRE_FORECLOSURE", "OTHER"}
)


def listing_in(row: Any, served_at: datetime) -> dict[str, Any]:
    """The listing that a row says; Refused, with the reason to count by, where it breaks the contract."""
    if not isinstance(row, dict):
        raise Refused("row_invalid")
    typed = [(rule, _typed(row, rule)) for rule in RULES]
    kept = {rule.path: _within(rule, value) for rule, value in typed}
    if kept["lotAreaValue"] and kept["lotAreaUnit"] not in ("sqft", "acres"):
        raise Refused("lot_area_sqft_invalid")
    age, days = kept["timeOnZillow"], kept["daysOnZillow"]
    changed = kept["datePriceChanged"]
    listed_at = None if age is None else served_at - timedelta(milliseconds=age)
    if listed_at is not None and listed_at < _EPOCH:
        raise Refused("listed_at_out_of_range")
    found = {rule.name: kept[rule.path] for rule in RULES if rule.name != "days_on_market"}
    return found | {
        "home_type": _known(kept["homeType"], HOME_TYPES),
        "home_status": _known(kept["homeStatus"], HOME_STATUSES),
        # 0 is what nobody knows, but for the bathrooms of a plot.
        "bathrooms": kept["bathrooms"] if kept["homeType"] == "LOT" else kept["bathrooms"] or None,
        "living_area_sqft": kept["livingArea"] or None,
        "lot_area_sqft": kept["lotAreaValue"] or None,
        "price_changed_at": None if changed is None else _EPOCH + timedelta(milliseconds=changed),
        "days_on_market": age // 86_400_000 if age is not None else days if days != -1 else None,
        "listed_at": listed_at,
    }


def _typed(row: Mapping[str, Any], rule: Rule) -> Any:
    value: Any = row
    for part in rule.path.split("."):
        if not isinstance(value, dict | None):
            raise Refused(f"{rule.name}_invalid")
        value = value.get(part) if value else None
    try:
        return None if value is None else rule.read(value)
    except Refused as fault:
        raise Refused(f"{rule.name}_{fault}") from None


def _within(rule: Rule, value: Any) -> Any:
    if value is None:
        if rule.required:
            raise Refused(f"{rule.name}_missing")
        return None
    if rule.length is not None and len(value.encode()) > rule.length:
        raise Refused(f"{rule.name}_too_long")
    too_small = rule.least is not None and value < rule.least
    if too_small or (rule.most is not None and value > rule.most):
        raise Refused(f"{rule.name}_out_of_range")
    if isinstance(value, Decimal):
        return value.quantize(Decimal(1).scaleb(-rule.places), ROUND_HALF_EVEN)
    return value


def _known(word: str | None, vocabulary: frozenset[str]) -> str | None:
    return word if word is None or word in vocabulary else "OTHER"


# What a set holds.


@dataclass(frozen=True, eq=False)
class Read:
    """A set as it is counted: its listings, each zpid once, and the reasons and zpids of its rejected rows."""

    of: RawSet
    listings: pd.DataFrame = field(repr=False)
    rejects: pd.DataFrame = field(repr=False)
    on_pages: int
    duplicates: int

    @property
    def date(self) -> str:
        return self.of.date

    @cached_property
    def zpids(self) -> set[int]:
        """Those listed."""
        return set(self.listings["zpid"])

    @cached_property
    def sighted(self) -> set[int]:
        """Those listed or rejected."""
        return self.zpids | {int(each) for each in self.rejects["zpid"] if re.fullmatch(r"\d+", str(each))}

    @cached_property
    def measured(self) -> pd.DataFrame:
        return self.listings[self.listings["odd"].isna()]

    @cached_property
    def coverage(self) -> Coverage:
        nameless = sum(not re.fullmatch(r"\d+", str(each)) for each in self.rejects["zpid"])
        seen = len(self.sighted) + nameless
        claims = {
            name: [page[name] for page in self.of.pages if page.get(name) is not None]
            for name in ("totalResultCount", "totalPages")
        }
        claimed = max(claims["totalResultCount"], default=None)
        return {
            "seen": seen,
            "not_listings": 0,  # zillow56 sends no buildings
            "claimed": claimed,
            "share": None if claimed is None else rounded(Fraction(seen, claimed) if claimed else Fraction(1), 6),
            # A page that is parsed was readable.
            "is_complete": claimed is not None
            and seen >= claimed
            and seen > 0
            and not nameless
            and self.of.came_to_the_end,
            "pages_read": len(self.of.pages),
            "pages_claimed": max(claims["totalPages"], default=None),
        }

    @cached_property
    def funnel(self) -> Funnel:
        reasons = self.rejects["reason"].value_counts()
        return {
            "on_pages": self.on_pages,
            "clean": len(self.listings),
            "rejected": len(self.rejects),
            "duplicates": self.duplicates,
            "not_listings": 0,
            "unreadable": 0,
            "loaded": len(self.listings),
            "reasons": {str(reason): int(count) for reason, count in sorted(reasons.items())},
        }


LISTING_COLUMNS = (*dict.fromkeys(rule.name for rule in RULES), "listed_at")
FIGURE_COLUMNS = ("odd", "price_sqft", "rent_yield", "gap")


@cache
def read(raw: RawSet) -> Read:
    """The set, row by row."""
    listings: list[dict[str, Any]] = []
    rejects: list[dict[str, Any]] = []
    for page, served_at in zip(raw.pages, raw.served_at, strict=True):
        for row in page["results"]:
            try:
                listings.append(listing_in(row, served_at))
            except Refused as fault:
                rejects.append({"reason": str(fault), "zpid": row.get("zpid") if isinstance(row, dict) else None})
    # object: what is a Decimal, an int or None stays one.
    valid = pd.DataFrame(listings, columns=LISTING_COLUMNS, dtype=object)
    kept = valid.drop_duplicates("zpid", keep="last").reset_index(drop=True)
    figures = pd.DataFrame(
        [_figures(row) for row in kept.to_dict("records")], columns=FIGURE_COLUMNS, index=kept.index, dtype=object
    )
    return Read(
        of=raw,
        listings=pd.concat([kept, figures], axis=1),
        rejects=pd.DataFrame(rejects, columns=["reason", "zpid"], dtype=object),
        on_pages=sum(len(page["results"]) for page in raw.pages),
        duplicates=len(valid) - len(kept),
    )


def _figures(row: Mapping[str, Any]) -> dict[str, Any]:
    """What is computed of each listing before anything is counted."""
    price, area, rent, estimate = (
        None if row[name] is None else Fraction(row[name])
        for name in ("price", "living_area_sqft", "rent_zestimate", "zestimate")
    )
    assert price is not None
    return {
        "odd": _odd(row),
        "price_sqft": half_up(price / area, 4) if area else None,
        "rent_yield": half_up(12 * rent / price, 6) if rent and price else None,
        "gap": half_up(100 * (price - estimate) / estimate, 4) if estimate else None,
    }


def _odd(row: Mapping[str, Any]) -> str | None:
    if row["price"] == 0:
        return "price_zero"
    if rent_like(row, row["price"], row["home_status"]):
        return "rent_like_price"
    return "plot" if row["home_type"] == "LOT" else None


def rent_like(row: Mapping[str, Any], price: Decimal, status: str | None) -> bool:
    """Whether a price is a rent posted as a sale; a plot may cost as little."""
    return row["home_type"] != "LOT" and status == "FOR_SALE" and 0 < price < RENT_LIKE_BELOW


# Exact arithmetic.


def half_up(value: Fraction, places: int) -> Decimal:
    """Rounded to so many decimals, halves away from zero."""
    whole = math.floor(abs(value) * 10**places + Fraction(1, 2))
    return Decimal(whole if value >= 0 else -whole).scaleb(-places)


def rounded(value: Fraction | Decimal, places: int) -> float:
    """The same as the report has it."""
    return float(half_up(Fraction(value), places))


def quantile(values: Sequence[Decimal | int], share: Fraction) -> Fraction:
    """Linear interpolation between the two values about the place (n - 1) * share, as numpy's default."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return Fraction(ordered[below]) + (place - below) * (Fraction(ordered[above]) - Fraction(ordered[below]))


def measure(values: pd.Series[Any], places: int) -> Measure:
    """The quartiles of the values that are there."""
    there = list(values.dropna())
    if not there:
        return {"count": 0, "p25": None, "median": None, "p75": None}
    p25, median, p75 = (rounded(quantile(there, Fraction(quarter, 4)), places) for quarter in (1, 2, 3))
    return {"count": len(there), "p25": p25, "median": median, "p75": p75}


def cut_share(measured: pd.DataFrame) -> float | None:
    """Those whose last change of price was a cut, of all."""
    if measured.empty:
        return None
    cuts = sum(change < 0 for change in measured["price_change"].dropna())
    return rounded(Fraction(cuts, len(measured)), 6)


# Over all sets.


def _first_full(newest_first: list[RawSet]) -> RawSet:
    """The first that lacks at most a tenth of the listings of the fullest."""
    rows = {each.extract_id: len(read(each).listings) for each in newest_first}
    return next(each for each in newest_first if max(rows.values()) - rows[each.extract_id] <= max(rows.values()) / 10)


@dataclass(frozen=True)
class Loaded:
    """Everything that was loaded."""

    sets: Iterable[RawSet] = field(repr=False)
    held: list[RawSet] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        days: dict[tuple[str, str, str], list[RawSet]] = defaultdict(list)
        for each in sorted(self.sets, key=lambda each: (each.observed_at, each.extract_id), reverse=True):
            days[each.source, each.market, each.date].append(each)
        held = [_first_full(days[key]) for key in sorted(days)]
        object.__setattr__(self, "held", held)

    def report(self, date: str, build_number: int = 1) -> Report:
        """The report of `date`, everything having been loaded, also what is of later dates.

        `explanation` of a jump is empty: it is words, not a figure.
        """
        markets = [each.up_to(date) for each in self.markets if each.all_days[0].date <= date]
        return {"date": date, "build_number": build_number, "markets": markets}

    @cached_property
    def markets(self) -> list[OneMarket]:
        """In the order of source and market."""
        return [OneMarket(self, *key) for key in sorted({(each.source, each.market) for each in self.held})]

    @cached_property
    def cuts(self) -> pd.DataFrame:
        """Every price cut: the listing's row as its newest observation of the day has it, and the price before."""
        frames = [
            read(each).listings.assign(
                source=each.source,
                market=each.market,
                date=each.date,
                observed_at=each.observed_at,
                extract_id=each.extract_id,
            )
            for each in self.held
        ]
        seen = pd.concat([frame for frame in frames if len(frame)] or frames, ignore_index=True)
        seen = seen.sort_values(["observed_at", "extract_id", "market"], ascending=[False, False, True])
        daily = seen.drop_duplicates(["source", "zpid", "date"]).sort_values(["source", "zpid", "date"])
        before = daily.groupby(["source", "zpid"], sort=False)[["price", "home_status"]].shift(1)
        first = before["price"].isna()
        daily["known_by"] = ["stated" if each else "observed" for each in first]
        daily["before"] = [
            _stated_before(price, change) if is_first else earlier
            for price, change, is_first, earlier in zip(
                daily["price"], daily["price_change"], first, before["price"], strict=True
            )
        ]
        daily["status_before"] = before["home_status"].where(~first, daily["home_status"])
        return daily[pd.Series([_is_cut(row) for row in daily.to_dict("records")], daily.index, dtype=bool)]


def _stated_before(price: Decimal, change: Decimal | None) -> Decimal:
    return price if change is None else price - change


def _is_cut(row: Mapping[str, Any]) -> bool:
    before, after = row["before"], row["price"]
    if not 0 < after < before or (row["home_status"] == "FOR_RENT") != (row["status_before"] == "FOR_RENT"):
        return False
    return not (rent_like(row, after, row["home_status"]) or rent_like(row, before, row["status_before"]))


@dataclass(frozen=True)
class OneMarket:
    """One market over all its days."""

    loaded: Loaded
    source: str
    market: str

    @cached_property
    def all_days(self) -> list[Read]:
        found = [each for each in self.loaded.held if (each.source, each.market) == (self.source, self.market)]
        return [read(each) for each in found]

    @cached_property
    def sightings(self) -> pd.DataFrame:
        """Per zpid the first and the last day on which it was listed here."""
        pairs = [(zpid, day.date) for day in self.all_days for zpid in day.zpids]
        seen = pd.DataFrame(pairs, columns=["zpid", "date"])
        return seen.groupby("zpid")["date"].agg(["min", "max"])

    @cached_property
    def pairs(self) -> list[tuple[Read | None, Read]]:
        """Each day with the one observed before it."""
        return list(zip([None, *self.all_days], self.all_days, strict=False))

    @cached_property
    def told(self) -> list[Day]:
        """Each day in figures."""
        return [self.day(day, previous) for previous, day in self.pairs]

    @cached_property
    def jumps(self) -> dict[str, list[Jump]]:
        """The jumps of each date."""
        return {day.date: jumps(previous, day) if previous else [] for previous, day in self.pairs}

    def up_to(self, date: str) -> Market:
        """What a report of that date says of the market."""
        days = [day for day in self.all_days if day.date <= date]
        newest, before = days[-1], days[-2] if len(days) > 1 else None
        return {
            "source": self.source,
            "market": self.market,
            "name": newest.of.name,
            "days": self.told[: len(days)][-LONGEST_TREND:],
            "jumps": [jump for day in days[-LONGEST_TREND:] for jump in self.jumps[day.date]],
            "listings": listings(newest),
            "price_cuts": self.price_cuts(newest),
            "new_listings": self.new_listings(newest, before),
            "bargains": bargains(newest),
            "zips": zips(newest),
            "funnel": newest.funnel,
        }

    def day(self, day: Read, previous: Read | None) -> Day:
        measured, odd = day.measured, day.listings["odd"].value_counts()
        gaps = measured[measured["zestimate"].map(bool).astype(bool)]
        here = self.sightings.loc[list(day.zpids)]
        new, gone, back = self.moves(day, previous) or (None, None, None)
        return {
            "date": day.date,
            "previous_date": previous.date if previous else None,
            "active": len(day.listings),
            "measured": len(measured),
            "excluded_price_zero": int(odd.get("price_zero", 0)),
            "excluded_rent_like": int(odd.get("rent_like_price", 0)),
            "excluded_plot": int(odd.get("plot", 0)),
            "price": measure(measured["price"], 2),
            "price_sqft": measure(measured["price_sqft"], 2),
            "rent_yield": measure(measured["rent_yield"], 6),
            "days_on_market": measure(measured["days_on_market"], 2),
            "zestimate_gap": measure(measured["gap"], 2),
            "price_cut_share": cut_share(measured),
            "under_zestimate": int((gaps["price"] < gaps["zestimate"]).sum()),
            "over_zestimate": int((gaps["price"] > gaps["zestimate"]).sum()),
            "first_seen": int((here["min"] == day.date).sum()),
            "last_seen": int((here["max"] == day.date).sum()),
            "new": None if new is None else len(new),
            "gone": None if gone is None else len(gone),
            "back": None if back is None else len(back),
            "coverage": day.coverage,
        }

    def moves(self, day: Read, previous: Read | None) -> tuple[set[int], set[int], set[int]] | None:
        """The zpids that are new, gone and back; None where a day is not complete, or the first."""
        if previous is None or not (day.coverage["is_complete"] and previous.coverage["is_complete"]):
            return None
        appeared = day.zpids - previous.sighted
        ever = {zpid for each in self.all_days if each.date < day.date for zpid in each.zpids}
        return appeared - ever, previous.zpids - day.sighted, appeared & ever

    def price_cuts(self, day: Read) -> list[PriceCut]:
        cuts = self.loaded.cuts
        # Of all listings that the market shows, also those that another market showed later that day.
        here = cuts[(cuts["source"] == self.source) & (cuts["date"] == day.date) & cuts["zpid"].isin(day.zpids)]
        rows = [row for row in plain(here) if row["known_by"] == "observed" or lately(row["price_changed_at"], day)]
        found: list[PriceCut] = [
            {
                **_place(row),
                "before": float(row["before"]),
                "after": float(row["price"]),
                "percent": rounded(100 * Fraction(row["before"] - row["price"]) / Fraction(row["before"]), 2),
                "changed_at": iso(row["price_changed_at"]),
                "known_by": row["known_by"],
            }
            for row in rows
        ]
        return sorted(found, key=lambda each: (-each["percent"], each["zpid"]))

    def new_listings(self, day: Read, previous: Read | None) -> list[NewListing]:
        if moves := self.moves(day, previous):
            why = dict.fromkeys(moves[0], "new") | dict.fromkeys(moves[2], "back")
        elif previous:
            first = self.sightings.loc[list(day.zpids)]["min"]
            why = dict.fromkeys(first[first == day.date].index, "first_seen")
        else:
            why = {row["zpid"]: "listed" for row in plain(day.listings) if lately(row["listed_at"], day)}
        found: list[NewListing] = [
            {
                **_place(row),
                "bedrooms": _float(row["bedrooms"]),
                "bathrooms": _float(row["bathrooms"]),
                "living_area_sqft": _float(row["living_area_sqft"]),
                "price": float(row["price"]),
                "price_sqft": None if row["price_sqft"] is None else rounded(row["price_sqft"], 2),
                "listed_at": iso(row["listed_at"]),
                "why": why[row["zpid"]],
            }
            for row in plain(day.listings)
            if row["zpid"] in why
        ]
        return sorted(found, key=lambda each: (-each["price"], each["zpid"]))


def jumps(previous: Read, day: Read) -> list[Jump]:
    """What moved further from one day to the next than markets do."""
    found: list[Jump] = []
    for name, limit in JUMPS.items():
        before, after = (_jumping(name, each) for each in (previous, day))
        if before and after is not None and abs(after - before) / before > limit:
            found.append(
                {
                    "date": day.date,
                    "previous_date": previous.date,
                    "measure": name,
                    "before": float(before),
                    "after": float(after),
                    "change_share": rounded((after - before) / before, 6),
                    "explanation": "",
                }
            )
    return found


def _jumping(name: str, day: Read) -> Fraction | None:
    if name == "active":
        return Fraction(len(day.listings))
    prices = list(day.measured["price"])
    return Fraction(half_up(quantile(prices, Fraction(1, 2)), 2)) if prices else None


def listings(day: Read) -> Listings:
    rows = sorted(plain(day.listings), key=lambda row: row["zpid"])
    return {
        "zpid": [row["zpid"] for row in rows],
        "latitude": [_float(row["latitude"]) for row in rows],
        "longitude": [_float(row["longitude"]) for row in rows],
        "price": [float(row["price"]) for row in rows],
        "price_sqft": [None if row["price_sqft"] is None else rounded(row["price_sqft"], 2) for row in rows],
        "home_type": [row["home_type"] for row in rows],
        "odd": [row["odd"] for row in rows],
    }


def bargains(day: Read) -> list[Bargain]:
    percents = [(row, rounded(row["gap"], 2)) for row in plain(day.measured) if row["gap"] is not None]
    under = [(percent, row["zpid"], row) for row, percent in percents if percent < 0]
    return [
        {
            **_place(row),
            "price": float(row["price"]),
            "zestimate": float(row["zestimate"]),
            "percent": percent,
        }
        for percent, _, row in sorted(under, key=lambda each: each[:2])[:MOST_BARGAINS]
    ]


def zips(day: Read) -> list[Zip]:
    found: list[Zip] = []
    for zipcode, here in day.listings.groupby(day.listings["zipcode"].fillna("unknown")):
        measured = here[here["odd"].isna()]
        found.append(
            {
                "zipcode": str(zipcode),
                "active": len(here),
                "measured": len(measured),
                "price": measure(measured["price"], 2),
                "price_sqft": measure(measured["price_sqft"], 2),
                "rent_yield": measure(measured["rent_yield"], 6),
                "price_cut_share": cut_share(measured),
            }
        )
    return sorted(found, key=lambda each: (-each["active"], each["zipcode"]))


def lately(moment: datetime | None, day: Read) -> bool:
    """Whether it was on the day, or within the day before."""
    return moment is not None and moment >= datetime.fromisoformat(day.date).replace(tzinfo=UTC) - timedelta(days=1)


def iso(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows, with None where there is no value, whatever pandas made of it."""
    rows = frame.to_dict("records")
    return [{str(name): None if pd.isna(value) else value for name, value in row.items()} for row in rows]


def _place(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "zpid": row["zpid"],
        "address": row["street_address"],
        "city": row["city"],
        "zipcode": row["zipcode"],
        "home_type": row["home_type"],
    }


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
