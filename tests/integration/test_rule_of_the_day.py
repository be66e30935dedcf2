"""Which set holds a day: planning and loading against a model, in random cases and in those that it was made for."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from datetime import date
from typing import Any

import pytest

from include.base.keys import SetKey
from include.load import plan
from include.warehouse import days as rule
from include.warehouse.audit import suspicions
from include.warehouse.days import Day as LoadedDay
from include.warehouse.rows_held import Holding
from include.warehouse.sql_files import Connection
from tests.support.rule_cases import GIVE_BACK, LOSE_FILES, READY, WITHDRAW, Case, Event, Extraction
from tests.support.rule_runs import Day, changes, days
from tests.support.staged_sets import HUMBLE, Seen, an_hour_passes, rows, seen, verdicts, wake

CASES, SEED = int(os.environ.get("RULE_CASES", "300")), int(os.environ.get("RULE_SEED", "20261122"))
"""More of them, and others each time, with `make fuzz`."""


@pytest.mark.timeout(300 + CASES)
def test_planning_and_loading_keep_the_rule(core_tables: Connection) -> None:
    """After each round of random cases holder, rows, verdicts and sums are the model's, and nothing is planned."""
    often = 0
    for day in days(core_tables, SEED, CASES):
        assert [] == list(day.differences())[:3]
        often += sum(count for times, count in changes(day).items() if times >= 2)
    print(f"{CASES} cases; in {often} the holder changed at least twice")
    assert often >= CASES // 5


def holder_by(is_full: Callable[[int, int], bool]) -> Callable[[Iterable[Any]], Any]:
    """The newest whose rows are many enough beside the most."""

    def holder(looks: Iterable[Any]) -> Any:
        found = list(looks)
        full = [each for each in found if is_full(each.clean, max(other.clean for other in found))]
        return max(full, key=lambda each: (each.observed, each.extract_id), default=None)

    return holder


def as_first_loaded(loaded: list[Holding], withdrawn: Collection[SetKey]) -> LoadedDay:
    """A day whose sets count as their first load cleaned them."""
    first: dict[SetKey, Holding] = {}
    for each in sorted(loaded, key=lambda each: each.load_number):
        first.setdefault(each.key, each)
    counting = tuple(each for key, each in first.items() if key not in withdrawn)
    return LoadedDay(tuple(loaded), counting, {key: "by hand" for key in first if key in withdrawn})


@pytest.mark.parametrize(
    ("patches", "sql", "instead"),
    [
        pytest.param({"holder": holder_by(lambda clean, most: True)}, ">= 9 *", ">= 0 *", id="the newest wins"),
        pytest.param(
            {"holder": holder_by(lambda clean, most: clean == most)}, ">= 9 *", ">= 10 *", id="the fullest wins"
        ),
        pytest.param(
            {"holder": holder_by(lambda clean, most: clean >= 0.8 * most)}, ">= 9 *", ">= 8 *", id="a share of 0.8"
        ),
        pytest.param({"_day": as_first_loaded}, "load_number desc", "load_number asc", id="as it was cleaned first"),
    ],
)
def test_a_wrong_rule_is_found(
    core_tables: Connection, monkeypatch: pytest.MonkeyPatch, patches: dict[str, Any], sql: str, instead: str
) -> None:
    """Another rule, in the planner and under the load's lock alike, differs from the model in these cases."""
    for name, wrong in patches.items():
        for module in (rule, plan):
            monkeypatch.setattr(module, name, wrong, raising=False)
    amended = []

    def amend(text: str) -> str:
        amended.append(text.count(sql))
        return text.replace(sql, instead)

    changed = list(days(core_tables, SEED, CASES, amend))[1]
    assert next((each for each in changed.differences() if ", case " in each), None)
    assert any(amended)


def test_a_set_that_cannot_come_measures_no_other(core_tables: Connection) -> None:
    """Where the set that should hold cannot come, neither can one that nobody asked for yet; the rest are compared."""
    held, gone, chosen, newest = (Extraction(hour, "aaaaaa", 0, None) for hour in (9, 5, 6, 12))
    rounds = (
        tuple(Event(READY, number, clean) for number, clean in enumerate((20, 20, 18, 17))),
        (Event(LOSE_FILES, 0), Event(LOSE_FILES, 1)),
        (Event(WITHDRAW, 0),),
        (Event(GIVE_BACK, 0),),
    )
    day = Day(core_tables, 0, 22, [Case(1, (held, gone, chosen, newest), rounds)], (0, 0, 0, 0), may_fail=False)
    assert [] == list(day.differences())
    assert [9, 6, 12] == [int(each.split("/")[3][9:11]) for each in day.holders["case-00001-tx"]]


def look(hour: int, clean: int, **other: Any) -> Seen:
    """A set seen at this hour with so many clean rows."""
    return seen(dict.fromkeys(range(1, clean + 1), 100_000), hour=hour, **other)


def held(connection: Connection, market: str = "houston-tx") -> list[tuple[str, int]]:
    """Whose rows a market's day has, and how many."""
    found = rows(
        connection, f"select set_id, count(*) from core.listing_snapshots where market = '{market}' group by 1"
    )
    return [(set_id, count) for set_id, count in found]


def test_a_late_fuller_look_gives_the_day_back_in_one_load(core_tables: Connection) -> None:
    """745 of noon replace 820 of six; 830 of five make them poorer: six has the day, until five is withdrawn."""
    five, six, noon = look(5, 830), look(6, 820), look(12, 745)
    for number, (known, withdrawn, holder, listings) in enumerate(
        [
            ([six], {}, six, 820),
            ([six, noon], {}, noon, 745),
            ([five, six, noon], {}, six, 820),
            ([five, six, noon], {five.ready.key: "a test"}, noon, 745),
            ([five, six, noon], {}, six, 820),
        ]
    ):
        assert 1 == len(wake(core_tables, known, f"{number}", withdrawn=withdrawn))
        assert [(holder.set_id, listings)] == held(core_tables)
        assert [] == wake(core_tables, known, f"{number} again", withdrawn=withdrawn)
    assert {five.set_id: "older", six.set_id: "holds", noon.set_id: "poorer"} == verdicts(core_tables)


def test_one_page_does_not_replace_a_whole_run(core_tables: Connection) -> None:
    """820 stay when 41 come later, and when the whole day is replayed."""
    whole, page = look(6, 820), look(12, 41)
    replay = "20261123T080000Z-aaaaaa"
    for number, known in enumerate(
        ([whole], [whole, page], [look(6, 820, replay=replay), look(12, 41, replay=replay)])
    ):
        wake(core_tables, known, f"{number}")
        assert [(whole.set_id, 820)] == held(core_tables)
    assert {whole.set_id: "holds", page.set_id: "poorer"} == verdicts(core_tables)


def test_a_page_that_came_empty_gives_way_to_a_fuller_look(core_tables: Connection) -> None:
    """An empty set of noon has the day while it is alone; 820 of six that come after it take the day."""
    empty, fuller = look(12, 0), look(6, 820)
    wake(core_tables, [empty], "first")
    assert ({empty.set_id: "holds"}, []) == (verdicts(core_tables), held(core_tables))

    wake(core_tables, [empty, fuller], "second")
    assert [(fuller.set_id, 820)] == held(core_tables)
    assert {empty.set_id: "poorer", fuller.set_id: "holds"} == verdicts(core_tables)


def test_a_set_that_fails_when_it_returns_is_given_up(core_tables: Connection) -> None:
    """Its batch loads without it, another has the day, the audit names it, and nobody else stays suspect."""
    five, six, noon, other = look(5, 830), look(6, 820), look(12, 745), look(6, 10, market=HUMBLE)
    for number, known in enumerate(([six], [six, noon])):
        wake(core_tables, known, f"{number}")

    for wakes in range(20):
        planned = wake(
            core_tables,
            [five, six, noon, other],
            f"return {wakes}",
            retries=2,
            cannot_load=lambda batch: six.set_id in batch.returning,
        )
        if not planned:
            break
        an_hour_passes(core_tables)
    assert [] == planned
    assert {six.ready.turn: 3} == {
        turn: each.hours_alone for turn, each in suspicions(core_tables, date(2026, 11, 22)).items()
    }
    assert ([(five.set_id, 830)], [(other.set_id, 10)]) == (held(core_tables), held(core_tables, HUMBLE))
    named = rows(
        core_tables,
        "select distinct should_hold from core.load_audit where market = 'houston-tx' and status = 'loaded'",
    )
    assert [(six.set_id,)] == named
