"""reconcile_listings: what its tasks hand on to `include.reconcile.steps`, which has tests of its own."""

from __future__ import annotations

import json
from contextlib import nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.amazon.aws.hooks.redshift_sql import RedshiftSQLHook
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.hooks.sqs import SqsHook
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, ParamValidationError

from include.assets import WAREHOUSE_LISTINGS
from include.base.settings import resources
from include.reconcile import steps
from include.reconcile.gaps import Gaps
from tests.support.examples import ENVIRONMENT, KEY
from tests.support.memory_s3 import MemoryS3


def call(dags: dict[str, Any], task_id: str, *arguments: Any, **context: Any) -> Any:
    """What the task's function does."""
    return dags["reconcile_listings"].get_task(task_id).python_callable(*arguments, **context)


@pytest.mark.parametrize("retry_stuck", [True, False])
def test_a_person_can_have_the_stuck_ones_sent_again(
    dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch, retry_stuck: bool
) -> None:
    """The param reaches the search for gaps, whose find goes through XCom unharmed."""
    found = Gaps(not_copied=(KEY,), stuck=("a manifest (not clean)",))
    asked: list[dict[str, Any]] = []

    def find_gaps(*_: Any, **options: Any) -> Gaps:
        asked.append(options)
        return found

    monkeypatch.setattr(steps, "find_gaps", find_gaps)
    monkeypatch.setattr(RedshiftSQLHook, "get_conn", lambda hook: nullcontext())
    monkeypatch.setattr(S3Hook, "get_conn", lambda hook: None)

    monkeypatch.setattr(SqsHook, "get_conn", lambda hook: None)

    gaps = call(dags, "find_gaps", ti=SimpleNamespace(start_date=None), params={"days": 9, "retry_stuck": retry_stuck})

    assert [{"days": 9, "retry_stuck": retry_stuck}] == asked
    assert found == Gaps.from_dict(json.loads(json.dumps(gaps)))


def test_the_hourly_run_does_not_retry_what_is_stuck(dags: dict[str, Any]) -> None:
    """Unless a person says so the param is false, and nothing but true or false is taken."""
    param = dags["reconcile_listings"].params.get_param("retry_stuck")

    assert param.resolve() is False
    with pytest.raises(ParamValidationError):
        param.resolve("yes")


@pytest.mark.parametrize("days", [0, -1, 401, "week"])
def test_days_are_a_number_of_dates(dags: dict[str, Any], days: Any) -> None:
    """A week is looked back on unless a person names another number from 1 to 400."""
    param = dags["reconcile_listings"].params.get_param("days")

    assert 7 == param.resolve()
    with pytest.raises(ParamValidationError):
        param.resolve(days)


def test_what_is_stuck_fails_the_report(dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The last task fails with the message for a person, and passes when there is none."""
    buckets = MemoryS3("clean")
    monkeypatch.setattr(S3Hook, "get_conn", lambda hook: buckets)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    resources.cache_clear()
    ti = SimpleNamespace(start_date=datetime(2026, 11, 22, tzinfo=UTC))

    call(dags, "report_the_rest", Gaps(not_copied=(KEY,)).to_dict(), ti=ti)
    with pytest.raises(AirflowFailException, match=r"1 set\(s\) are stuck [^\n]*\n  a manifest \(not clean\)\n→ "):
        call(dags, "report_the_rest", Gaps(stuck=("a manifest (not clean)",)).to_dict(), ti=ti)
    resources.cache_clear()


def test_marts_that_were_dropped_wake_the_report(dags: dict[str, Any]) -> None:
    """The partition of the warehouse is emitted for; where no mart was dropped the task is skipped."""
    event = SimpleNamespace(added=[], extra=None)
    event.add_partitions = event.added.extend
    events = {WAREHOUSE_LISTINGS: event}

    call(dags, "announce_loaded", Gaps(unbuilt=("all|2026-11-22",)).to_dict(), outlet_events=events)
    assert (["all|2026-11-22"], {"by": "reconcile_listings"}) == (event.added, event.extra)
    with pytest.raises(AirflowSkipException):
        call(dags, "announce_loaded", Gaps(not_copied=(KEY,)).to_dict(), outlet_events=events)
