"""Rows of Airflow's metadata database, as plain records: what the live table of the Listings page is made from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

EXTRACT, SENSE, REPLAY, LOAD = "extract_listings", "sense_listings", "replay_listings", "load_listings"
REPORT = "report_listings"
PIPELINE = (EXTRACT, SENSE, REPLAY, LOAD, REPORT)
LANDED, CLEAN = "landed_listings", "clean_listings"
PLAN, LAND, PLAN_LOADS, LOAD_SETS = "plan_requests", "land_listings", "plan_batches", "load_batch.load"
VALUES = ((EXTRACT, PLAN), (LOAD, PLAN_LOADS), (LOAD, LOAD_SETS))
"""Whose return values are read: the DAG and the task."""

FAILED = "failed"
ACTIVE_RUNS = ("queued", "running")
ACTIVE_TASKS = (
    "scheduled", "queued", "running", "restarting", "deferred", "up_for_retry", "up_for_reschedule", "awaiting_input",
)  # fmt: skip
WATCHED_TASKS = (FAILED, *ACTIVE_TASKS)
"""The states of task instances that say more than their run's."""


@dataclass(frozen=True)
class Where:
    """A run, or one of its task instances: what a link leads to. A `map_index` of -1 is none."""

    dag_id: str
    run_id: str
    task_id: str | None = None
    map_index: int = -1
    try_number: int = 0


@dataclass(frozen=True)
class Run:
    """A run of one of the pipeline's DAGs."""

    where: Where
    state: str
    partition_key: str | None
    run_after: datetime

    @property
    def date(self) -> str:
        """The date that the run works on: the end of its partition key, or else the day of the run."""
        found = (self.partition_key or "").rpartition("|")[2]
        return found or self.run_after.date().isoformat()


@dataclass(frozen=True)
class Task:
    """A task instance in one of the watched states, as its latest try left it."""

    where: Where
    state: str
    at: datetime | None


@dataclass(frozen=True)
class Event:
    """An asset event and the task that emitted it."""

    asset: str
    partition_key: str | None
    extra: Mapping[str, Any]
    where: Where
    at: datetime


@dataclass(frozen=True)
class Value:
    """What a task returned."""

    where: Where
    value: Any
    at: datetime


@dataclass(frozen=True)
class History:
    """The rows of a span of days."""

    runs: tuple[Run, ...] = ()
    tasks: tuple[Task, ...] = ()
    events: tuple[Event, ...] = ()
    values: tuple[Value, ...] = ()
    paused: frozenset[str] = frozenset()

    def visible_to(self, dag_ids: Collection[str]) -> History:
        """The rows that somebody sees who may read these DAGs, and no others."""
        return History(
            tuple(row for row in self.runs if row.where.dag_id in dag_ids),
            tuple(row for row in self.tasks if row.where.dag_id in dag_ids),
            tuple(row for row in self.events if row.where.dag_id in dag_ids),
            tuple(row for row in self.values if row.where.dag_id in dag_ids),
            self.paused.intersection(dag_ids),
        )
