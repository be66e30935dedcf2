"""docs/runbook.md has an entry for every alarm and every task, and none for what is gone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.template import of_type, read_template, without_intrinsics

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = ROOT / "docs" / "runbook.md"
TASKS = (
    "import logging; logging.disable()\n"
    "from airflow.dag_processing.dagbag import DagBag\n"
    "for dag in DagBag('dags').dags.values():\n"
    "    for task in dag.task_ids: print('TASK', dag.dag_id, task)\n"
)


def _first_cells(heading: str) -> list[str]:
    """The first cell of each row of the table under a heading."""
    section = RUNBOOK.read_text(encoding="utf-8").split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert rows, heading
    return [row.split("|")[1] for row in rows]


def test_every_alarm_has_an_entry() -> None:
    """The alarms of the template are those of the runbook, by name."""
    alarms = of_type(read_template(), "AWS::CloudWatch::Alarm").values()
    wanted = {without_intrinsics(a["Properties"]["AlarmName"]).removeprefix("${Project}-${Stage}-") for a in alarms}
    named = {name for cell in _first_cells("Alarms") for name in re.findall(r"`([a-z-]+)`", cell)}
    assert wanted == named


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """Every task of every DAG, as Airflow reads them."""
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(ROOT),
    }
    ran = subprocess.run(
        [sys.executable, "-c", TASKS], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    found = {tuple(line.split()[1:]) for line in ran.stdout.splitlines() if line.startswith("TASK ")}
    assert len(found) > 20
    return {(dag, task) for dag, task in found}


def test_every_task_has_an_entry(tasks: set[tuple[str, str]]) -> None:
    """The tasks of the DAGs are those of the runbook; a group's name stands once for all that follow it."""
    named = set()
    for cell in _first_cells("Failing tasks"):
        dag, *rest = re.findall(r"`([a-z_.]+)`", cell)
        group = rest[0].rpartition(".")[0]
        named |= {(dag, name if "." in name or not group else f"{group}.{name}") for name in rest}
    assert tasks == named
