"""Every figure of the report, recomputed from what the API sent, is what the marts say: equal to the cent.

Six dates of the simulated market, with what goes wrong in life: a date without one of the markets, one that is loaded
late, a market of which one page came, a second extraction of a date, a house in two markets at two prices, claims that
change from page to page.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

from include.report import marts, reading
from include.report.model import Report
from include.warehouse.migrations import migrate
from include.warehouse.sql_files import Connection
from tests.proofs.recount.raw_report import Loaded, RawSet
from tests.proofs.recount.simulated_days import Extraction, Pages, land, load_days
from tests.support.staged_sets import drop_all
from tests.support.warehouse_fixture import Warehouse

HOUSTON, WACO, BRYAN, EMPTY = "houston, tx", "waco, tx", "bryan, tx", "lost springs, wy"
DATES = tuple(f"2026-11-{day}" for day in range(17, 23))
# In the order of loading: the 20th comes late.
DAYS = (17, 18, 19, 21, 20, 22)
TIMEOUT = 600


def at(day: int, hour: int = 6, minute: int = 0) -> datetime:
    """A moment in November 2026."""
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def priced(factor: float) -> Callable[[Pages], None]:
    """All prices times `factor`."""

    def alter(pages: Pages) -> None:
        for row in _rows(pages):
            if isinstance(row.get("price"), float):
                row["price"] *= factor

    return alter


def claiming(total: int) -> Callable[[Pages], None]:
    """Every page says that so many more listings exist than there are."""

    def alter(pages: Pages) -> None:
        for page in pages:
            page["totalResultCount"] += total

    return alter


def strange(pages: Pages) -> None:
    """Values on the edges of the rules, each in a row of its own; rows that are none; rows that come twice."""
    rows = _rows(pages)
    edges: list[dict[str, Any]] = [
        {"price": 0.0},
        {"price": 0.004},
        {"price": 9_999.99},
        {"price": 9_999.995},
        {"price": 10_000.0},
        {"price": 5_000.0, "homeStatus": "PENDING"},
        {"price": 123_456.785, "livingArea": 1_000.0, "priceChange": -0.01},
        {"price": 1e9},
        {"price": 1e9 + 1},
        {"price": -1.0},
        {"price": "250000"},
        {"price": None},
        {"price": True},
        {"livingArea": 0.0},
        {"livingArea": 0.004},
        {"zestimate": 0},
        {"zestimate": 0.01, "price": 300_000.0},
        {"rentZestimate": 0},
        {"homeType": "CASTLE"},
        {"homeType": "LOT", "price": 0.0},
        {"homeType": "LOT", "price": 9_000.0},
        {"homeType": None},
        {"homeStatus": None, "price": 900.0},
        {"zipcode": ""},
        {"zipcode": None},
        {"zipcode": "02118"},
        {"zipcode": 77002},
        {"timeOnZillow": None, "daysOnZillow": 5},
        {"timeOnZillow": None, "daysOnZillow": 0},
        {"timeOnZillow": None, "daysOnZillow": -2},
        {"timeOnZillow": 86_399_999},
        {"timeOnZillow": -1},
        {"bedrooms": 2.25, "bathrooms": 2.35},
        {"bedrooms": "--", "zpid": "abc"},
        {"zpid": 0},
        {"zpid": None},
        {"latitude": 91.0},
        {"latitude": 29.1234565, "longitude": None},
        {"listing_sub_type": 5},
        {"streetAddress": "x" * 513},
        {"streetAddress": "9 Peña Plan, Grand “West”", "city": " "},
    ]
    for row, edge in zip(rows[5:], edges, strict=False):
        row |= edge
    pages[2]["results"][1] = None
    pages[2]["results"][2] = "listing"
    # Twice, at two prices and a page apart; and twice with a price only the first time.
    pages[3]["results"][0] = pages[2]["results"][10] | {"price": 111_111.0}
    pages[3]["results"][1] = {name: value for name, value in pages[2]["results"][11].items() if name != "price"}


def hiding(pages: Pages) -> None:
    """Three listings are not on the market this day, and one comes without its price."""
    del pages[1]["results"][:3]
    pages[1]["results"][4]["price"] = "--"
    for page in pages:
        page["totalResultCount"] -= 3


def shared_cut(share: float) -> Callable[[Pages], None]:
    """The price of every house that stands in several markets falls by this share."""

    def alter(pages: Pages) -> None:
        for row in _rows(pages):
            if row["zpid"] in shared() and isinstance(row.get("price"), float):
                row["price"] = round(row["price"] * (1 - share), 2)

    return alter


def _rows(pages: Pages) -> list[dict[str, Any]]:
    return [row for page in pages for row in page["results"]]


@cache
def shared() -> frozenset[int]:
    """zpids that stand in Waco and in Bryan."""
    seen = [
        {int(row["zpid"]) for row in _rows(list(land(Extraction(each, at(22))).raw.pages))} for each in (WACO, BRYAN)
    ]
    return frozenset(seen[0] & seen[1])


def extractions(day: int) -> list[Extraction]:
    """What is extracted for a date. Who is seen first changes; on the 18th all are at the same instant."""
    match day:
        case 17:
            return [
                Extraction(HOUSTON, at(17, minute=2)),
                Extraction(WACO, at(17, minute=1)),
                Extraction(BRYAN, at(17)),
                Extraction(EMPTY, at(17)),
            ]
        case 18:
            return [Extraction(each, at(18)) for each in (HOUSTON, WACO, BRYAN)]
        case 19:
            return [Extraction(HOUSTON, at(19), altered=(strange,)), Extraction(BRYAN, at(19))]
        case 20:
            return [
                Extraction(HOUSTON, at(20)),
                Extraction(WACO, at(20, minute=1), altered=(hiding, shared_cut(0.1))),
                Extraction(BRYAN, at(20), page_limit=1),
            ]
        case 21:
            return [
                Extraction(HOUSTON, at(21)),
                Extraction(WACO, at(21, hour=5), page_limit=3, altered=(priced(0.5),)),
                Extraction(WACO, at(21), altered=(claiming(-2),)),
                Extraction(BRYAN, at(21, minute=1), altered=(priced(1.5),)),
            ]
        case _:
            return [
                Extraction(HOUSTON, at(22), altered=(claiming(-700),)),
                Extraction(WACO, at(22, minute=1), altered=(shared_cut(0.07),)),
                Extraction(BRYAN, at(22), altered=(shared_cut(0.03),)),
                Extraction(EMPTY, at(22)),
            ]


@dataclass(frozen=True)
class Step:
    """The reports of the dates so far after a build, and what had been loaded by then."""

    name: str
    sets: tuple[RawSet, ...] = field(repr=False)
    reports: tuple[Report, ...] = field(repr=False)


class Steps:
    """A load and a build for each date, then a full build: each done when it is first looked at."""

    def __init__(self, warehouse: Warehouse, connection: Connection) -> None:
        self._warehouse, self._connection = warehouse, connection
        self._sets: list[RawSet] = []
        self._taken: list[Step] = []

    def __len__(self) -> int:
        return len(DAYS) + 1

    def until(self, number: int) -> list[Step]:
        """The first `number` steps."""
        while len(self._taken) < number:
            self._take(len(self._taken))
        return self._taken[:number]

    def _take(self, number: int) -> None:
        if number < len(DAYS):
            day = DAYS[number]
            self._sets += load_days(self._warehouse, self._connection, f"day{day}", *extractions(day))
            marts.build(self._connection, run_id=f"test__{day}")
        else:
            marts.build(self._connection, run_id="test__full", full=True)
        name = f"after the {DAYS[number]}th" if number < len(DAYS) else "after a full build"
        reports = [reading.read(self._connection, date) for date in sorted({each.date for each in self._sets})]
        self._taken.append(Step(name, tuple(self._sets), tuple(reports)))


@pytest.fixture(scope="module")
def steps(warehouse: Warehouse) -> Iterator[Steps]:
    """The steps of a warehouse in which nothing is yet."""
    with closing(warehouse.driver()) as connection:
        drop_all(connection)
        migrate(connection)
        yield Steps(warehouse, connection)
        connection.rollback()
        drop_all(connection)


@pytest.mark.timeout(TIMEOUT)
@pytest.mark.parametrize("number", [pytest.param(1, marks=pytest.mark.sample), *range(2, len(DAYS) + 2)])
def test_the_report_says_what_the_pages_say(steps: Steps, number: int) -> None:
    """Each report of each date, after each build, is the one recomputed from the raw pages loaded by then."""
    *_, seen = steps.until(number)
    loaded = Loaded(seen.sets)
    found = [
        f"{seen.name}, report of {actual['date']}: {line}"
        for actual in seen.reports
        for line in differences(loaded.report(actual["date"], actual["build_number"]), actual)
    ]
    assert not found, f"{len(found)} figures differ\n" + "\n".join(found[:60])


@pytest.mark.timeout(TIMEOUT)
def test_a_build_in_steps_and_a_full_one_say_the_same(steps: Steps) -> None:
    """Rebuilding everything changes no figure; only the number of the build."""
    *_, stepwise, full = steps.until(len(steps))
    numbers = {report["build_number"] for report in full.reports}
    assert numbers == {stepwise.reports[0]["build_number"] + 1}
    for before, after in zip(stepwise.reports, full.reports, strict=True):
        assert [] == differences(before, {**after, "build_number": before["build_number"]})


@pytest.mark.timeout(TIMEOUT)
def test_the_days_hold_what_there_is_to_get_wrong(steps: Steps) -> None:
    """The pages have every kind of thing that a figure counts, so that none is right because it is nothing."""
    loaded = Loaded(steps.until(len(steps))[-1].sets)
    reports = [loaded.report(date) for date in DATES]
    markets = [market for report in reports for market in report["markets"]]
    days = [day for market in markets for day in market["days"]]
    assert {"observed", "stated"} == {cut["known_by"] for market in markets for cut in market["price_cuts"]}
    assert {"new", "back", "first_seen", "listed"} == {new["why"] for each in markets for new in each["new_listings"]}
    assert {"price_median", "active"} == {jump["measure"] for market in markets for jump in market["jumps"]}
    assert {"price_zero", "rent_like_price", "plot", None} == {
        odd for each in markets for odd in each["listings"]["odd"]
    }
    assert {True, False} == {day["coverage"]["is_complete"] for day in days}
    for name in ("new", "gone", "back"):
        assert any(day[name] for day in days), name
        assert any(day[name] is None for day in days), name
    assert any((day["coverage"]["share"] or 0) > 1 for day in days)
    assert any(day["active"] == 0 for day in days)
    assert any(market["funnel"]["duplicates"] for market in markets)
    assert len({reason for market in markets for reason in market["funnel"]["reasons"]}) > 8
    assert any(each["zipcode"] == "unknown" for market in markets for each in market["zips"])
    assert len(shared()) > 2


@pytest.mark.sample
def test_a_figure_that_differs_is_named() -> None:
    """A cent more in one median, a listing less, another order: each is named with both values."""
    expected: dict[str, Any] = {"markets": [{"market": "waco-tx", "cuts": [{"zpid": 1}, {"zpid": 2, "after": 5.01}]}]}
    actual = copy.deepcopy(expected)
    assert [] == differences(expected, actual)
    actual["markets"][0]["cuts"][1]["after"] = 5.02
    assert ["markets[waco-tx].cuts[2].after: expected 5.01, actual 5.02"] == differences(expected, actual)
    actual["markets"][0]["cuts"] = [{"zpid": 2, "after": 5.01}]
    assert ["markets[waco-tx].cuts: expected also [1], actual also []"] == differences(expected, actual)
    actual["markets"][0]["cuts"] = expected["markets"][0]["cuts"][::-1]
    assert ["markets[waco-tx].cuts: expected order [1, 2], actual order [2, 1]"] == differences(expected, actual)


# Comparison.

_NAMES = (("source", "market"), ("date", "measure"), ("date",), ("zpid",), ("zipcode",))


def differences(expected: Any, actual: Any, path: str = "") -> list[str]:
    """Each place where two reports differ, with both values. `explanation` need only be there: it is words."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return _of_dicts(expected, actual, path)
    if isinstance(expected, list) and isinstance(actual, list):
        return _of_lists(expected, actual, path)
    if path.endswith(".explanation") and isinstance(actual, str) and actual:
        return []
    same = expected == actual and isinstance(expected, bool) == isinstance(actual, bool)
    return [] if same else [f"{path}: expected {expected!r}, actual {actual!r}"]


def _of_dicts(expected: dict[str, Any], actual: dict[str, Any], path: str) -> list[str]:
    found = [
        f"{path}.{name}".lstrip(".") + f": {'missing' if name in expected else 'unexpected'}"
        for name in sorted(set(expected) ^ set(actual))
    ]
    for name, value in expected.items():
        if name in actual:
            found += differences(value, actual[name], f"{path}.{name}".lstrip("."))
    return found


def _of_lists(expected: list[Any], actual: list[Any], path: str) -> list[str]:
    names = [[_name(each, place) for place, each in enumerate(some)] for some in (expected, actual)]
    missing, more = ([each for each in names[one] if each not in set(names[1 - one])] for one in (0, 1))
    found = []
    if missing or more:
        found.append(f"{path}: expected also {missing[:20]}, actual also {more[:20]}")
    elif names[0] != names[1]:
        found.append(f"{path}: expected order {names[0][:20]}, actual order {names[1][:20]}")
    there = dict(zip(names[1], actual, strict=True))
    for name, value in zip(names[0], expected, strict=True):
        if name in there:
            found += differences(value, there[name], f"{path}[{name}]")
    return found


def _name(each: Any, place: int) -> Any:
    """What an item of a list is called by: its key, or else its place."""
    if isinstance(each, dict):
        for name in _NAMES:
            if all(part in each for part in name):
                return "/".join(str(each[part]) for part in name) if len(name) > 1 else each[name[0]]
        if "market" in each:
            return each["market"]
    return place
