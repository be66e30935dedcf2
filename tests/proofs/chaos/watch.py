"""What a stack is asked from outside while a part of it may be dead: every question is asked until it is answered."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime
from typing import Any, TypeVar
from urllib.parse import quote

import psycopg
from botocore.exceptions import BotoCoreError, ClientError
from psycopg.rows import dict_row

from local.airflow.api import AirflowRefused
from local.commands.clients import aws_client, loader_connection
from local.commands.listing_api_client import ListingApi
from local.stack import Stack
from tests.proofs.chaos.plan import MOMENT, Scene

ANSWER_PATIENCE = 120.0
UNANSWERED = (
    AirflowRefused,
    BotoCoreError,
    ClientError,
    OSError,
    ValueError,
    http.client.HTTPException,
    psycopg.OperationalError,
    psycopg.InternalError,
)
ENDED = ("success", "failed")
COMPONENTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")
Found = TypeVar("Found")


def patiently(ask: Callable[[], Found], patience: float = ANSWER_PATIENCE) -> Found:
    """The answer of `ask`; while it raises what a dying or starting process causes, it is asked again."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return ask()
        except UNANSWERED:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


class Watch:
    """A running stack, seen through Airflow's REST API, the warehouse's tables and the landing bucket."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.airflow = stack.airflow()
        self._landing = stack.env()["LISTINGS_LANDING_BUCKET"]

    def set_clock(self) -> None:
        """Sets the listing API to the simulated moment, from which it ticks on."""
        patiently(lambda: ListingApi(self.stack.ports.api).set_clock(MOMENT))

    def extract(self, scene: Scene, day: date) -> str:
        """Starts an extraction of the scene's markets that is loaded as `day`; returns the run id."""
        conf = {
            "markets": list(scene.locations),
            "source": scene.source,
            "page_limit": scene.page_limit,
            "date_override": "chaos: the API's clock is set to the same moment for every run",
        }
        return self.trigger("extract_listings", day.isoformat(), conf)

    def trigger(self, dag_id: str, partition_key: str | None = None, conf: dict[str, Any] | None = None) -> str:
        """Starts a run and returns its id."""
        return patiently(lambda: self.airflow.trigger(dag_id, partition_key=partition_key, conf=conf))

    def clear_failed(self, dag_id: str, run_id: str) -> int:
        """Clears a run's failed tasks, as a person does, and returns how many."""
        return patiently(lambda: self.airflow.clear(dag_id, run_id, only_failed=True))

    def state(self, dag_id: str, run_id: str) -> str:
        """The state of a run."""
        return str(patiently(lambda: self.airflow.get(f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"))["state"])

    def runs(self, since: datetime) -> list[dict[str, Any]]:
        """All runs of all DAGs that were made since then, oldest first."""
        path = f"/dags/~/dagRuns?order_by=run_after&run_after_gte={quote(since.isoformat())}"
        return patiently(lambda: self.airflow.listed(path, "dag_runs"))

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The task instances of a run."""
        return patiently(lambda: self.airflow.tasks(dag_id, run_id))

    def task_named(self, task_id: str, since: datetime) -> str:
        """DAG, task and map index of the task instance with this id; what is known when it is none of ours."""
        for run in self.runs(since):
            for task in self.tasks(run["dag_id"], run["dag_run_id"]):
                if task["id"] == task_id:
                    return f"{task['dag_id']}.{task['task_id']}[{task['map_index']}]"
        return f"(task instance {task_id})"

    def log(self, dag_id: str, run_id: str, task: dict[str, Any]) -> str:
        """The log of a task instance's last try; what was said instead of it if there is none."""
        try:
            return self.airflow.log(dag_id, run_id, task)
        except UNANSWERED as error:
            return f"(no log: {error})"

    def is_whole(self, since: datetime) -> bool:
        """Whether every component of Airflow has reported after `since`: a killed one counts as healthy for a while."""
        try:
            health = self.airflow.get("/monitor/health")
        except UNANSWERED:
            return False
        reports = [health[name] for name in COMPONENTS]
        return all(
            report["status"] == "healthy"
            and all(_moment(at) > since for name, at in report.items() if name.startswith("latest_") and at)
            for report in reports
        )

    def loaded(self, source: str, day: date) -> frozenset[str]:
        """The markets of which the warehouse's ledger has a loaded set for this date."""
        sql = (
            "select distinct market from core.load_audit where status = 'loaded' and source = %s and snapshot_date = %s"
        )
        return frozenset(row["market"] for row in self.rows(sql, source, day))

    def landed(self, source: str, day: date) -> frozenset[str]:
        """The markets that have a complete set in the landing bucket for this date."""

        def look() -> frozenset[str]:
            pages = aws_client(self.stack, "s3").get_paginator("list_objects_v2")
            parts = pages.paginate(Bucket=self._landing, Prefix=f"listings/source={source}/")
            keys = [item["Key"] for part in parts for item in part.get("Contents", [])]
            whole = [key for key in keys if f"/date={day}/" in key and key.endswith("/_manifest.json")]
            return frozenset(key.split("/market=")[1].split("/")[0] for key in whole)

        return patiently(look)

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Rows of a query to the warehouse; none while its tables are not there."""

        def query() -> list[dict[str, Any]]:
            with closing(loader_connection(self.stack)) as connection:
                connection.row_factory = dict_row
                try:
                    return connection.execute(sql, values).fetchall()
                except psycopg.errors.UndefinedTable:
                    return []

        return patiently(query)


def now() -> datetime:
    """The time, UTC."""
    return datetime.now(UTC)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
