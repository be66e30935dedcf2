"""What the page says of one market in words: made here, so that the template only arranges."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from include.report.model import Day, Funnel, Market, Measure
from include.report.page import words
from include.report.page.browser_data import located, market_data, safe_json
from include.report.page.pictures import Picture, map_picture, spreads, trends


@dataclass(frozen=True)
class Figure:
    """A figure of the newest day. `value` None: not known; `phrase` stands in its place."""

    label: str
    value: str | None
    detail: str = ""
    phrase: str = ""


@dataclass(frozen=True)
class Step:
    """A step of the pipeline's funnel."""

    label: str
    number: int
    width: float
    tone: str
    detail: str = ""


@dataclass(frozen=True)
class Row:
    """A market's line in the overview: each figure as text and as the value that it is sorted by."""

    active: tuple[str | None, float | None]
    median: tuple[str | None, float | None]
    change: tuple[str | None, float | None]
    price_sqft: tuple[str | None, float | None]
    rent_yield: tuple[str | None, float | None]
    moved: str
    moved_by: int | None
    seen: str
    share: float | None


@dataclass(frozen=True)
class MarketView:
    """All that the template shows of a market; `data` is the JSON from which the browser draws the rest."""

    anchor: str
    name: str
    source: str
    full_name: str
    stale: str
    as_of: str
    day: str
    has_days: bool
    complete: bool
    coverage: str
    coverage_short: str
    excluded: str
    row: Row
    figures: list[Figure]
    trends: list[Picture]
    spreads: list[Picture]
    map: Picture
    jumps: list[tuple[str, str]]
    rows: dict[str, int]
    appeared: str
    funnel: list[Step]
    funnel_fault: str
    data: Markup


def anchors(markets: Iterable[Market]) -> list[str]:
    """An id for each market's section, made of plain letters; the same in every report."""
    made: list[str] = []
    for market in markets:
        plain = re.sub(r"[^a-z0-9]+", "-", f"{market['source']}-{market['market']}".lower()).strip("-")
        anchor, number = f"market-{plain}", 2
        while anchor in made:
            anchor, number = f"market-{plain}-{number}", number + 1
        made.append(anchor)
    return made


def previous_of(days: Sequence[Day]) -> Day | None:
    """The newest day's previous observed day, if it is among the days."""
    wanted = days[-1]["previous_date"] if days else None
    return next((day for day in days if day["date"] == wanted), None)


def median_change(days: Sequence[Day]) -> float | None:
    """By how much the median price differs from the previous observed day's, as a share of it."""
    previous = previous_of(days)
    before = words.known(previous["price"]["median"]) if previous else None
    after = words.known(days[-1]["price"]["median"]) if days else None
    return after / before - 1 if before and after is not None else None


def _quartiles(measure: Measure, written: str | None, other: str | None) -> str:
    spread = f"middle half {written} to {other} · " if written and other else ""
    return f"{spread}{words.counted(measure['count'], 'listing', 'listings')}"


def _moved(days: Sequence[Day]) -> list[Figure]:
    newest, previous = days[-1], previous_of(days)
    why = words.why_not_compared(newest, previous)
    since = f"since {words.short_day(previous['date'])}" if previous else ""
    figures = []
    for label, value in (("New", newest["new"]), ("Gone", newest["gone"]), ("Back", newest["back"])):
        is_known = value is not None
        figures.append(Figure(label, words.count(value), since if is_known else "", "" if is_known else why))
    return figures


def figures(days: Sequence[Day]) -> list[Figure]:
    """The figures of the newest day."""
    newest, previous, change = days[-1], previous_of(days), words.share(median_change(days), signed=True)
    price, foot, rent = newest["price"], newest["price_sqft"], newest["rent_yield"]
    stay, gap = newest["days_on_market"], newest["zestimate_gap"]
    since = f"{change} since {words.short_day(previous['date'])} · " if change and previous else ""
    low_stay, high_stay = words.count(stay["p25"]), words.count(stay["p75"])
    against = f"{newest['under_zestimate']:,} below, {newest['over_zestimate']:,} above their zestimate"
    cuts = "of measured listings, whose last price change was a cut"
    return [
        Figure("Median price", words.money(price["median"]),
               since + _quartiles(price, words.money(price["p25"]), words.money(price["p75"]))),
        Figure("Price per sq ft", words.money(foot["median"]),
               _quartiles(foot, words.money(foot["p25"]), words.money(foot["p75"]))),
        Figure("Active listings", words.count(newest["active"]), f"{newest['measured']:,} measured"),
        Figure("Rent yield", words.share(rent["median"]),
               _quartiles(rent, words.share(rent["p25"]), words.share(rent["p75"]))),
        Figure("Days on market", words.count(stay["median"]), _quartiles(stay, low_stay, high_stay)),
        Figure("With a price cut", words.share(newest["price_cut_share"]), cuts),
        Figure("Price against zestimate", words.percent(gap["median"], signed=True), against),
        *_moved(days),
    ]  # fmt: skip


def funnel(counts: Funnel) -> tuple[list[Step], str]:
    """The steps of the funnel, and a sentence where they do not add up."""
    whole = max(counts["on_pages"], 1)
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in sorted(counts["reasons"].items(), key=_largest))
    steps = [
        ("On the pages", counts["on_pages"], "all", ""),
        ("Clean", counts["clean"], "good", ""),
        ("Rejected", counts["rejected"], "bad", reasons),
        ("Repeated", counts["duplicates"], "idle", "counted once"),
        ("Buildings", counts["not_listings"], "idle", "and groups of units: no listings"),
        ("Unreadable", counts["unreadable"], "bad", "on pages that could not be read"),
        ("Loaded", counts["loaded"], "good", "in the warehouse"),
    ]
    made = [Step(label, number, min(100 * number / whole, 100), tone, detail if number else "")
            for label, number, tone, detail in steps]  # fmt: skip
    together = sum(counts[part] for part in ("clean", "rejected", "duplicates", "not_listings", "unreadable"))
    faults = []
    if together != counts["on_pages"]:
        faults.append(f"The steps make {together:,} together, but {counts['on_pages']:,} were on the pages.")
    if counts["loaded"] != counts["clean"]:
        faults.append(f"{counts['loaded']:,} of {counts['clean']:,} clean listings are loaded.")
    return made, " ".join(faults)


def _largest(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def overview_row(days: Sequence[Day]) -> Row:
    """The market's line in the overview."""
    if not days:
        nothing = (None, None)
        return Row(nothing, nothing, nothing, nothing, nothing, "no observed day", None, "nothing seen", None)
    newest, change = days[-1], median_change(days)
    price, foot, rent = newest["price"]["median"], newest["price_sqft"]["median"], newest["rent_yield"]["median"]
    moved, moved_by = words.why_not_compared(newest, previous_of(days)), None
    if newest["new"] is not None and newest["gone"] is not None:
        moved, moved_by = f"{newest['new']:,} new, {newest['gone']:,} gone", newest["new"] + newest["gone"]
    return Row(
        (words.count(newest["active"]), newest["active"]),
        (words.money(price), words.known(price)),
        (words.share(change, signed=True), change),
        (words.money(foot), words.known(foot)),
        (words.share(rent), words.known(rent)),
        moved,
        moved_by,
        words.seen_of_claimed(newest["coverage"]),
        words.known(newest["coverage"]["share"]),
    )


def _stale(days: Sequence[Day], date: str) -> str:
    if not days:
        return "No day of this market has been observed."
    newest = days[-1]["date"]
    return f"Not observed on {words.day(date)}: all figures are of {words.day(newest)}." if newest < date else ""


def _appeared(days: Sequence[Day]) -> str:
    if days and days[-1]["previous_date"] is None:
        return "This is the market's first observed day: those that the API says were listed within a day."
    if days and days[-1]["new"] is not None:
        return "Listings that were not here on the previous observed day."
    return (
        "Seen here for the first time. As coverage of this day or the one before is not complete, they need not be new "
        "to the market."
    )


def market_view(market: Market, anchor: str, date: str, *, shared_name: bool) -> MarketView:
    """A market as the template shows it; where another market has the same name, the source tells them apart."""
    days, listings = market["days"], market["listings"]
    coverage = days[-1]["coverage"] if days else None
    drawn = located(listings)
    name = f"{market['name']} ({market['source']})" if shared_name else market["name"]
    steps, fault = funnel(market["funnel"])
    jumps = [(words.jump(jump["measure"], jump["date"], jump["previous_date"], jump["before"], jump["after"],
                         jump["change_share"]), jump["explanation"]) for jump in market["jumps"]]  # fmt: skip
    return MarketView(
        anchor=anchor,
        name=market["name"],
        source=market["source"],
        full_name=name,
        stale=_stale(days, date),
        as_of=f"as of {words.short_day(days[-1]['date'])}" if days else "never observed",
        day=words.day(days[-1]["date"]) if days else "",
        has_days=bool(days),
        complete=bool(coverage and coverage["is_complete"]),
        coverage=words.coverage_sentence(coverage) if coverage else "",
        coverage_short=words.seen_in_short(coverage) if coverage else "nothing seen",
        excluded=words.excluded(days[-1]) if days else "",
        row=overview_row(days),
        figures=figures(days) if days else [],
        trends=trends(name, days) if days else [],
        spreads=spreads(name, listings),
        map=map_picture(name, listings, drawn),
        jumps=jumps,
        rows={
            "price_cuts": len(market["price_cuts"]),
            "new_listings": len(market["new_listings"]),
            "bargains": len(market["bargains"]),
            "zips": len(market["zips"]),
            "days": len(days),
        },
        appeared=_appeared(days),
        funnel=steps,
        funnel_fault=fault,
        data=Markup(safe_json(market_data(market, drawn))),  # noqa: S704 - made safe
    )
