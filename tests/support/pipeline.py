"""What the end-to-end tests do with a stack: start extractions, wait, and look into its ledgers from outside."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import psycopg

from local.airflow.api import AirflowApi
from local.commands.clients import aws_client, loader_connection
from local.commands.listing_api_client import ListingApi
from local.stack import Stack
from local.stack.airflow_environment import database_environment

# A chain takes half a minute alone; in the wave it shares the machine with all the others, and that may be a slow one.
PATIENCE = 600.0
LOOK_EVERY = 0.4


class Pipeline:
    """The running stack, seen as a person and a database client see it.

    May be used by several threads: each of the two databases is asked over one connection, by one after the other.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.airflow: AirflowApi = stack.airflow()
        self.api = ListingApi(stack.ports.api)
        self.environment = stack.env()
        now = datetime.now(UTC)
        self.today, self.yesterday = now.date().isoformat(), (now - timedelta(days=1)).date().isoformat()
        self.s3 = self.client("s3")
        self._warehouse = loader_connection(stack)
        self._warehouse.prepare_threshold = None  # what is prepared would not outlive a table's change
        url = database_environment(stack.home, stack.ports)["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
        self._metadata = psycopg.connect(url.replace("+psycopg2", ""), autocommit=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        self._warehouse.close()
        self._metadata.close()

    def client(self, service: str, **credentials: str) -> Any:
        """A client of the local AWS, as the account's root unless `credentials` say otherwise."""
        return aws_client(self.stack, service, **credentials)

    def extract(
        self,
        markets: Sequence[str],
        *,
        key: str | None = "",
        page_limit: int = 1,
        source: str = "zillow56",
        listing: str = "sale",
    ) -> str:
        """Starts an extraction of today (or of `key`; None: without a partition key) and returns its run id."""
        self.airflow.pause("extract_listings", False)
        return self.airflow.trigger(
            "extract_listings",
            partition_key=self.today if key == "" else key,
            conf={"markets": list(markets), "page_limit": page_limit, "source": source, "listing": listing},
        )

    def finish(self, run_id: str, dag_id: str = "extract_listings") -> str:
        """The state that a run ends in."""
        found: list[str] = []

        def has_ended() -> bool:
            # Asked of the database: the api-server, one process, serves the tasks as well.
            sql = "select state from dag_run where dag_id = %s and run_id = %s and state in ('success', 'failed')"
            found.extend(state for (state,) in self.metadata(sql, dag_id, run_id))
            return found != []

        self.until(has_ended, f"{dag_id} run {run_id} has ended")
        return found[0]

    def reconcile(self) -> str:
        """Runs the reconciliation once and returns the state it ends in."""
        return self.finish(self.airflow.trigger("reconcile_listings"), "reconcile_listings")

    def warehouse(self, sql: str, *values: Any) -> list[Any]:
        """Rows of a query to the warehouse; none while its tables are not there."""
        try:
            return self._warehouse.execute(sql, values).fetchall()
        except psycopg.errors.UndefinedTable:
            return []

    def metadata(self, sql: str, *values: Any) -> list[Any]:
        """Rows of a query to Airflow's own database."""
        return self._metadata.execute(sql, values).fetchall()

    def loaded(self, market: str, date: str = "") -> int:
        """Snapshot rows of a market (its slug) for a date, or for today."""
        sql = "select count(*) from core.listing_snapshots where market = %s and snapshot_date = %s"
        return sum(row[0] for row in self.warehouse(sql, market, date or self.today))

    def wait_until_loaded(self, *markets: str, date: str = "") -> None:
        """Waits until the warehouse has rows of each market for a date, or for today."""
        for market in markets:
            self.until(lambda market=market: self.loaded(market, date) > 0, f"{market} is in the warehouse")

    def asked(self, market: str) -> dict[int, int]:
        """How often each page of a market was asked for."""
        pages = self.api.requests()["by_page"]
        return {int(page): n for name, n in pages.items() for _, m, page in [name.split("/")] if m == market}

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """The keys below a prefix of one of the stack's buckets: landing, raw or clean."""
        name = self.environment[f"LISTINGS_{bucket.upper()}_BUCKET"]
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix=prefix)
        return [item["Key"] for part in pages for item in part.get("Contents", [])]

    def runs_of(self, dag_id: str, state: str | None = None) -> list[dict[str, Any]]:
        """The runs of a DAG, those in `state` if given."""
        return [run for run in self.airflow.runs(dag_id) if state in (None, run["state"])]

    def is_at_rest(self) -> bool:
        """Whether no run of any DAG is under way or waits for its turn."""
        return self.metadata("select 1 from dag_run where state in ('queued', 'running')") == []

    def is_running(self, dag_id: str) -> bool:
        """Whether a run of the DAG is under way."""
        return self.metadata("select 1 from dag_run where dag_id = %s and state = 'running'", dag_id) != []

    def until(self, holds: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
        """Waits until `holds`; fails saying what did not."""
        end = time.monotonic() + patience
        while not holds():
            assert time.monotonic() < end, f"not within {patience:g} s: {what}"
            time.sleep(LOOK_EVERY)
