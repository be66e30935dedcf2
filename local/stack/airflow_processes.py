"""Airflow's four processes: the schema they need, their start, and when they are truly up."""

from __future__ import annotations

import hashlib
import http.client
import json
import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import psycopg

from local.airflow.api import AirflowApi, AirflowRefused
from local.patience import Patience, asked_again
from local.stack.airflow_environment import BIN, UI_USER, database_environment, passwords_file
from local.stack.home import ROOT, Home, write_private
from local.stack.ports import LOOPBACK, Ports
from local.stack.process_marks import MARK
from local.stack.supervisor import Program, Supervisor, SupervisorError

NAMES = ("airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer")
COMPONENTS = ("scheduler", "dag_processor", "triggerer")


def airflow_programs(ports: Ports, environment: Mapping[str, str]) -> list[Program]:
    """The four programs.

    The log servers of scheduler and triggerer bind to all interfaces and cannot be told not to, so they are
    left out: the api-server reads the log files themselves, which lie on the same disk.
    """
    commands = {
        "airflow-api-server": ["api-server", "--host", LOOPBACK, "--port", str(ports.ui), "--workers", "1"],
        "airflow-scheduler": ["scheduler", "--skip-serve-logs"],
        "airflow-dag-processor": ["dag-processor"],
        "airflow-triggerer": ["triggerer", "--skip-serve-logs"],
    }
    # A scheduler that is killed leaves its workers behind: the next one ends them before it starts.
    first = {"airflow-scheduler": [str(BIN / "python"), "-m", "local.airflow.scheduler"]}
    return [
        Program(
            name, "airflow", [*first.get(name, []), str(BIN / "airflow"), *commands[name]], environment, stop_seconds=10
        )
        for name in NAMES
    ]


def prepare_airflow(home: Home) -> None:
    """Writes the password of the one user where Airflow's simple login looks for it."""
    write_private(passwords_file(home), json.dumps({UI_USER: home.secrets()["ui_password"]}) + "\n")


def migrate(home: Home, ports: Ports) -> None:
    """Brings the metadata database to the schema of the installed Airflow; at once if it is there already.

    Raises SupervisorError with what `airflow db migrate` said.
    """
    requirements = hashlib.sha256((ROOT / "requirements" / "airflow.txt").read_bytes()).hexdigest()
    note = home.airflow / "schema.json"
    version = _schema_version(home, ports)
    if version and note.exists() and json.loads(note.read_text()) == [requirements, version]:
        return
    result = subprocess.run(
        [str(BIN / "airflow"), "db", "migrate"],
        env=database_environment(home, ports) | {MARK: str(home.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    (home.logs / "airflow-migrate.log").write_text(result.stdout)
    if result.returncode != 0:
        raise SupervisorError(f"`airflow db migrate` failed; its output ends:\n{result.stdout[-3000:]}")
    write_private(note, json.dumps([requirements, _schema_version(home, ports)]))


def _schema_version(home: Home, ports: Ports) -> str | None:
    """The migration that the metadata database is at; None while it is empty."""
    try:
        with psycopg.connect(
            host=LOOPBACK,
            port=ports.postgres,
            dbname="airflow",
            user="airflow",
            password=home.secrets()["airflow"],
            connect_timeout=60,
        ) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            return str(row[0]) if row else None
    except psycopg.errors.UndefinedTable:
        return None


def airflow_api(home: Home, ports: Ports) -> AirflowApi:
    """A client of this stack's api-server, as its one user."""
    return AirflowApi(f"http://{LOOPBACK}:{ports.ui}", UI_USER, home.secrets()["ui_password"])


def wait_until_working(
    supervisor: Supervisor,
    api: AirflowApi,
    since: datetime,
    before_dags: Callable[[], None],
    patience: float = 120.0,
) -> list[str]:
    """Returns when every component has reported and every DAG file was read after `since`.

    `before_dags` is called once, as soon as the api-server answers. Returns the import errors, one text per
    file. Raises SupervisorError naming what is missing when a process gives up or nothing came for `patience`
    seconds, longer on a busy machine.
    """
    waiting = Patience(patience)
    broken: dict[str, str] = {}

    def answer() -> list[str]:
        api.get("/monitor/health")
        return []

    def work() -> list[str]:
        broken.update(_import_errors(api, since))
        return _not_reporting(api.get("/monitor/health"), since) or _unread_files(api, since, set(broken))

    _wait(supervisor, answer, waiting)
    asked_again(before_dags, patience)
    _wait(supervisor, work, waiting)
    return [f"dags/{file}: {text.strip().splitlines()[-1]}" for file, text in broken.items()]


def _wait(supervisor: Supervisor, missing: Callable[[], list[str]], waiting: Patience) -> None:
    """Returns when nothing is missing any more; that less is missing than before is progress."""
    seen: list[str] = []
    while True:
        try:
            what = seen = missing()
        except (OSError, AirflowRefused) as error:
            if isinstance(error, AirflowRefused) and error.status < http.client.INTERNAL_SERVER_ERROR:
                raise
            what = [f"an answer ({error})"]
        if not what:
            return
        supervisor.require_running(NAMES)
        if waiting.is_over(seen):
            raise SupervisorError(
                f"Airflow is not up, and nothing came for {waiting.waited:.0f} s; missing: {', '.join(what)}. "
                f"Look into the logs: {supervisor.logs}"
            )
        time.sleep(0.25)


def _not_reporting(health: Mapping[str, Any], since: datetime) -> list[str]:
    """Components without a heartbeat of this start; the last start's may still count as healthy to Airflow."""
    missing = []
    for name in COMPONENTS:
        beat = (health.get(name) or {}).get(f"latest_{name}_heartbeat")
        if beat is None or datetime.fromisoformat(beat) < since:
            missing.append(f"a heartbeat of the {name}")
    return missing


def _import_errors(api: AirflowApi, since: datetime) -> dict[str, str]:
    """DAG files that do not import, with the reason."""
    found = api.listed("/importErrors", "import_errors")
    return {
        str(each["filename"]): str(each["stack_trace"])
        for each in found
        if datetime.fromisoformat(each["timestamp"]) >= since
    }


def _unread_files(api: AirflowApi, since: datetime, broken: set[str]) -> list[str]:
    """DAG files that the dag-processor has not got to yet."""
    dags = api.listed("/dags?exclude_stale=false", "dags")
    read = {
        str(dag["relative_fileloc"])
        for dag in dags
        if dag["last_parsed_time"] and datetime.fromisoformat(dag["last_parsed_time"]) >= since
    }
    files = [path for path in (ROOT / "dags").glob("*.py") if b"dag" in path.read_bytes()]
    return [f"dags/{path.name}" for path in files if path.name not in read | broken]
