"""Airflow reads this where the folder is on its path: one partition's tasks run in folders of their own.

Which one says `FRESH_FOLDERS_PARTITION`, and the executor must be among Airflow's.
"""

import os
from typing import Any

EXECUTOR = "tests.proofs.no_state.fresh_executor.FreshExecutor"


def task_instance_mutation_hook(task_instance: Any, dag_run: Any) -> None:
    """Hands the tasks of the partition's runs to that executor."""
    if dag_run is not None and dag_run.partition_key == os.environ["FRESH_FOLDERS_PARTITION"]:
        task_instance.executor = EXECUTOR
