"""The live table says how far a partition has come: what the rows and the ledgers mean for each of its cells."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from datetime import date as Date
from typing import Any

import pytest

from include.base.keys import SetKey
from include.ledger.shown import Ready, Reported
from include.progress.rows import Event, History, Run, Task, Value, Where
from include.progress.table import Ledgers, last_extraction, table

DATE = "2026-11-22"
HOUSTON, AUSTIN = f"zillow56/houston-tx|{DATE}", f"zillow56/austin-tx|{DATE}"
SIX = datetime(2026, 11, 22, 6, tzinfo=UTC)
FIRST, SECOND = "20261122T060000Z-aaaaaa", "20261122T090000Z-bbbbbb"
EARLIER = "20261122T050003Z-aaaaaa"


def at(minutes: int) -> datetime:
    """So many minutes after six."""
    return SIX + timedelta(minutes=minutes)


def run(dag_id: str, run_id: str = "r1", *, state: str = "success", key: str | None = None, minute: int = 0) -> Run:
    return Run(Where(dag_id, run_id), state, key, at(minute))


def plan(run_id: str = "r1", *markets: str) -> Value:
    requests = [
        {"source": "zillow56", "market": market, "date": DATE, "extract_id": FIRST}
        for market in markets or ("houston-tx", "austin-tx")
    ]
    return Value(Where("extract_listings", run_id, "plan_requests"), requests, at(0))


def landed(minute: int = 1, extract_id: str = FIRST, listings: int = 820, run_id: str = "r1") -> Event:
    extra = {"extract_id": extract_id, "listings": listings, "pages": 20}
    return Event("landed_listings", HOUSTON, extra, Where("extract_listings", run_id, "land_listings", 0), at(minute))


def cleaned(minute: int = 2, extract_id: str = FIRST, **more: int) -> Event:
    extra = {
        "set_id": f"zillow56/houston-tx/{DATE}/{extract_id}/v1",
        "clean": 815,
        "rejected": 4,
        "duplicates": 1,
        "unreadable": 0,
        **more,
    }
    return Event("clean_listings", HOUSTON, extra, Where("sense_listings", "s1", "sense_set.pass_gates", 0), at(minute))


def loaded(minute: int = 3, extract_id: str = FIRST, *, run_id: str = "l1") -> Value:
    sets = [{"set_id": f"zillow56/houston-tx/{DATE}/{extract_id}/v1", "accepted": 815, "superseded": 0}]
    return Value(Where("load_listings", run_id, "load_batch.load", 0), {"sets": sets}, at(minute))


def held(minute: int, holder: str | None, listings: int, verdict: str) -> Value:
    """The receipt of a load that left the day with a set, and FIRST with a verdict."""
    name = f"zillow56/houston-tx/{DATE}/%s/v1"
    day = {"partition": HOUSTON, "holder": holder and name % holder, "listings": listings, "should_hold": None}
    verdicts = {name % FIRST: verdict} | ({name % holder: "holds"} if holder else {})
    where = Where("load_listings", f"l{minute}", "load_batch.load", 0)
    return Value(where, {"sets": [], "days": [{**day, "verdicts": verdicts}]}, at(minute))


def failed(dag_id: str, task_id: str, *, run_id: str = "r1", map_index: int = 0, minute: int = 5) -> Task:
    return Task(Where(dag_id, run_id, task_id, map_index, 1), "failed", at(minute))


def report(minute: int = 4, *partitions: str) -> Ledgers:
    return Ledgers(reports={DATE: Reported(at(minute), "m1", frozenset(partitions or (HOUSTON,)))})


def cells(history: History, ledgers: Ledgers | None = None, market: str = "houston-tx") -> dict[str, Any]:
    """The cells of one market on the date."""
    days = table(history, ledgers or Ledgers(), until=Date(2026, 11, 23), days=14)
    return next(row["cells"] for day in days for row in day["rows"] if row["market"] == market)


def states(history: History, ledgers: Ledgers | None = None, market: str = "houston-tx") -> list[str]:
    return [cell["state"] for cell in cells(history, ledgers, market).values()]


EXTRACTED = History(runs=(run("extract_listings", key=DATE),), values=(plan(),), events=(landed(),))
CLEANED = replace(EXTRACTED, events=(landed(), cleaned()))
LOADED = replace(CLEANED, values=(plan(), loaded()))


@pytest.mark.parametrize(
    ("expected", "history", "ledgers"),
    [
        (["waiting", "none", "none", "none"], replace(EXTRACTED, events=()), Ledgers()),
        (["done", "waiting", "none", "none"], EXTRACTED, Ledgers()),
        (["done", "done", "waiting", "none"], CLEANED, Ledgers()),
        (["done", "done", "done", "waiting"], LOADED, Ledgers()),
        (["done", "done", "done", "done"], LOADED, report()),
    ],
)
def test_a_partition_goes_from_stage_to_stage(expected: list[str], history: History, ledgers: Ledgers) -> None:
    """A stage is done as soon as its record is there, the next one waits, those after it have not begun."""
    assert expected == states(history, ledgers)


def test_the_cells_say_how_many_and_which_task_did_it() -> None:
    """Counts are those of the receipts, and each cell leads to the task that made its receipt."""
    found = cells(LOADED, report())

    assert [820, 815, 815, None] == [cell["count"] for cell in found.values()]
    assert ["20 pages", "4 rejected, 1 repeated", "", ""] == [cell["note"] for cell in found.values()]
    assert ["land_listings", "sense_set.pass_gates", "load_batch.load", None] == [
        cell["where"]["task_id"] for cell in found.values()
    ]
    assert ("report_listings", "m1") == tuple(found["reported"]["where"][name] for name in ("dag_id", "run_id"))


def test_the_clean_cell_says_how_many_rows_were_no_listings() -> None:
    """Buildings stand beside the rejects, as they are none of them."""
    found = cells(History(events=[landed(), cleaned(not_listings=3)]), Ledgers())
    assert "4 rejected, 1 repeated, 3 no listings" == found["clean"]["note"]


@pytest.mark.parametrize(
    ("holder", "listings", "verdict", "note"),
    [
        (FIRST, 815, "holds", ""),
        (EARLIER, 820, "poorer", "of the set of 05:00: the newest set has too few listings"),
        (EARLIER, 820, "older", "of the set of 05:00: the newest set was seen before it"),
        (EARLIER, 820, "withdrawn", "of the set of 05:00: the newest set was withdrawn"),
        (None, 0, "withdrawn", "of no set: the newest set was withdrawn"),
        (EARLIER, 820, "a word of another version", "of the set of 05:00"),
    ],
)
def test_a_loaded_day_says_which_set_holds_it_and_why(
    holder: str | None, listings: int, verdict: str, note: str
) -> None:
    """The count is that of the set which holds the day by the newest load, and the note says why it is another one."""
    history = replace(LOADED, values=(plan(), loaded(), held(4, holder, listings, verdict), held(2, None, 7, "older")))
    found = cells(history)["loaded"]

    assert (listings, note, "l4") == (found["count"], found["note"], found["where"]["run_id"])
    assert (holder and f"zillow56/houston-tx/{DATE}/{holder}") == found["set"]


def test_a_failed_extraction_names_its_market_by_the_plan() -> None:
    """The mapped task that failed is that of the market which the plan has at its place; others are not touched."""
    history = replace(EXTRACTED, tasks=(failed("extract_listings", "land_listings", map_index=1),))

    assert ["failed", "none", "none", "none"] == states(history, market="austin-tx")
    assert 1 == cells(history, market="austin-tx")["landed"]["where"]["map_index"]
    assert ["done", "waiting", "none", "none"] == states(history)


@pytest.mark.parametrize(("expected", "minute"), [("done", 9), ("failed", 1)])
def test_a_later_success_makes_a_failure_past_and_an_earlier_does_not(expected: str, minute: int) -> None:
    """Of an extraction that failed at five past six another run may have landed the market since."""
    runs = (run("extract_listings", key=DATE), run("extract_listings", "r2", key=DATE, minute=1))
    tasks = (failed("extract_listings", "land_listings", minute=5),)
    history = History(runs, tasks, (landed(minute, run_id="r2"),), (plan(),))

    assert expected == cells(history)["landed"]["state"]


def test_the_cells_speak_of_the_newest_set() -> None:
    """A market that landed again is waited for again, although its earlier set is in the warehouse."""
    history = replace(LOADED, events=(*LOADED.events, landed(9, SECOND, listings=700)))

    assert ["done", "waiting", "none", "none"] == states(history)
    assert 700 == cells(history)["landed"]["count"]


def test_a_closed_gate_fails_the_clean_cell_of_its_partition() -> None:
    """A run of sense_listings is of one partition: what fails in it is that partition's."""
    gate = failed("sense_listings", "sense_set.pass_gates", run_id="s1")
    history = replace(
        EXTRACTED, runs=(*EXTRACTED.runs, run("sense_listings", "s1", state="failed", key=HOUSTON)), tasks=(gate,)
    )

    assert ["done", "failed", "none", "none"] == states(history)


def test_a_run_under_way_shows_in_the_stage_that_it_is_for() -> None:
    """Runs of sense_listings are of their partition, those of load_listings of all that is clean on the date."""
    sensing = replace(EXTRACTED, runs=(*EXTRACTED.runs, run("sense_listings", "s1", state="running", key=HOUSTON)))
    loading = replace(CLEANED, runs=(*CLEANED.runs, run("load_listings", "l1", state="queued", key=f"all|{DATE}")))

    assert ["done", "active", "none", "none"] == states(sensing)
    assert ["done", "done", "active", "none"] == states(loading)


def test_a_failed_batch_fails_its_own_sets_and_leads_to_the_task_that_knows_why() -> None:
    """Of a batch's failed tasks the first is linked, not the one that records suspects; other sets only wait."""
    batches = [{"sets": [{"set_id": f"zillow56/houston-tx/{DATE}/{FIRST}/v1"}]}]
    history = replace(
        CLEANED,
        runs=(*CLEANED.runs, run("load_listings", "l1", state="failed", key=f"all|{DATE}")),
        values=(plan(), Value(Where("load_listings", "l1", "plan_batches"), batches, at(3))),
        tasks=(
            failed("load_listings", "load_batch.name_suspects", run_id="l1", minute=6),
            failed("load_listings", "load_batch.copy_listings", run_id="l1", minute=5),
        ),
    )

    assert ["done", "done", "failed", "none"] == states(history)
    assert "load_batch.copy_listings" == cells(history)["loaded"]["where"]["task_id"]


def test_a_plan_of_loads_that_failed_stands_in_every_cell_that_waits_for_it() -> None:
    """No batch was planned, so all that is clean and not loaded on the date has failed to load."""
    history = replace(
        CLEANED,
        runs=(*CLEANED.runs, run("load_listings", "l1", state="failed", key=f"all|{DATE}")),
        tasks=(failed("load_listings", "plan_batches", run_id="l1", map_index=-1),),
    )

    assert "failed" == cells(history)["loaded"]["state"]


def test_a_replayed_set_is_loaded_only_by_a_later_load() -> None:
    """A replay's marker that is newer than the load waits for the next one; that of the set itself does not."""
    key = SetKey("zillow56", "houston-tx", DATE, FIRST)

    assert "waiting" == cells(LOADED, Ledgers(ready={key: Ready("replay-1", at(5))}))["loaded"]["state"]
    assert "done" == cells(LOADED, Ledgers(ready={key: Ready("replay-1", at(2))}))["loaded"]["state"]
    assert "done" == cells(LOADED, Ledgers(ready={key: Ready("", at(5))}))["loaded"]["state"]


def test_a_marker_alone_shows_a_clean_set() -> None:
    """What was let through has its row although Airflow has forgotten the events; landed is what it must have."""
    key = SetKey("zillow56", "houston-tx", DATE, FIRST)

    assert ["done", "done", "waiting", "none"] == states(History(), Ledgers(ready={key: Ready("", at(2))}))


def test_a_report_older_than_the_load_is_waited_for() -> None:
    """A report made before the newest load does not count, unless a later report run found it to be the newest."""
    later = run("report_listings", "m2", key=f"all|{DATE}", minute=5)

    assert "waiting" == cells(LOADED, report(2))["reported"]["state"]
    assert "done" == cells(replace(LOADED, runs=(*LOADED.runs, later)), report(2))["reported"]["state"]


def test_a_failed_report_fails_what_is_loaded_and_not_reported() -> None:
    """The failure is of the date: it stands with each of its partitions that is loaded, until a report is made."""
    history = replace(
        LOADED,
        runs=(*LOADED.runs, run("report_listings", "m1", state="failed", key=f"all|{DATE}")),
        tasks=(failed("report_listings", "publish_report", run_id="m1", map_index=-1),),
    )

    assert "failed" == cells(history)["reported"]["state"]
    assert "done" == cells(history, report(9))["reported"]["state"]


def test_without_s3_only_the_report_is_not_known() -> None:
    """What Airflow knows is shown although the bucket cannot be read."""
    assert ["done", "done", "done", "unknown"] == states(LOADED, Ledgers(is_known=False))


def test_a_refused_plan_is_a_notice_of_its_date_until_another_run_is_made() -> None:
    """No market was planned, so there is no row to show it in."""
    refused = run("extract_listings", state="failed", key=DATE)
    history = History(runs=(refused,), tasks=(failed("extract_listings", "plan_requests", map_index=-1),))
    again = replace(history, runs=(refused, run("extract_listings", "r2", key=DATE, minute=9)))
    until = Date(2026, 11, 23)

    (day,) = table(history, Ledgers(), until=until, days=14)
    assert [(DATE, 1, 0)] == [(day["date"], len(day["notices"]), len(day["rows"]))]
    assert [] == table(again, Ledgers(), until=until, days=14)


def test_only_the_dates_asked_for_are_shown_newest_first() -> None:
    """Of 14 days the last is the thirteenth before today."""
    events = [
        replace(landed(), partition_key=f"zillow56/houston-tx|{day}") for day in ("2026-11-10", DATE, "2026-11-09")
    ]

    shown = table(History(events=tuple(events)), Ledgers(), until=Date(2026, 11, 23), days=14)

    assert [DATE, "2026-11-10"] == [day["date"] for day in shown]


@pytest.mark.parametrize(
    "value", [None, "text", [7, {"source": "?"}], {"sets": "text"}, {"sets": [1, {"set_id": 7}, {"set_id": "a/b"}]}]
)
def test_odd_rows_are_passed_over(value: Any) -> None:
    """What somebody else wrote into the database shows nothing and breaks nothing."""
    odd = (
        Value(Where("extract_listings", "r1", "plan_requests"), value, at(0)),
        Value(Where("load_listings", "l1", "load_batch.load", 0), value, at(0)),
    )
    history = History(
        runs=(run("extract_listings", key="odd"), run("sense_listings", "s1", state="running", key="odd")),
        tasks=(failed("extract_listings", "land_listings", map_index=7),),
        events=(Event("landed_listings", "odd", {}, Where("extract_listings", "r1"), at(1)),),
        values=odd,
    )

    assert [] == table(history, Ledgers(), until=Date(2026, 11, 23), days=14)


def test_nobody_sees_rows_of_dags_that_they_may_not_read() -> None:
    """Rows, and what only the bucket knows, are those of the DAGs that somebody may read."""
    only_loads = LOADED.visible_to({"load_listings"})
    key = SetKey("zillow56", "austin-tx", DATE, FIRST)
    ledgers = replace(report(), ready={key: Ready("", at(2))}).visible_to({"load_listings"})

    assert {"load_listings"} == {v.where.dag_id for v in only_loads.values}
    assert ((), ()) == (only_loads.runs, only_loads.events)
    assert ({}, False) == (ledgers.ready, ledgers.is_known)


def test_the_last_extraction_is_summed_up() -> None:
    """The newest run's date, its markets planned, landed and failed, and the listings that landed in it."""
    tasks = (failed("extract_listings", "land_listings", map_index=1),)
    said = last_extraction(replace(EXTRACTED, tasks=tasks))

    assert said is not None
    expected = {"date": DATE, "state": "success", "planned": 2, "landed": 1, "failed": 1, "listings": 820}
    assert expected == {name: said[name] for name in expected}
    assert None is last_extraction(History())
