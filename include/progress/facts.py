"""What happened to each partition, read off the rows of Airflow's metadata database: landed, cleaned, loaded, failed.

Nothing here asks anybody: the rows come in as plain records, so that what a page shows can be told from a test.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from include.base.keys import MalformedKey, SetKey, parse_partition, set_of
from include.base.verdicts import CLEANED_AGAIN
from include.progress.rows import (
    ACTIVE_RUNS,
    CLEAN,
    EXTRACT,
    FAILED,
    LAND,
    LANDED,
    LOAD,
    LOAD_SETS,
    PLAN,
    PLAN_LOADS,
    REPLAY,
    REPORT,
    SENSE,
    Event,
    History,
    Run,
    Task,
    Value,
    Where,
)

LOAD_GROUP = "load_batch."
NAME_SUSPECTS = "load_batch.name_suspects"


@dataclass(frozen=True)
class Landing:
    """A set that landed; counts are of pages and listings."""

    extract_id: str
    listings: int | None
    pages: int | None
    where: Where
    at: datetime


@dataclass(frozen=True)
class Cleaning:
    """A set that was let through; counts are of listings, None where only the wake is known."""

    extract_id: str | None
    clean: int | None
    rejected: int | None
    unreadable: int | None
    where: Where
    at: datetime
    repeated: int | None = None
    not_listings: int | None = None


@dataclass(frozen=True)
class Loading:
    """A set that a load took; counts are of listings."""

    extract_id: str
    accepted: int
    superseded: int
    where: Where
    at: datetime


@dataclass(frozen=True)
class Held:
    """Who held the day after a load, by its extraction, with how many listings; None: nobody.

    `verdicts` has of each extraction why it holds the day or does not, as `include/warehouse/days.py` names it.
    """

    extract_id: str | None
    listings: int
    verdicts: Mapping[str, str]
    where: Where
    at: datetime


@dataclass
class Facts:
    """What is known of one partition."""

    landings: list[Landing] = field(default_factory=list)
    cleanings: list[Cleaning] = field(default_factory=list)
    loadings: list[Loading] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    failures: dict[str, list[Task]] = field(default_factory=lambda: defaultdict(list))
    active: dict[str, list[Where]] = field(default_factory=lambda: defaultdict(list))
    planned: bool = False

    @property
    def extract_ids(self) -> set[str]:
        """The extractions whose sets are known, each by its id."""
        known: list[Landing | Cleaning | Loading] = [*self.landings, *self.cleanings, *self.loadings]
        return {each.extract_id for each in known if each.extract_id}


@dataclass
class DateFacts:
    """What is known of a date as a whole: runs that concern all of its partitions, failures that name none.

    `reported_at` is when the newest report run that ended well was made: it found nothing new, or published it.
    """

    failures: dict[str, list[Task]] = field(default_factory=lambda: defaultdict(list))
    active: dict[str, list[Where]] = field(default_factory=lambda: defaultdict(list))
    reported_at: datetime | None = None


class Reading:
    """A history, read into facts by partition and by date."""

    def __init__(self, history: History) -> None:
        self.partitions: dict[str, Facts] = defaultdict(Facts)
        self.dates: dict[str, DateFacts] = defaultdict(DateFacts)
        self.newest: dict[tuple[str, str], datetime] = {}
        for run in history.runs:
            of = run.where.dag_id, run.date
            self.newest[of] = max(run.run_after, self.newest.get(of, run.run_after))
        self._runs = {(run.where.dag_id, run.where.run_id): run for run in history.runs}
        self._values = {(v.where.dag_id, v.where.run_id, v.where.task_id): v for v in history.values}
        self.plans = {run.where.run_id: self.planned(run.where.run_id) for run in history.runs if _is(run, EXTRACT)}
        for plan in self.plans.values():
            for partition in plan:
                self.partitions[partition].planned = True
        for event in history.events:
            self._read_event(event)
        for value in history.values:
            self._read_value(value)
        for run in history.runs:
            self._read_run(run)
        for task in _roots(history.tasks):
            self._read_task(task)

    def planned(self, run_id: str) -> list[str]:
        """The partitions that an extraction planned, in the order of its mapped tasks."""
        plan = self._values.get((EXTRACT, run_id, PLAN))
        return [_partition_of_request(request) for request in _dicts(plan.value if plan else None)]

    def _read_event(self, event: Event) -> None:
        if not (event.partition_key and is_partition(event.partition_key)):
            return
        facts, extra = self.partitions[event.partition_key], event.extra
        if event.asset == LANDED and event.where.dag_id == EXTRACT:
            facts.landings.append(
                Landing(str(extra.get("extract_id", "")), _count(extra, "listings"), _count(extra, "pages"),
                        event.where, event.at)
            )  # fmt: skip
        elif event.asset == CLEAN and event.where.dag_id in (SENSE, REPLAY):
            key = _set_of(extra.get("set_id"))
            facts.cleanings.append(
                Cleaning(
                    key.extract_id if key else None,
                    _count(extra, "clean"),
                    _count(extra, "rejected"),
                    _count(extra, "unreadable"),
                    event.where,
                    event.at,
                    _count(extra, "duplicates"),
                    _count(extra, "not_listings"),
                )
            )

    def _read_value(self, value: Value) -> None:
        if value.where.task_id != LOAD_SETS or not isinstance(value.value, Mapping):
            return
        for each in _dicts(value.value.get("sets")):
            if key := _set_of(each.get("set_id")):
                accepted, superseded = (_count(each, name) or 0 for name in ("accepted", "superseded"))
                loading = Loading(key.extract_id, accepted, superseded, value.where, value.at)
                self.partitions[key.partition].loadings.append(loading)
        for day in _dicts(value.value.get("days")):
            if is_partition(partition := str(day.get("partition"))):
                self.partitions[partition].held.append(_held(day, value))

    def _read_run(self, run: Run) -> None:
        if _is(run, REPORT) and run.state == "success":
            its = self.dates[run.date]
            its.reported_at = max(run.run_after, its.reported_at or run.run_after)
        if run.state not in ACTIVE_RUNS:
            return
        if _is(run, SENSE) and run.partition_key and is_partition(run.partition_key):
            self.partitions[run.partition_key].active[SENSE].append(run.where)
        elif not _is(run, SENSE):
            self.dates[run.date].active[run.where.dag_id].append(run.where)

    def _read_task(self, task: Task) -> None:
        run = self._runs.get((task.where.dag_id, task.where.run_id))
        if run is None:
            return
        named = self._partitions_of(task.where, run)
        if task.state == FAILED:
            for partition in named:
                self.partitions[partition].failures[task.where.dag_id].append(task)
            # A plan that failed is past as soon as a newer run of its DAG works on the date.
            if not named and (run.where.dag_id != EXTRACT or run.run_after == self.newest[EXTRACT, run.date]):
                self.dates[run.date].failures[task.where.dag_id].append(task)
        elif task.where.dag_id == EXTRACT:
            for partition in named:
                self.partitions[partition].active[EXTRACT].append(task.where)

    def _partitions_of(self, where: Where, run: Run) -> list[str]:
        """The partitions that a task instance works on; none: it works on the whole date."""
        if where.dag_id == SENSE and run.partition_key and is_partition(run.partition_key):
            return [run.partition_key]
        if where.dag_id == EXTRACT and where.task_id == LAND:
            return self.plans[where.run_id][where.map_index :][:1] if where.map_index >= 0 else []
        if where.dag_id == LOAD and where.map_index >= 0:
            plan = self._values.get((LOAD, where.run_id, PLAN_LOADS))
            batch = _dicts(plan.value if plan else None)[where.map_index :][:1]
            sets = [_set_of(each.get("set_id")) for planned in batch for each in _dicts(planned.get("sets"))]
            return sorted({key.partition for key in sets if key})
        return []


def _roots(tasks: tuple[Task, ...]) -> Iterator[Task]:
    """Of the tasks of a batch that failed the first, which knows why; of all others each."""
    batches: dict[tuple[str, int], Task] = {}
    for task in tasks:
        where = task.where
        if task.state != FAILED or where.dag_id != LOAD or not (where.task_id or "").startswith(LOAD_GROUP):
            yield task
            continue
        key = (where.run_id, where.map_index)
        batches[key] = min(batches.get(key, task), task, key=_when_it_failed)
    yield from batches.values()


def _when_it_failed(task: Task) -> tuple[bool, float]:
    """`name_suspects` only repeats what another task failed with: it stands last."""
    return task.where.task_id == NAME_SUSPECTS, task.at.timestamp() if task.at else 0.0


def _is(run: Run, dag_id: str) -> bool:
    return run.where.dag_id == dag_id


def is_partition(key: str) -> bool:
    """Whether this is the partition key of a set."""
    try:
        parse_partition(key)
    except MalformedKey:
        return False
    return True


def _partition_of_request(request: Mapping[str, Any]) -> str:
    return SetKey(*(str(request.get(name, "")) for name in ("source", "market", "date", "extract_id"))).partition


def _set_of(set_id: Any) -> SetKey | None:
    try:
        return set_of(set_id) if isinstance(set_id, str) else None
    except MalformedKey:
        return None


def _held(day: Mapping[str, Any], value: Value) -> Held:
    holder, verdicts = _set_of(day.get("holder")), day.get("verdicts")
    found = verdicts.items() if isinstance(verdicts, Mapping) else ()
    return Held(
        holder.extract_id if holder else None,
        _count(day, "listings") or 0,
        # An extraction that was cleaned twice has two: what is not 'cleaned_again' is of the last.
        {
            key.extract_id: str(verdict)
            for set_id, verdict in sorted(found, key=lambda each: each[1] != CLEANED_AGAIN)
            if (key := _set_of(set_id))
        },
        value.where,
        value.at,
    )


def _dicts(values: Any) -> list[Mapping[str, Any]]:
    return [each for each in values if isinstance(each, Mapping)] if isinstance(values, list) else []


def _count(values: Mapping[str, Any], name: str) -> int | None:
    found = values.get(name)
    return found if isinstance(found, int) else None
