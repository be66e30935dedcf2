"""What `make status` shows: processes, where to look, the last runs, the counts; as far as they can be had."""

from __future__ import annotations

import shlex
import time
import tomllib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import psutil
import psycopg
from psycopg import sql
from rich import box
from rich.console import Console
from rich.table import Table

from local.airflow.api import AirflowRefused
from local.stack.airflow_environment import UI_USER
from local.stack.home import ROOT
from local.stack.ports import LOOPBACK
from local.stack.process_marks import marked_processes
from local.stack.stack import Stack
from local.stack.supervisor import Running

CORE_TABLES = ("listing_snapshots", "listings", "listing_history", "listing_rejects", "load_audit")


def show_status(stack: Stack, console: Console) -> bool:
    """Prints the state of a stack; returns whether it is up."""
    if not stack.is_up():
        console.print(_why_it_is_not_up(stack), markup=False)
        return False
    for table in (_processes(stack.supervisor.programs()), _last_runs(stack), _counts(stack)):
        console.print(table)
    show_where_to_look(stack, console)
    return True


def _why_it_is_not_up(stack: Stack) -> str:
    where, left = stack.home.path, len(marked_processes(stack.home.path))
    if stack.is_at_work():
        return f"Another command is starting or stopping the stack in {where}: wait for it"
    if not left:
        return f"No stack is up in {where}. Start one with: make up"
    what = "A start was cut short" if stack.supervisor.is_alive() else "Its supervisor is gone"
    return (
        f"The stack in {where} is not up. {what}, and {left} of its processes still run: "
        "make down ends them, make up starts afresh"
    )


def show_where_to_look(stack: Stack, console: Console) -> None:
    """Prints the addresses, and what to log in with."""
    secrets, ports = stack.home.secrets(), stack.ports
    warehouse = f"host={LOOPBACK} port={ports.redshift} dbname=listings sslmode=disable"
    places = {
        "Version": version(),
        "Airflow": f"{stack.ui_url}   user {UI_USER}, password {secrets['ui_password']}",
        "Listings page": f"{stack.ui_url}/plugin/listings",
        "Warehouse": f'psql "{warehouse} user=loader password={secrets["loader"]}"   (everything)',
        "": f'psql "{warehouse} user=reader password={secrets["reader"]}"   (the marts, public.zillowdata)',
        "Listing API": f"http://{LOOPBACK}:{ports.api}",
        "AWS": f"http://{LOOPBACK}:{ports.ministack}",
        "Logs": str(stack.home.logs),
        "Airflow's CLI": f"(set -a; . {shlex.quote(str(stack.home.airflow_env_file))}; airflow dags list)",
    }
    # Not wrapped: these lines are there to be copied.
    for what, where in places.items():
        console.print(f"{what:<14}{where}", soft_wrap=True, highlight=False, markup=False)


def version() -> str:
    """The version of the project in this checkout."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def _processes(running: list[Running]) -> Table:
    table = _table("Processes", "process", "state", "pid", "up for", "memory")
    for each in running:
        alive = each.state == "RUNNING"
        table.add_row(
            each.name,
            each.state.lower(),
            str(each.pid) if alive else "",
            _duration(time.time() - each.since) if alive else "",
            f"{_memory(each.pid) / 2**20:,.0f} MB" if alive else "",
        )
    return table


def _last_runs(stack: Stack) -> Table:
    table = _table("Last runs", "DAG", "paused", "last run (UTC)", "cause", "state", "took", "failed runs")
    try:
        for row in _run_rows(stack):
            table.add_row(*row)
    except (OSError, AirflowRefused, KeyError, ValueError) as error:
        table.caption = f"Airflow does not say: {error}"
    return table


def _run_rows(stack: Stack) -> Iterator[tuple[str, ...]]:
    api = stack.airflow()
    for dag in api.listed("/dags?order_by=dag_id", "dags"):
        name, paused = str(dag["dag_id"]), "yes" if dag["is_paused"] else "no"
        last = api.newest_run(name)
        if last is None:
            yield name, paused, "none yet", "", "", "", ""
            continue
        # Its id is long, and the UI has it: time and cause tell a person which run it is.
        failed = api.failed_runs(name)
        state = str(last["state"])
        yield name, paused, _moment(last["run_after"]), _cause(last), state, _took(last), str(failed or "")


def _counts(stack: Stack) -> Table:
    table = _table("Rows in core", "table", "rows")
    try:
        with psycopg.connect(
            host=LOOPBACK,
            port=stack.ports.postgres,
            dbname="listings",
            user="loader",
            password=stack.home.secrets()["loader"],
            connect_timeout=5,
            autocommit=True,
        ) as connection:
            for name in CORE_TABLES:
                table.add_row(f"core.{name}", _count(connection, name))
    except psycopg.Error as error:
        table.caption = f"the database does not say: {error}"
    return table


def _count(connection: psycopg.Connection[Any], name: str) -> str:
    try:
        row = connection.execute(sql.SQL("SELECT count(*) FROM core.{}").format(sql.Identifier(name))).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return "not there: nothing was loaded yet, or it was dropped"
    return f"{row[0]:,}" if row else ""


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in columns:
        table.add_column(column, justify="right" if column in ("pid", "memory", "rows") else "left")
    return table


def _memory(pid: int) -> int:
    """Bytes of a process and its descendants; what they share counts once, where the system tells (Linux)."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0
    total = 0
    for member in family:
        try:
            full = member.memory_full_info()
            total += getattr(full, "pss", full.rss)
        except psutil.Error:
            continue
    return total


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _moment(text: str | None) -> str:
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S") if text else ""


def _cause(run: dict[str, Any]) -> str:
    """The kind of a run in a word: manual, scheduled, asset."""
    return str(run["run_type"]).removesuffix("_triggered")


def _took(run: dict[str, Any]) -> str:
    if not (run.get("start_date") and run.get("end_date")):
        return ""
    took = datetime.fromisoformat(run["end_date"]) - datetime.fromisoformat(run["start_date"])
    return f"{took.total_seconds():.1f} s"
