"""The charts of a market in words: what each shows, what it leaves out, and why it is not drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from include.report.model import Day, Listings
from include.report.page import words
from include.report.page.browser_data import histogram_limit, measured


@dataclass(frozen=True)
class Picture:
    """A chart: its kind, its heading, what a screen reader hears, what stands below. `empty`: why it is not drawn."""

    kind: str
    title: str
    label: str
    notes: list[str]
    empty: str = ""


def trends(name: str, days: Sequence[Day]) -> list[Picture]:
    """The pictures over time."""
    span = f"from {words.day(days[0]['date'])} to {words.day(days[-1]['date'])}" if len(days) > 1 else ""
    notes = ["Line: median. Band: the middle half of the prices.", "A hollow point: coverage not complete."]
    medians = [day["price"]["median"] for day in days if words.known(day["price"]["median"]) is not None]
    pictures = []
    for kind, title, values, write, lines, nothing in (
        ("price_trend", "Median price", medians, words.money, notes, "No day has a median price."),
        ("active_trend", "Active listings", [day["active"] for day in days], words.count, notes[1:], "No day."),
    ):
        label = f"{title} in {name}"
        if values and span:
            label += f" {span}: {write(values[0])} at first, {write(values[-1])} at last."
        elif values:
            label += f" on {words.day(days[-1]['date'])}: {write(values[-1])}, the only observed day."
        only = ["One observed day so far: a trend needs more."] if len(days) == 1 else []
        pictures.append(Picture(kind, title, label, [*lines, *only], "" if values else nothing))
    return pictures


def spreads(name: str, listings: Listings) -> list[Picture]:
    """The histograms, and what each of them leaves out."""
    odd = len(listings["zpid"]) - listings["odd"].count(None)
    kinds = words.odd_kinds(Counter(reason for reason in listings["odd"] if reason))
    kept = f"{words.counted(odd, 'listing is', 'listings are')} kept out: {kinds}." if odd else ""
    pictures = []
    for kind, title, column, lacking in (
        ("price_histogram", "Price", listings["price"], "no price"),
        ("price_sqft_histogram", "Price per square foot", listings["price_sqft"], "no living area"),
    ):
        values = measured(listings, column)
        limit = histogram_limit(values)
        far = sum(value > limit for value in values) if limit is not None else 0
        without = len(listings["zpid"]) - odd - len(values)
        notes = [kept] if kept else []
        if without:
            notes.append(f"{words.counted(without, 'listing has', 'listings have')} {lacking}.")
        if far:
            notes.append(f"{words.counted(far, 'listing', 'listings')} above {words.money(limit)} not drawn.")
        label = f"Histogram of {title.lower()} in {name}: {words.counted(len(values), 'listing', 'listings')}."
        empty = "" if values else f"No listing has a {title.lower()}. {kept}".rstrip()
        if values and min(values) == max(values):
            counted = words.counted(len(values), "listing", "listings")
            empty = f"{counted}, at {words.money(values[0])}: a spread needs different values."
        pictures.append(Picture(kind, title, label, notes, empty))
    return pictures


def map_picture(name: str, listings: Listings, drawn: Sequence[bool]) -> Picture:
    """The map, and what it leaves out or shows in grey."""
    shown = sum(drawn)
    without = sum(
        lat is None or lon is None for lat, lon in zip(listings["latitude"], listings["longitude"], strict=True)
    )
    far = len(drawn) - shown - without
    triples = zip(drawn, listings["price_sqft"], listings["odd"], strict=True)
    grey = sum(is_drawn and (value is None or odd is not None) for is_drawn, value, odd in triples)
    notes = ["Each point is a listing; north is up."]
    if grey:
        notes.append(f"Grey: {words.counted(grey, 'listing', 'listings')} without one, or kept out of the medians.")
    if without:
        notes.append(f"{words.counted(without, 'listing has', 'listings have')} no coordinates.")
    if far > 0:
        notes.append(f"{words.counted(far, 'listing lies', 'listings lie')} far outside and not drawn.")
    label = f"Map of {words.counted(shown, 'listing', 'listings')} in {name}, coloured by price per square foot."
    kind = "map" if shown > grey else "grey_map"
    empty = "" if shown else "No listing has coordinates: no map."
    return Picture(kind, "Price per square foot, by place", label, notes, empty)
