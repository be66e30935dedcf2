"""Knows how much of its own history Airflow keeps: what is older goes, so that its database does not grow for ever.

`python -m infra.host.clean`, each week by a timer, with Airflow's Python, as its account. The pipeline needs none of
it: what is landed, clean, loaded and reported is read from S3 and the warehouse.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

# The page of the listings looks back 90 days, and at runs of three days before those.
KEPT_DAYS = 100
# With a run go its tasks and all that hangs on them; of a scheduled DAG the last run stays, whatever its age.
# `dag` is not among them. A row there says whether a DAG is paused, and after a long stop all would look old.
TABLES = (
    "asset_event",
    "callback",
    "dag_run",
    "dag_version",
    "deadline",
    "import_error",
    "job",
    "log",
    "partitioned_asset_key_log",
    "revoked_token",
    "task_instance",
    "task_instance_history",
    "task_reschedule",
    "trigger",
    "xcom",
)


def command(airflow: Path, now: datetime) -> list[str]:
    """Airflow's command that removes what is older, for good, and fails when a table cannot be cleaned."""
    before = (now - timedelta(days=KEPT_DAYS)).isoformat(timespec="seconds")
    options = ["--clean-before-timestamp", before, "--tables", ",".join(TABLES)]
    return [str(airflow), "db", "clean", *options, "--skip-archive", "--error-on-cleanup-failure", "--yes"]


def main() -> int:
    """Runs that command; its exit code."""
    return subprocess.call(command(Path(sys.executable).with_name("airflow"), datetime.now(UTC)))


if __name__ == "__main__":
    sys.exit(main())
