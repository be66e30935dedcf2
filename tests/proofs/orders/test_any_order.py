"""Sets loaded in any order, by three loaders at once, and cleaned again, leave a fresh warehouse's core and marts."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from include.base.keys import SetKey
from include.report import marts
from include.warehouse.sql_files import Connection, query
from tests.support.staged_sets import HOUSTON, HUMBLE, MARTS, Seen, core, empty_core, empty_marts, load, rows, settle
from tests.support.staged_sets import seen as seen_set

CASES, SAMPLE, LOADERS = 200, 10, 3
OLD, NEW = "ffffffffffff", "000000000000"
OF_THE_LOADS = ("load_number", "run_id")
"""What the marts say of the loads that brought a day, not of the day."""
Slot = tuple[str, int, int]


def cleanings(chance: random.Random, slots: Sequence[Slot], version: str, replay: str | None) -> list[Seen]:
    """Each set as a transform cleans it: ten homes of twelve or nearly as many, or a poorer look; some are rejects."""
    made = []
    for market, day, hour in slots:
        homes = chance.sample(range(1, 13), chance.choice([10, 10, 9, 9, 8, 5, 0]))
        prices = {zpid: chance.choice([100_000, 110_000, 5_000]) for zpid in sorted(homes)}
        reasons = ["price_missing"] * chance.choice([0, 0, 1])
        of = {"market": market, "day": day, "hour": hour, "version": version, "replay": replay}
        made.append(seen_set(prices, reasons=reasons, claimed=chance.choice([None, 10, 500]), **of))
    return made


def load_at_once(connect: Callable[[], Any], name: str, sets: Sequence[Seen], chance: random.Random) -> None:
    """Three loaders share the sets, each in its own order; one set comes twice, by two of them."""
    order = [*chance.sample(sets, len(sets)), chance.choice(sets)]
    shares = [order[number::LOADERS] for number in range(LOADERS)]
    cuts = [chance.randint(0, len(share)) for share in shares]

    def loads(number: int) -> None:
        with closing(connect()) as connection:
            for at, part in enumerate((shares[number][: cuts[number]], shares[number][cuts[number] :])):
                its = {each.set_id: each for each in part}
                if its:
                    load(connection, f"{name}_{number}_{at}", *its.values())

    with ThreadPoolExecutor(LOADERS) as pool:
        list(pool.map(loads, range(LOADERS)))


def mart_rows(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """Every row of every mart, without what is of its loads."""
    with closing(connection.cursor()) as cursor:
        found = {table: query(cursor, f"select * from marts.{table} order by {key}") for table, key in MARTS.items()}
    connection.rollback()
    kept = {
        name: [{k: v for k, v in row.items() if k not in OF_THE_LOADS} for row in its] for name, its in found.items()
    }
    assert kept["coverage"], "nothing is held: nothing is compared"
    return kept


def outcome(connection: Connection, sets: Sequence[Seen]) -> tuple[Any, ...]:
    """What must not depend on the order: core, the marts, and what the audit says of these cleanings."""
    said = rows(
        connection,
        "select set_id, verdict, clean, accepted, superseded, withdrawn, superseded_by, should_hold "
        "from core.load_audit where status = 'loaded' order by set_id",
    )
    ids = {each.set_id for each in sets}
    return core(connection), mart_rows(connection), [row for row in said if row[0] in ids]


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=pytest.mark.sample) if seed < SAMPLE else seed for seed in range(CASES)]
)
def test_any_order_leaves_what_a_fresh_warehouse_has(
    core_tables: Connection, connect: Callable[[], Any], seed: int
) -> None:
    """Cleaned by one transform, then by another, with marts built in between, and sets withdrawn at any time."""
    chance = random.Random(seed)
    slots = chance.sample(
        [(market, day, hour) for market in (HOUSTON, HUMBLE) for day in (20, 21, 22) for hour in (5, 6, 9, 12)], 12
    )
    old = cleanings(chance, slots, OLD, None)
    new = cleanings(chance, slots, NEW, "20261123T080000Z-aaaaaa")
    keys = [each.ready.key for each in new]
    at_first, in_the_end = (dict.fromkeys(chance.sample(keys, 2), "by hand") for _ in range(2))

    def brought(name: str, sets: Sequence[Seen], withdrawn: dict[SetKey, str]) -> None:
        load_at_once(connect, f"s{seed}{name}", sets, chance)
        settle(core_tables, sets, f"{seed} {name}", withdrawn=withdrawn)
        marts.build(core_tables, run_id=name)

    empty_marts(core_tables)
    brought("old", old, at_first)
    brought("new", new, in_the_end)
    found = outcome(core_tables, new)

    empty_core(core_tables)
    empty_marts(core_tables)
    settle(core_tables, new, f"{seed} fresh", withdrawn=in_the_end)
    marts.build(core_tables, run_id="fresh")
    assert outcome(core_tables, new) == found
