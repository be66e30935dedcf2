"""report_listings: what wakes it, what its tasks hand on, and when it has nothing to publish."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.amazon.aws.hooks.redshift_sql import RedshiftSQLHook
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.execution_time.context import OutletEventAccessors

from include.assets import MARKET_REPORT
from include.base.refusals import Refused
from include.report import steps
from include.warehouse.sql_files import MART_CHECK_FILES, MART_FILES, ChecksFailed

PUBLISHED = {"date": "2026-11-22", "uri": "s3://clean/reports/date=2026-11-22/report.html", "latest": True}


@pytest.fixture
def publish(dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs publish_report with what `reporting.publish` would give."""

    def run(published: list[dict[str, Any]], events: OutletEventAccessors) -> Any:
        monkeypatch.setattr(RedshiftSQLHook, "get_conn", lambda hook: nullcontext())
        monkeypatch.setattr(S3Hook, "get_conn", lambda hook: None)
        monkeypatch.setattr(steps, "publish", lambda *_, **given: published)
        task = dags["report_listings"].get_task("publish_report")
        return task.python_callable(
            {},
            partition_key="all|2026-11-22",
            dag_run=SimpleNamespace(run_id="run"),
            ti=SimpleNamespace(start_date=datetime(2026, 11, 22, tzinfo=UTC)),
            outlet_events=events,
        )

    return run


def test_it_runs_once_at_a_time_for_the_key_of_the_load(dags: dict[str, Any]) -> None:
    """The event of a load wakes one run of the same key, and runs do not overlap."""
    dag = dags["report_listings"]
    mapper = dag.timetable.default_partition_mapper

    assert ("all|2026-11-22", 1) == (mapper.to_downstream("all|2026-11-22"), dag.max_active_runs)


def test_every_mart_and_check_is_rendered_in_the_task(dags: dict[str, Any]) -> None:
    """The UI's rendered tab shows the SQL that ran: each file of both lists, in order."""
    given = dags["report_listings"].get_task("build_marts").templates_dict

    assert [f"{{% include '{name}' %}}" for name in MART_FILES] == given["marts"]
    assert [f"{{% include '{name}' %}}" for name in MART_CHECK_FILES] == given["checks"]


def test_the_event_links_to_the_report(publish: Any) -> None:
    """The asset's event says where the report lies and where the page is."""
    events = OutletEventAccessors()
    publish([PUBLISHED], events)

    extra = events[MARKET_REPORT].extra
    assert (PUBLISHED["uri"], "listings/?date=2026-11-22") == (extra["uri"], extra["page"])


def test_a_run_with_nothing_due_is_skipped(publish: Any) -> None:
    """Neither a build nor a missing report: no event, and the run ends at once."""
    with pytest.raises(AirflowSkipException, match="newest build"):
        publish([], OutletEventAccessors())


def test_a_check_that_fails_is_not_tried_again(dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Evidence does not pass by waiting: the task fails at once, with the check's words."""

    def refuse(*_: object, **given: object) -> None:
        raise ChecksFailed({"mart_checks/010_bounds.sql": [{"market": "houston-tx", "active": -1}]})

    monkeypatch.setattr(RedshiftSQLHook, "get_conn", lambda hook: nullcontext())
    monkeypatch.setattr(steps, "build", refuse)
    task = dags["report_listings"].get_task("build_marts")

    with pytest.raises(Refused, match=r"010_bounds\.sql failed: market houston-tx; active -1"):
        task.python_callable({}, dag_run=SimpleNamespace(run_id="run"), params={"full": False})
