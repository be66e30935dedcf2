"""Marts that grew day by day hold what a build from nothing gives, for sets that come in any order."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from include.report import marts
from include.warehouse.sql_files import Connection
from tests.support.staged_sets import HOUSTON, HUMBLE, Seen, empty_marts, load, mart_rows, seen


def random_loads(seed: int, count: int) -> Sequence[Seen]:
    """Sets of two markets over six days, in random order, some again with other listings at a later hour."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        zpids = chance.sample(range(1, 13), chance.randint(0, 10))
        prices = {zpid: chance.choice([0, 5_000, 90_000, 100_000, 120_000, 150_000]) for zpid in zpids}
        attributes = {
            zpid: {
                "zipcode": chance.choice([None, "77001", "77002"]),
                "zestimate": chance.choice([None, 110_000]),
                "price_change": chance.choice([None, -5_000, 4_000]),
                "oddities": {0: "price_zero", 5_000: "rent_like_price"}.get(price),
                "home_status": "FOR_SALE",
            }
            for zpid, price in prices.items()
        }
        day, broken = (
            chance.randint(17, 22),
            chance.sample([z for z in range(1, 13) if z not in zpids], chance.randint(0, 2)),
        )
        made.append(
            seen(
                prices,
                market=chance.choice([HOUSTON, HUMBLE]),
                day=day,
                hour=chance.randint(1, 23),
                run=f"{number:06d}",
                reasons=["price_missing"] * len(broken),
                rejected_zpids=broken,
                claimed=chance.choice([None, len(prices) + len(broken), 500]),
                rows=attributes,
            )
        )
    return made


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [pytest.param(0, marks=pytest.mark.sample), *range(1, 6)])
def test_incremental_builds_give_the_rows_of_a_full_one(core_tables: Connection, seed: int) -> None:
    """Whatever sets come in whatever order, late days and superseding ones too: after each build, as rebuilt whole."""
    empty_marts(core_tables)
    for number, each in enumerate(random_loads(seed, 14)):
        load(core_tables, f"s{seed}n{number}", each)
        marts.build(core_tables, run_id="test")
        if number % 3 == 1 or number == 13:
            stepwise = mart_rows(core_tables)
            marts.build(core_tables, run_id="test", full=True)
            assert mart_rows(core_tables) == stepwise
