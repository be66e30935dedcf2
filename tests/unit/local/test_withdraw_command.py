"""How `make withdraw` tells what came of a withdrawal and of the load that it woke, against an Airflow by script."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local.commands.withdraw import withdraw
from local.stack import Ports, Stack, StackError
from tests.support.answering import answering

SET = "zillow56/houston-tx/2026-11-22/20261122T060003Z-1f3a9c"
CONF = {"set": SET, "reason": "other town", "give_back": False}


def airflow_where(
    *, came: dict[str, str] | None, load: str = "success", paused: bool = False, loads: tuple[str, ...] = ()
) -> dict[str, Any]:
    """What an Airflow answers in which the withdrawal left `came`, and a load for each of these partitions was made."""

    def tasks(task_id: str, state: str) -> tuple[int, dict[str, Any]]:
        task = {"task_id": task_id, "map_index": -1, "state": state, "try_number": 1}
        return 200, {"task_instances": [task | {"end_date": "2026-11-23T09:00:01+00:00"}], "total_entries": 1}

    made = [{"dag_run_id": f"l{number}", "partition_key": key} for number, key in enumerate(loads)]
    raised = {"event": "failed", "error_detail": [{"exc_type": "Refused", "exc_value": "these are the words"}]}
    return {
        "/auth/token": (201, {"access_token": "token-not-real"}),
        "/dags/withdraw_listings/dagRuns": (200, {"dag_run_id": "w"}),
        "/dagRuns/w": (200, {"state": "success" if came else "failed"}),
        "/dagRuns/w/taskInstances": tasks("withdraw_set", "success" if came else "failed"),
        "/xcomEntries/return_value": (200, {"value": came}) if came else (404, {}),
        "/dags/load_listings": (200, {"is_paused": paused}),
        "/dags/load_listings/dagRuns": (200, {"dag_runs": made, "total_entries": len(made)}),
        "/dagRuns/l1": (200, {"state": load}),
        **dict.fromkeys(("/dagRuns/l0", "/dagRuns/l2"), (200, {"state": "another's"})),
        "/dagRuns/l1/taskInstances": tasks("plan_batches", load),
        "/logs/1": (200, {"content": [raised]}),
    }


CAME = {"said": f"{SET} is withdrawn: [other] town", "partition": "zillow56/houston-tx|2026-11-22"}
OTHER_AND_OURS = ("all|2026-11-21", "all|2026-11-22", "all|2026-11-22")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not come is not waited for."""
    for name in ("PATIENCE", "WAKE_PATIENCE"):
        monkeypatch.setattr(f"local.commands.withdraw.{name}", 0.0)


def command(tmp_path: Path, **answers: Any) -> tuple[int, str, list[Any]]:
    """Exit code and words of a withdrawal, and what Airflow was asked."""
    said = io.StringIO()
    with answering(airflow_where(**answers)) as airflow:
        stack = Stack(home=tmp_path, ports=Ports(ui=airflow.port))
        return withdraw(stack, CONF, Console(file=said, width=40)), said.getvalue(), airflow.asked


def test_the_load_of_the_date_is_waited_for(tmp_path: Path) -> None:
    """Of the loads made since the withdrawal the first of its own date is told of, and the exit code is 0."""
    code, said, asked = command(tmp_path, came=CAME, loads=OTHER_AND_OURS)

    assert 0 == code
    assert f"{SET} is withdrawn: [other] town\n" in said
    assert said.endswith("load_listings was woken for 2026-11-22; its run l1 ended: success\n")
    assert [CONF] == [body["conf"] for method, path, body in asked if method == "POST" and "withdraw" in path]
    [looked] = [path for _, path, _ in asked if "/load_listings/dagRuns?" in path]
    assert "run_after_gte=2026-11-23T09%3A00%3A01%2B00%3A00" in looked


def test_what_the_dag_refuses_is_told(tmp_path: Path) -> None:
    """The words of the failed task, exit code 1, and no load is waited for."""
    code, said, asked = command(tmp_path, came=None)

    assert (1, "withdraw_set: these are the words\n") == (code, said)
    assert not [path for _, path, _ in asked if "load_listings" in path]


def test_a_load_that_fails_is_told(tmp_path: Path) -> None:
    """The set is withdrawn all the same; the load's words follow, and the exit code is 1."""
    code, said, _ = command(tmp_path, came=CAME, load="failed", loads=OTHER_AND_OURS)

    assert 1 == code
    assert said.endswith("its run l1 ended: failed\nplan_batches: these are the words\n")


def test_a_paused_load_is_not_waited_for(tmp_path: Path) -> None:
    """Its event is lost: it says so, and that the command is to be given again."""
    with pytest.raises(StackError, match=r"load_listings is paused and was not woken: unpause it, .*, and say this"):
        command(tmp_path, came=CAME, paused=True)


def test_a_load_that_nobody_makes_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    """A load of another date is none of ours; patience ends with the place to look at."""
    with pytest.raises(StackError, match="no run of load_listings for 2026-11-22 came: look at http://"):
        command(tmp_path, came=CAME, loads=("all|2026-11-21",))
