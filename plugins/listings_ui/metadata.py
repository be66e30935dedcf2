"""The rows of Airflow's metadata database that the live table is made from: read, never written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date as Date
from datetime import datetime, time, timedelta
from typing import Any

from airflow.models.asset import AssetEvent, AssetModel
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from include.progress.rows import (
    CLEAN,
    LANDED,
    PIPELINE,
    VALUES,
    WATCHED_TASKS,
    Event,
    History,
    Run,
    Task,
    Value,
    Where,
)

MOST_ROWS = 20_000
"""Of a kind; the newest are taken."""

# The date of an extraction may be this far from the day of its run: LISTINGS_DATE_TOLERANCE_HOURS.
_EARLIER = timedelta(days=3)


def read_history(session: Session, since: Date, zone: Any) -> History:
    """What the pipeline's DAGs did for the dates from `since` on."""
    after = datetime.combine(since, time(), zone) - _EARLIER
    return History(
        runs=tuple(_runs(session, after)),
        tasks=tuple(_tasks(session, after)),
        events=tuple(_events(session, after)),
        values=tuple(_values(session, after)),
        paused=frozenset(
            session.scalars(select(DagModel.dag_id).where(DagModel.dag_id.in_(PIPELINE), DagModel.is_paused))
        ),
    )


def _runs(session: Session, after: datetime) -> Iterator[Run]:
    query = (
        select(DagRun.dag_id, DagRun.run_id, DagRun.state, DagRun.partition_key, DagRun.run_after)
        .where(DagRun.dag_id.in_(PIPELINE), DagRun.run_after >= after)
        .order_by(DagRun.run_after.desc())
        .limit(MOST_ROWS)
    )
    for dag_id, run_id, state, partition_key, run_after in session.execute(query):
        yield Run(Where(dag_id, run_id), str(state), partition_key, run_after)


def _tasks(session: Session, after: datetime) -> Iterator[Task]:
    of_run = and_(DagRun.dag_id == TaskInstance.dag_id, DagRun.run_id == TaskInstance.run_id)
    query = (
        select(
            TaskInstance.dag_id,
            TaskInstance.run_id,
            TaskInstance.task_id,
            TaskInstance.map_index,
            TaskInstance.try_number,
            TaskInstance.state,
            func.coalesce(TaskInstance.end_date, TaskInstance.start_date, TaskInstance.updated_at),
        )
        .join(DagRun, of_run)
        .where(TaskInstance.dag_id.in_(PIPELINE), DagRun.run_after >= after, TaskInstance.state.in_(WATCHED_TASKS))
        .order_by(DagRun.run_after.desc())
        .limit(MOST_ROWS)
    )
    for dag_id, run_id, task_id, map_index, try_number, state, at in session.execute(query):
        yield Task(Where(dag_id, run_id, task_id, map_index, try_number), str(state), at)


def _events(session: Session, after: datetime) -> Iterator[Event]:
    query = (
        select(
            AssetModel.name,
            AssetEvent.partition_key,
            AssetEvent.extra,
            AssetEvent.source_dag_id,
            AssetEvent.source_run_id,
            AssetEvent.source_task_id,
            AssetEvent.source_map_index,
            AssetEvent.timestamp,
        )
        .join(AssetModel, AssetModel.id == AssetEvent.asset_id)
        .where(
            AssetModel.name.in_((LANDED, CLEAN)),
            AssetEvent.timestamp >= after,
            AssetEvent.source_dag_id.in_(PIPELINE),
        )
        .order_by(AssetEvent.timestamp.desc())
        .limit(MOST_ROWS)
    )
    for asset, partition_key, extra, dag_id, run_id, task_id, map_index, at in session.execute(query):
        where = Where(dag_id, run_id or "", task_id, -1 if map_index is None else map_index)
        yield Event(asset, partition_key, extra or {}, where, at)


def _values(session: Session, after: datetime) -> Iterator[Value]:
    wanted = or_(*(and_(XComModel.dag_id == dag, XComModel.task_id == task) for dag, task in VALUES))
    query = (
        select(XComModel.dag_id, XComModel.run_id, XComModel.task_id, XComModel.map_index, XComModel.value,
               XComModel.timestamp)
        .join(DagRun, DagRun.id == XComModel.dag_run_id)
        .where(wanted, XComModel.key == "return_value", DagRun.run_after >= after)
        .order_by(XComModel.timestamp.desc())
        .limit(MOST_ROWS)
    )  # fmt: skip
    for row in session.execute(query):
        where = Where(row.dag_id, row.run_id, row.task_id, row.map_index)
        yield Value(where, XComModel.deserialize_value(row), row.timestamp)
