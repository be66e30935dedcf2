"""What FreshExecutor noted on the processes that ran tasks."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

# What Airflow itself writes for each task: the log, which workers send elsewhere.
AIRFLOWS_OWN = re.compile(r"airflow/logs/.+")


def notes_in(ledger: Path) -> list[dict[str, Any]]:
    """A note on each process that ran a task: `task` (DAG, task, map index), `code`, `folder`, `left`, `output`."""
    return [json.loads(path.read_text()) for path in ledger.glob("*.json")]
