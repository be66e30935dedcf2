"""Sets in any order, grouped any way, leave one core: the one that a plain model in Python leaves."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.warehouse.sql_files import Connection
from tests.support.staged_sets import HOUSTON, HUMBLE, Seen, audit, core, empty_core, load, seen

RENT = "houston-tx-rent"
LISTING = {HOUSTON: "sale", HUMBLE: "sale", RENT: "rent"}

Slot = tuple[str, int]
Home = tuple[str, int]
"""What it was searched for, and its zpid."""
PRICES = st.dictionaries(st.integers(1, 4), st.sampled_from([100, 110]), max_size=4)
SETS = st.dictionaries(
    st.tuples(st.sampled_from(list(LISTING)), st.integers(22, 25), st.sampled_from([6, 9])),
    PRICES,
    min_size=2,
    max_size=9,
)


def expected(extractions: dict[tuple[str, int, int], dict[int, int]]) -> dict[str, Any]:
    """Snapshots, listings and history by hand: fullest hour of a day, newest sight of a house, runs of a price.

    Of hours with as many houses the newest: of four at most, nine tenths of the most are the most. A house for sale
    and for rent is two houses here.
    """
    held: dict[Slot, tuple[int, dict[int, int]]] = {}
    for (market, day, hour), prices in sorted(extractions.items(), key=lambda each: (len(each[1]), each[0])):
        held[market, day] = (hour, prices)
    sights = [
        (zpid, (day, hour), market, price)
        for (market, day), (hour, prices) in held.items()
        for zpid, price in prices.items()
    ]
    # Newest last; of two markets seen in the same hour the first by name counts, so names sort backwards here.
    sights.sort(key=lambda sight: (sight[0], sight[1], [-ord(letter) for letter in sight[2]]))
    newest = {(LISTING[market], zpid): (market, day, price) for zpid, (day, _), market, price in sights}
    by_day = {((LISTING[market], zpid), day): price for zpid, (day, _), market, price in sights}
    return {
        "snapshots": sorted((market, zpid, day, price) for zpid, (day, _), market, price in sights),
        "listings": sorted((*home, *found) for home, found in newest.items()),
        "history": [stretch for home in sorted(newest) for stretch in _stretches(home, by_day)],
    }


def _stretches(home: Home, by_day: dict[tuple[Home, int], int]) -> list[tuple[Any, ...]]:
    days = sorted((day, price) for (each, day), price in by_day.items() if each == home)
    runs = [(price, [day for day, _ in run]) for price, run in groupby(days, key=lambda seen_on: seen_on[1])]
    ends = [run[0] for _, run in runs[1:]] + [None]
    return [(*home, run[0], end, price, run[-1], len(run)) for (price, run), end in zip(runs, ends, strict=True)]


def actual(found: dict[str, list[tuple[Any, ...]]]) -> dict[str, Any]:
    """What `core` holds in the model's terms: days of the month and whole prices."""
    plain = {table: [tuple(_plain(value) for value in row) for row in kept] for table, kept in found.items()}
    return {
        "snapshots": sorted(row[1:5] for row in plain["listing_snapshots"]),
        "listings": sorted(row[1:6] for row in plain["listings"]),
        "history": [(*row[1:6], *row[-2:]) for row in plain["listing_history"]],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value)
    return value.day if type(value) is date else value


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None)
@given(extractions=SETS, data=st.data())
def test_any_order_and_grouping_leaves_the_same_core(
    core_tables: Connection, extractions: dict[tuple[str, int, int], dict[int, int]], data: st.DataObject
) -> None:
    """Two random orders, cut into random batches and with a set repeated, leave what the model leaves."""
    sets = [
        seen(prices, market=market, listing=LISTING[market], day=day, hour=hour, reasons=["price_missing"] * (day % 2))
        for (market, day, hour), prices in extractions.items()
    ]
    kept = []
    for attempt in range(2):
        empty_core(core_tables)
        order = data.draw(st.permutations(sets))
        batches = [*_cut(order, data.draw(st.integers(1, 4))), [data.draw(st.sampled_from(sets))]]
        for number, batch in enumerate(batches):
            load(core_tables, f"b{attempt}_{number}", *batch)
        kept.append((core(core_tables), {name: row[:3] for name, row in audit(core_tables).items()}))
    assert kept[0] == kept[1]
    assert expected(extractions) == actual(kept[0][0])


def _cut(sets: list[Seen], size: int) -> list[list[Seen]]:
    return [sets[at : at + size] for at in range(0, len(sets), size)]
