"""The live table of the Listings page: how far each partition has come, which run did it, and what failed.

A row is a partition, its four cells are the stages. A cell speaks of the newest set that landed, and that of the load
of the set that holds the day besides; what succeeded later than something failed makes that failure past.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date as Date
from datetime import datetime, timedelta
from typing import Any, TypeVar

from include.base.keys import SetKey, parse_partition
from include.base.verdicts import WHY_NOT
from include.ledger.shown import Ready, Reported
from include.progress.facts import Cleaning, DateFacts, Facts, Held, Landing, Loading, Reading, is_partition
from include.progress.rows import EXTRACT, FAILED, LOAD, REPORT, SENSE, History, Run, Task, Where

STAGES = {"landed": EXTRACT, "clean": SENSE, "loaded": LOAD, "reported": REPORT}
"""The columns, and the DAG that each waits for."""

DONE, ACTIVE, WAITING, UNKNOWN, NOT_YET = "done", "active", "waiting", "unknown", "none"


@dataclass(frozen=True)
class Ledgers:
    """What lies in the clean bucket; `is_known` is False where reports could not, or may not, be read."""

    ready: Mapping[SetKey, Ready] = field(default_factory=dict)
    reports: Mapping[str, Reported] = field(default_factory=dict)
    is_known: bool = True

    def visible_to(self, dag_ids: Collection[str]) -> Ledgers:
        """What somebody sees who may read these DAGs: markers are of `sense_listings`, reports of `report_listings`."""
        ready = self.ready if SENSE in dag_ids else {}
        return Ledgers(ready, self.reports, self.is_known and REPORT in dag_ids)


@dataclass(frozen=True)
class Cell:
    """One stage of one partition. `count` is of listings, `note` what else there is to say of it.

    `extract_id` is the extraction whose set the cell speaks of, None where it is not known.
    """

    state: str
    count: int | None = None
    note: str = ""
    at: datetime | None = None
    where: Where | None = None
    extract_id: str | None = None


@dataclass(frozen=True)
class Row:
    """A partition and its cells, in the order of STAGES."""

    source: str
    market: str
    date: str
    cells: Mapping[str, Cell]


def table(history: History, ledgers: Ledgers, *, until: Date, days: int) -> list[dict[str, Any]]:
    """The last `days` dates that have something to show, newest first, as plain JSON types.

    Each is {"date", "notices", "rows"}: a notice is a failure that belongs to no one partition, a row a `Row`.
    """
    reading = Reading(history)
    _add_ready(reading, ledgers)
    wanted = {(until - timedelta(days=back)).isoformat() for back in range(-1, days)}
    rows: dict[str, list[Row]] = {}
    for partition, facts in sorted(reading.partitions.items()):
        if not is_partition(partition):
            continue
        source, market, date = parse_partition(partition)
        if date in wanted:
            cells = _Judge(partition, facts, reading.dates[date], ledgers, date).cells()
            rows.setdefault(date, []).append(Row(source, market, date, cells))
    notices = {date: _notices(facts) for date, facts in reading.dates.items() if date in wanted}
    shown = {date for date, found in notices.items() if found} | set(rows)
    return [
        {"date": date, "notices": notices.get(date, []), "rows": [_plain(row) for row in rows.get(date, [])]}
        for date in sorted(shown, reverse=True)
    ]


def last_extraction(history: History) -> dict[str, Any] | None:
    """The newest run of `extract_listings`: date, state, when, where, markets planned, landed and failed, listings."""
    runs = [run for run in history.runs if run.where.dag_id == EXTRACT]
    if not runs:
        return None
    newest = max(runs, key=lambda run: (run.run_after, run.where.run_id))
    its = newest.where.run_id
    reading = Reading(history)
    landings = [each for facts in reading.partitions.values() for each in facts.landings if each.where.run_id == its]
    failed = [task for task in history.tasks if task.where.run_id == its and task.state == FAILED]
    return {
        "date": _date_of(newest, reading),
        "state": newest.state,
        "at": _iso(newest.run_after),
        "where": asdict(newest.where),
        "planned": len(reading.plans[its]),
        "landed": len({each.where.map_index for each in landings}),
        "failed": len({task.where.map_index for task in failed if task.where.map_index >= 0}),
        "listings": sum({each.where.map_index: each.listings or 0 for each in landings}.values()),
    }


class _Judge:
    """Says of one partition what each of its cells shows."""

    def __init__(self, partition: str, facts: Facts, its_date: DateFacts, ledgers: Ledgers, date: str) -> None:
        self.partition, self.facts, self.its_date, self.ledgers = partition, facts, its_date, ledgers
        self.date = date
        self.extract_id = max(facts.extract_ids, default="")
        self.ready = ledgers.ready.get(SetKey(*parse_partition(partition), self.extract_id))

    def cells(self) -> dict[str, Cell]:
        """The cells, judged from the last to the first: a stage that was passed makes those before it done."""
        landing = _newest(each for each in self.facts.landings if each.extract_id == self.extract_id)
        cleaning = _newest(each for each in self.facts.cleanings if each.extract_id in (self.extract_id, None))
        loading = _newest(each for each in self.facts.loadings if each.extract_id == self.extract_id)
        loaded = self._loaded(loading, is_clean=bool(cleaning or self.ready))
        clean = self._clean(cleaning, is_landed=bool(landing), is_past=loaded.state == DONE)
        landed = self._landed(landing, is_past=DONE in (clean.state, loaded.state))
        reported = self._reported(loading)
        return {"landed": landed, "clean": clean, "loaded": loaded, "reported": reported}

    def _landed(self, landing: Landing | None, *, is_past: bool) -> Cell:
        if active := self.facts.active[EXTRACT]:
            return Cell(ACTIVE, where=active[-1])
        if failure := _failure(self.facts.failures[EXTRACT], landing):
            return failure
        if landing:
            pages = f"{landing.pages} page{'s' * (landing.pages != 1)}" if landing.pages is not None else ""
            return Cell(DONE, landing.listings, pages, landing.at, landing.where, landing.extract_id)
        return Cell(DONE if is_past else WAITING if self.facts.planned else NOT_YET)

    def _clean(self, cleaning: Cleaning | None, *, is_landed: bool, is_past: bool) -> Cell:
        failure = _failure(self.facts.failures[SENSE], cleaning or self._marked())
        if (active := self.facts.active[SENSE]) and (failure or not cleaning):
            return Cell(ACTIVE, where=active[-1])
        if failure:
            return failure
        if cleaning:
            left = {
                "rejected": cleaning.rejected,
                "repeated": cleaning.repeated,
                "no listings": cleaning.not_listings,
                "unreadable": cleaning.unreadable,
            }
            note = ", ".join(f"{count} {name}" for name, count in left.items() if count)
            return Cell(DONE, cleaning.clean, note, cleaning.at, cleaning.where, cleaning.extract_id)
        if self.ready:
            return Cell(DONE, at=self.ready.put_at)
        return Cell(DONE if is_past else WAITING if is_landed else NOT_YET)

    def _marked(self) -> _Marked | None:
        return _Marked(self.ready.put_at) if self.ready else None

    def _loaded(self, loading: Loading | None, *, is_clean: bool) -> Cell:
        if loading and self.ready and self.ready.replay and self.ready.put_at > loading.at:
            loading = None  # a replay had it cleaned again: that turn is still to be loaded
        if loading and not _failure(self.facts.failures[LOAD], loading):
            held = _newest(self.facts.held)
            if held is None:  # its load was before who holds the day was put down
                return Cell(DONE, loading.accepted, "", loading.at, loading.where, loading.extract_id)
            return Cell(DONE, held.listings, self._why(held), held.at, held.where, held.extract_id)
        return self._of_date(LOAD, self.facts.failures[LOAD], loading, is_due=is_clean)

    def _why(self, held: Held) -> str:
        """Which set holds the day when it is not the newest, and why that one does not; empty when it does."""
        if held.extract_id == self.extract_id:
            return ""
        why = WHY_NOT.get(held.verdicts.get(self.extract_id, ""), "")
        by = f"of the set of {_clock(held.extract_id)}" if held.extract_id else "of no set"
        return f"{by}: {why}" if why else by

    def _reported(self, loading: Loading | None) -> Cell:
        if not self.ledgers.is_known:
            return Cell(UNKNOWN)
        report, checked_at = self.ledgers.reports.get(self.date), self.its_date.reported_at
        if report is None:
            return self._of_date(REPORT, [], None, is_due=bool(loading))
        success = _Marked(max(report.generated_at, checked_at or report.generated_at))
        is_current = self.partition in report.partitions and (not loading or success.at >= loading.at)
        if is_current and not _failure(self.its_date.failures[REPORT], success):
            its_run = Where(REPORT, report.run_id) if report.run_id else None
            return Cell(DONE, at=report.generated_at, where=its_run)
        return self._of_date(REPORT, [], success, is_due=bool(loading))

    def _of_date(self, dag_id: str, own: list[Task], success: _Dated | None, *, is_due: bool) -> Cell:
        """What is known of a stage that a run takes for all partitions of the date at once."""
        if not is_due and not own:
            return Cell(NOT_YET)
        if active := self.its_date.active[dag_id]:
            return Cell(ACTIVE, where=active[0])
        failures = own + (self.its_date.failures[dag_id] if is_due else [])
        return _failure(failures, success) or Cell(WAITING if is_due else NOT_YET)


@dataclass(frozen=True)
class _Marked:
    """A success of which only the moment is known."""

    at: datetime


_Dated = Landing | Cleaning | Loading | Held | _Marked
T = TypeVar("T", Landing, Cleaning, Loading, Held)


def _newest(found: Iterable[T]) -> T | None:
    return max(found, key=_moment, default=None)


def _failure(tasks: Collection[Task], success: _Dated | None) -> Cell | None:
    """The newest failure that no success has made past, as a cell."""
    newest = max(tasks, key=_at, default=None)
    if newest is None or (success and newest.at and newest.at <= success.at):
        return None
    return Cell(FAILED, at=newest.at, where=newest.where)


def _clock(extract_id: str) -> str:
    """The time of day that an extraction's id begins with, like 06:00."""
    return f"{extract_id[9:11]}:{extract_id[11:13]}"


def _moment(success: _Dated) -> datetime:
    return success.at


def _at(task: Task) -> float:
    return task.at.timestamp() if task.at else 0.0


def _add_ready(reading: Reading, ledgers: Ledgers) -> None:
    """Makes sure that a set of which only the marker is known has its row."""
    for key, ready in ledgers.ready.items():
        facts = reading.partitions[key.partition]
        if key.extract_id not in facts.extract_ids:
            by_nobody = Where("", "")
            facts.cleanings.append(Cleaning(key.extract_id, None, None, None, by_nobody, ready.put_at))


def _notices(facts: DateFacts) -> list[dict[str, Any]]:
    """Plans of extractions that failed: no partition was named yet. Those of loads stand in the cells that wait."""
    found = sorted(facts.failures[EXTRACT], key=_at, reverse=True)
    return [{"where": asdict(task.where), "at": _iso(task.at)} for task in found]


def _date_of(run: Run, reading: Reading) -> str:
    planned = reading.plans[run.where.run_id]
    return parse_partition(planned[0])[2] if planned else run.date


def _plain(row: Row) -> dict[str, Any]:
    return {
        "source": row.source,
        "market": row.market,
        "cells": {
            stage: {
                "state": cell.state,
                "count": cell.count,
                "note": cell.note,
                "at": _iso(cell.at),
                "where": asdict(cell.where) if cell.where and cell.where.dag_id else None,
                "set": SetKey(row.source, row.market, row.date, cell.extract_id).name if cell.extract_id else None,
            }
            for stage, cell in row.cells.items()
        },
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
