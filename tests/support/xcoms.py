"""Stands in for Airflow's task instance where code of ours only leaves and finds XComs."""

from __future__ import annotations

from typing import Any


class Instance:
    """One instance of a task; instances that share `left` see each other's XComs, as those of a run do."""

    def __init__(self, task_id: str, map_index: int = 0, left: dict[tuple[str, int, str], Any] | None = None) -> None:
        self.task_id = task_id
        self.map_index = map_index
        self.left: dict[tuple[str, int, str], Any] = {} if left is None else left

    def xcom_push(self, key: str, value: Any) -> None:
        """Leaves a value."""
        self.left[self.task_id, self.map_index, key] = value

    def xcom_pull(self, *, task_ids: str, key: str, map_indexes: int) -> Any:
        """The value that an instance of a task left, or None."""
        return self.left.get((task_ids, map_indexes, key))
