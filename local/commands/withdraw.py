"""`make withdraw`: withdraws a set or gives it back, and waits until the load that it woke has ended."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from rich.console import Console

from local.airflow.api import AirflowApi
from local.commands.replay import complaints, running_stack
from local.patience import Patience
from local.stack import Stack, StackError, leave_out_foreign_settings
from local.stack.exit_sentences import in_a_sentence

DAG = "withdraw_listings"
TASK = "withdraw_set"
LOAD = "load_listings"
# Seconds without progress. A load waits until the one before it has ended.
PATIENCE = 1800.0
WAKE_PATIENCE = 120.0


def withdraw(stack: Stack, conf: dict[str, Any], console: Console) -> int:
    """Run the DAG and the load that it wakes, and print what came of both; 0 when both ended well."""
    airflow = stack.airflow()
    run_id = airflow.trigger(DAG, conf=conf)
    airflow.wait_for_run(DAG, run_id, PATIENCE)
    if not (came := airflow.returned(DAG, run_id, TASK)):
        return _failed(airflow, DAG, run_id, console)
    console.print(came["said"], markup=False, soft_wrap=True)
    date = came["partition"].rpartition("|")[2]
    load = _woken_load(stack, date, since=airflow.tasks(DAG, run_id)[0]["end_date"])
    state = airflow.wait_for_run(LOAD, load, PATIENCE)
    console.print(f"{LOAD} was woken for {date}; its run {load} ended: {state}", markup=False, soft_wrap=True)
    return 0 if state == "success" else _failed(airflow, LOAD, load, console)


def _woken_load(stack: Stack, date: str, since: str) -> str:
    """Return the first run of the date's load made after `since`: it plans with what was put or taken away."""
    airflow, waiting = stack.airflow(), Patience(WAKE_PATIENCE)
    # An event that finds its consumer paused is lost.
    while not airflow.get(f"/dags/{LOAD}")["is_paused"]:
        runs = airflow.listed(f"/dags/{LOAD}/dagRuns?order_by=run_after&run_after_gte={quote(since)}", "dag_runs")
        if found := [run["dag_run_id"] for run in runs if run["partition_key"] == f"all|{date}"]:
            return str(found[0])
        if waiting.is_over():
            raise StackError(f"no run of {LOAD} for {date} came: look at {stack.ui_url}/dags/{LOAD}")
        time.sleep(1)
    raise StackError(f"{LOAD} is paused and was not woken: unpause it, {stack.ui_url}/dags/{LOAD}, and say this again")


def _failed(airflow: AirflowApi, dag_id: str, run_id: str, console: Console) -> int:
    for words in complaints(airflow, dag_id, run_id):
        console.print(words, style="red", markup=False, soft_wrap=True)
    return 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when all went well, 1 when something did not, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m local.commands.withdraw", description=__doc__)
    parser.add_argument("--set", required=True, help="source/market/date/extraction")
    parser.add_argument("--reason", default="", help="why it must not count")
    parser.add_argument("--give-back", action="store_true", help="undo its withdrawal")
    conf = vars(parser.parse_args(arguments))
    leave_out_foreign_settings()
    console = Console(highlight=False)
    return in_a_sentence(
        lambda: withdraw(running_stack(), conf, console),
        lambda sentence: console.print(sentence, style="red", soft_wrap=True, markup=False),
    )


if __name__ == "__main__":
    sys.exit(main())
