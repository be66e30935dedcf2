"""A DAG file gives the same DAG whenever and wherever it is parsed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.utils.dag_version_inflation_checker import check_dag_file_stability

from tests.dags.conftest import DAGS_FOLDER, PROJECT_ROOT
from tests.support.dag_ids import DAG_IDS

# Each environment in a child of a process that has imported Airflow and nothing of ours.
PARSE = """
import json, os, socket, sys
def refuse(self, address):
    raise AssertionError(f"a connection to {address} while a DAG file is parsed")
socket.socket.connect = refuse
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
for environment in json.loads(sys.argv[2]):
    if child := os.fork():
        os.waitpid(child, 0)
        continue
    os.environ.update(environment)
    bag = DagBag(sys.argv[1])
    found = {dag_id: DagSerialization.serialize_dag(dag) for dag_id, dag in bag.dags.items()}
    errors = {str(name): str(words) for name, words in bag.import_errors.items()}
    print("PARSED " + json.dumps({"errors": errors, "dags": found}, sort_keys=True, default=str), flush=True)
    os._exit(0)
"""
DEPLOYED = {
    "LISTINGS_LANDING_BUCKET": "some-landing",
    "LISTINGS_RAW_BUCKET": "some-raw",
    "LISTINGS_CLEAN_BUCKET": "some-clean",
    "LISTINGS_COPY_QUEUE_URL": "http://127.0.0.1:9/copy",
    "LISTINGS_TRANSFORM_QUEUE_URL": "http://127.0.0.1:9/transform",
    "LISTINGS_COPY_DEAD_LETTER_URL": "http://127.0.0.1:9/copy-dead",
    "LISTINGS_TRANSFORM_DEAD_LETTER_URL": "http://127.0.0.1:9/transform-dead",
    "LISTINGS_TRANSFORM_VERSION": "0123456789ab",
}
UNSTABLE = """
from datetime import datetime
from airflow.sdk import dag

@dag(start_date=datetime.now())
def unstable():
    pass

unstable()
"""


def parsed(home: Path, *environments: dict[str, str]) -> list[dict[str, Any]]:
    """The serialized DAGs as processes of their own parse them, each with its environment and no other."""
    home.mkdir()
    run = subprocess.run(
        [sys.executable, "-c", PARSE, str(DAGS_FOLDER), json.dumps(environments)],
        env={
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(home),
            "AIRFLOW_HOME": str(home),
            "PYTHONPATH": str(PROJECT_ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == run.returncode, run.stderr[-2000:]
    lines = [line.removeprefix("PARSED ") for line in run.stdout.splitlines() if line.startswith("PARSED ")]
    found = [json.loads(line) for line in lines]
    assert [{}] * len(environments) == [each["errors"] for each in found], run.stderr[-2000:]
    return [each["dags"] for each in found]


@pytest.mark.parametrize("path", sorted(DAGS_FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_no_file_makes_a_new_version_at_every_parse(path: Path) -> None:
    """Airflow's own checker finds no value in a DAG or a task that differs from one parse to the next."""
    found = check_dag_file_stability(str(path))

    assert ("error", {}) == (found.check_level.value, found.warnings)


def test_an_unstable_file_would_be_found(tmp_path: Path) -> None:
    """A DAG that starts now is flagged, with the line."""
    file = tmp_path / "unstable.py"
    file.write_text(UNSTABLE)

    assert [5] == list(check_dag_file_stability(str(file)).warnings)


def test_a_deployment_does_not_change_the_dags(tmp_path: Path) -> None:
    """Where nothing is deployed the files parse, without the network, to the same DAGs as on a deployed stack."""
    bare, deployed = parsed(tmp_path / "home", {}, DEPLOYED)

    assert DAG_IDS == sorted(bare)
    assert bare == deployed
