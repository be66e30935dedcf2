"""load_listings: a task of a batch that fails leaves its reason where the batch is recorded as suspect."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

import pytest
from airflow.providers.amazon.aws.hooks.redshift_sql import RedshiftSQLHook
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.sdk.execution_time.context import OutletEventAccessors

from include.load import steps
from include.load.operator import CopyToStagingOperator
from include.load.steps import Suspects
from tests.support.xcoms import Instance

STEPS = ("create_staging", "copy_listings", "copy_rejects", "load")


class _Recording(Instance):
    """An instance of record_suspects, which knows the tasks before it."""

    def __init__(self, task: Any, failed: Instance) -> None:
        super().__init__(task.task_id, failed.map_index, failed.left)
        self.task = task


@pytest.mark.parametrize("step", STEPS)
def test_the_reason_of_each_step_is_recorded(dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Whichever COPY or load failed, its words reach the audit and the error of the run."""
    failed = Instance(f"load_batch.{step}", map_index=1)
    with pytest.raises(ValueError, match="as it was"), steps.fault_noted(failed):
        raise ValueError("as it was")
    monkeypatch.setattr(RedshiftSQLHook, "get_conn", lambda hook: nullcontext())
    monkeypatch.setattr(steps, "record_suspects", lambda connection, batch, fault: Suspects(f"recorded: {fault}"))
    record, name = (dags["load_listings"].get_task(f"load_batch.{each}_suspects") for each in ("record", "name"))

    with pytest.raises(AirflowFailException, match=f"^recorded: load_batch.{step}: ValueError: as it was$"):
        name.python_callable(record.python_callable({}, ti=_Recording(record, failed)))


def test_a_batch_with_halves_wakes_its_load(dags: dict[str, Any]) -> None:
    """The partition of a set wakes the load of its date; of a batch that was one set nothing is emitted."""
    wake = dags["load_listings"].get_task("load_batch.wake_for_halves").python_callable
    events = OutletEventAccessors()
    wake(asdict(Suspects("words", "zillow56/houston-tx|2026-11-22")), outlet_events=events)

    [emitted] = [each for asset, each in events._dict.items() if each.partition_keys]
    assert {"zillow56/houston-tx|2026-11-22"} == set(emitted.partition_keys)
    with pytest.raises(AirflowSkipException):
        wake(asdict(Suspects("words")), outlet_events=events)


def test_the_load_notes_its_reason(dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A load that cannot even connect leaves that as the reason."""

    def refuse(hook: object) -> None:
        raise ConnectionError("nobody there")

    monkeypatch.setattr(RedshiftSQLHook, "get_conn", refuse)
    instance = Instance("load_batch.load")

    with pytest.raises(ConnectionError):
        dags["load_listings"].get_task("load_batch.load").python_callable({}, {}, ti=instance, outlet_events={})
    assert "load_batch.load: ConnectionError: nobody there" == steps.noted_fault(instance, ["load_batch.load"])


def test_a_batch_is_copied_by_what_notes_and_replaces(dags: dict[str, Any]) -> None:
    """Both COPYs are the operator that may run again, and all four steps are before the record of a failure."""
    dag = dags["load_listings"]
    copies = [dag.get_task(f"load_batch.copy_{table}") for table in ("listings", "rejects")]

    assert [CopyToStagingOperator, "REPLACE"] * 2 == [each for task in copies for each in (type(task), task.method)]
    before = dag.get_task("load_batch.record_suspects").upstream_task_ids - {"plan_batches"}
    assert {f"load_batch.{step}" for step in STEPS} == before
