"""An executor of Airflow that runs each task as one that scales out does: a process with the workload and no more.

The command is that of Airflow's executors for containers. What no such worker has is taken from the environment: the
metadata database, the keys that sign and encrypt, the files of the login. `FRESH_FOLDERS_LEDGER` names a folder for a
note on each task that ran.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from airflow.executors.base_executor import BaseExecutor
from airflow.utils.state import TaskInstanceState

from tests.proofs.no_state.fresh_folders import Ended, run_alone

LEDGER = "FRESH_FOLDERS_LEDGER"
COMMAND = [sys.executable, "-m", "airflow.sdk.execution_time.execute_workload", "--json-path", "/dev/stdin"]
NOT_THERE = (
    "AIRFLOW__API__SECRET_KEY",
    "AIRFLOW__API_AUTH__JWT_SECRET",
    "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
)
AT_ONCE = 3


class FreshExecutor(BaseExecutor):
    """Each task in folders of its own."""

    def start(self) -> None:
        """Takes tasks from now on."""
        self._threads = ThreadPoolExecutor(AT_ONCE)
        self._ended: SimpleQueue[tuple[Any, Ended]] = SimpleQueue()

    def _process_workloads(self, workload_items: Sequence[Any]) -> None:
        for workload in workload_items:
            del self.queued_tasks[workload.key]
            self._threads.submit(self._run, workload)

    def _run(self, workload: Any) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in NOT_THERE}
        ended = run_alone(COMMAND, environment, stdin=workload.model_dump_json())
        note = {
            "task": [workload.ti.dag_id, workload.ti.task_id, workload.ti.map_index],
            "code": ended.code,
            "folder": ended.folder,
            "left": ended.left,
            "output": ended.output[-4000:],
        }
        place = Path(os.environ[LEDGER], uuid.uuid4().hex)
        place.write_text(json.dumps(note))
        place.rename(place.with_suffix(".json"))  # whole as soon as it is seen
        self._ended.put((workload.key, ended))

    def sync(self) -> None:
        """Tells the scheduler what has ended; the task itself told the api-server how."""
        while not self._ended.empty():
            key, ended = self._ended.get()
            self.change_state(key, TaskInstanceState.FAILED if ended.code else TaskInstanceState.SUCCESS)

    def end(self) -> None:
        """Waits for what runs."""
        self._threads.shutdown()
        self.sync()

    def terminate(self) -> None:
        """Takes nothing any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
