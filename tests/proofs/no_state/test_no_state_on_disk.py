"""No task leaves anything on a worker's disk for another: each runs with empty folders of its own, as on a new worker.

So the DAGs run unchanged where tasks land on machines that share nothing: Celery and so MWAA, ECS, Kubernetes, Lambda.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.stack import Stack, free_ports
from tests.proofs.no_state.fresh_folders import run_alone
from tests.proofs.no_state.notes import AIRFLOWS_OWN, notes_in
from tests.support.pipeline import Pipeline

# The stack is started by whichever test comes first, which its start must not fail.
pytestmark = pytest.mark.timeout(600, func_only=True)

# Each task imports Airflow anew.
PATIENCE = 240.0
CHAIN = ("extract_listings", "sense_listings", "load_listings", "report_listings")
WRITING = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('state'); print('written')"
READING = "import os, pathlib; print([str(p) for p in pathlib.Path.cwd().parent.rglob('*') if not p.is_dir()])"


@dataclass(frozen=True)
class Workers:
    """A stack whose tasks run alone, and the notes on those that ran."""

    pipeline: Pipeline
    ledger: Path

    def notes(self) -> list[dict[str, Any]]:
        """A note on each process that ran a task, waiting for another look or not."""
        return notes_in(self.ledger)

    def wait_for(self, holds: Callable[[], bool], what: str) -> None:
        """Waits until `holds`; a run of the chain that fails ends it at once, with the words of the tasks."""
        failed: list[Any] = []

        def has_come() -> bool:
            failed.extend(run for dag_id in CHAIN for run in self.pipeline.runs_of(dag_id, "failed"))
            return failed != [] or holds()

        self.pipeline.until(has_come, what, PATIENCE)
        assert [] == failed, self.words()

    def words(self) -> str:
        """What the tasks said, for a failure of the test."""
        return "\n\n".join(f"{note['task']}:\n{note['output']}" for note in self.notes())


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    """A stack whose executor gives each task folders of its own."""
    home = Path(tempfile.mkdtemp(prefix="listings-alone-")).resolve()
    home.chmod(0o755)  # PostgreSQL's own user must get through
    ledger = home / "ledger"
    ledger.mkdir()
    executor = {
        "AIRFLOW__CORE__EXECUTOR": "tests.proofs.no_state.fresh_executor.FreshExecutor",
        "FRESH_FOLDERS_LEDGER": str(ledger),
    }
    stack = Stack(
        home=home,
        ports=free_ports(),
        say=lambda line: None,
        settings={},
        airflow_settings=executor,
        durable=False,
    )
    try:
        stack.up()
        with Pipeline(stack) as pipeline:
            yield Workers(pipeline, ledger)
    finally:
        stack.down()
        shutil.rmtree(home)


@pytest.mark.sample
def test_what_a_process_leaves_is_gone_for_the_next() -> None:
    """A file in the home, the temporary or the working folder is not there any more when the next one looks."""
    for place in ("state", "../home/state", "../tmp/state"):
        first = run_alone([sys.executable, "-c", WRITING, place], {})
        assert (0, "written\n") == (first.code, first.output)
        assert [str(Path("work", place)).replace("work/../", "")] == list(first.left)
        assert not Path(first.folder).exists()
        second = run_alone([sys.executable, "-c", READING], {})
        assert ("[]\n", True) == (second.output, first.folder != second.folder)


@pytest.mark.sample
@pytest.mark.parametrize(
    "code",
    [
        WRITING,
        "import os, sys; os.makedirs(sys.argv[1])",
        "import os, sys; os.rename(os.environ['TMPDIR'], sys.argv[1])",
        "import sqlite3, sys; sqlite3.connect(sys.argv[1])",
    ],
)
def test_a_process_that_writes_elsewhere_is_stopped(tmp_path: Path, code: str) -> None:
    """A path outside of its folders raises before anything is there."""
    ended = run_alone([sys.executable, "-c", code, str(tmp_path / "state")], {})

    assert 1 == ended.code
    assert f"outside of the task's own folder: {tmp_path / 'state'}" in ended.output
    assert [] == list(tmp_path.iterdir())


def test_the_whole_chain_runs_on_workers_that_share_nothing(workers: Workers) -> None:
    """One market goes from the API to the published report, then a replay runs beside a reconciliation."""
    pipeline = workers.pipeline
    run_id = pipeline.extract(["laredo, tx"])
    assert "success" == pipeline.finish(run_id), workers.words()
    workers.wait_for(lambda: pipeline.keys("clean", "reports/latest.json") != [], "the report is published")
    workers.wait_for(lambda: all(pipeline.runs_of(dag_id, "running") == [] for dag_id in CHAIN), "the chain has ended")
    assert pipeline.loaded("laredo-tx") > 0

    # What a replay lets through would be loaded and reported a second time: that takes as long and shows no more.
    pipeline.airflow.pause("load_listings", True)
    conf = {"from_date": pipeline.today, "to_date": pipeline.today, "markets": ["laredo-tx"]}
    replay, reconciliation = (
        pipeline.airflow.trigger("replay_listings", conf=conf),
        pipeline.airflow.trigger("reconcile_listings"),
    )
    assert "success" == pipeline.finish(replay, "replay_listings"), workers.words()
    assert "success" == pipeline.finish(reconciliation, "reconcile_listings"), workers.words()


def test_each_task_ran_in_a_folder_that_is_gone(workers: Workers) -> None:
    """Every task that Airflow knows to have run did so alone, and no two of them in the same folder."""
    ran = workers.pipeline.metadata(
        "select dag_id, task_id, map_index from task_instance where start_date is not null and state = 'success'"
    )
    # A task tells that it has ended before its process does.
    workers.pipeline.until(lambda: set(ran) <= {tuple(note["task"]) for note in workers.notes()}, "each left its note")
    notes = workers.notes()
    folders = {note["folder"] for note in notes}

    assert {*CHAIN, "replay_listings", "reconcile_listings"} == {dag_id for dag_id, *_ in ran}
    assert len(notes) == len(folders)
    assert [] == [folder for folder in folders if Path(folder).exists()]


def test_no_task_left_a_file_of_its_own(workers: Workers) -> None:
    """What was there when a task ended is Airflow's log of it."""
    left = [(note["task"], name) for note in workers.notes() for name in note["left"]]

    assert [] != left
    assert [] == [(task, name) for task, name in left if not AIRFLOWS_OWN.fullmatch(name)]
