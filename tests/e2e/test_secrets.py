"""No secret leaves its place: after runs that succeed and runs that fail, everything they wrote is searched."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Container, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from local.stack.process_marks import MARK, marked_processes
from tests.support import secret_search
from tests.support.missed_sets import Woken
from tests.support.pipeline import Pipeline
from tests.support.secret_search import Find, Needles

pytestmark = [pytest.mark.timeout(900), pytest.mark.usefixtures("after_the_waves")]

# In use for a while, and refused.
WRONG_KEY = "example/wrong-api-key+not-real"
WRONG_PASSWORD = "example-wrong-password-not-real"
PLANTED = "example/planted-secret+not-real"

# Where secrets lie on purpose, below the stack's home; each can be read by its owner only.
KEPT = (
    "secrets.json",  # the generated ones
    "airflow.env",  # for a person who runs Airflow's commands
    "airflow/passwords.json",  # where Airflow's simple login reads its user's
    "run",  # the launchers, which give the programs their environment, and what `up` came to
    "ministack",  # the stand-in's own state: Secrets Manager's and IAM's
)
# Searched row by row, through the server.
DATABASE = "postgres"


@pytest.fixture(scope="module")
def used(pipeline: Pipeline, woken: Woken) -> Pipeline:
    """The stack after loads of which a spoilt file made one fail, and runs that API and warehouse refused."""
    pipeline.until(lambda: not pipeline.is_running("load_listings"), "the loader is idle")
    pipeline.api.add_faults([{"location": "ames, ia", "page": 1, "times": 1, "reset": True}])
    with (
        connection_changed(pipeline, "zillow_api", lambda value: value["extra"].update({"x-rapidapi-key": WRONG_KEY})),
        connection_changed(pipeline, "conn_id_redshift", lambda value: value.update(password=WRONG_PASSWORD)),
    ):
        refused_for_its_key = pipeline.extract(["ames, ia"])
        assert "failed" == pipeline.reconcile()
        assert "failed" == pipeline.finish(refused_for_its_key)
    return pipeline


@contextlib.contextmanager
def connection_changed(pipeline: Pipeline, name: str, change: Any) -> Iterator[None]:
    """While it lasts, an Airflow connection is another one."""
    secrets, place = pipeline.client("secretsmanager"), f"airflow/connections/{name}"
    before = secrets.get_secret_value(SecretId=place)["SecretString"]
    change(value := json.loads(before))
    secrets.put_secret_value(SecretId=place, SecretString=json.dumps(value))
    try:
        yield
    finally:
        secrets.put_secret_value(SecretId=place, SecretString=before)


def all_secrets(pipeline: Pipeline) -> dict[str, str]:
    """Every secret of the stack, by a name that may be printed."""
    values = {f"connection {name}": value for name, value in connection_secrets(pipeline)}
    return {
        **pipeline.stack.home.secrets(),
        **values,
        "base user's key": pipeline.environment["AWS_SECRET_ACCESS_KEY"],
        "wrong key": WRONG_KEY,
        "wrong password": WRONG_PASSWORD,
    }


def connection_secrets(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    """Password, or API key, of each connection that has one."""
    secrets = pipeline.client("secretsmanager")
    for entry in secrets.list_secrets()["SecretList"]:
        text = secrets.get_secret_value(SecretId=entry["Name"]).get("SecretString")
        value = json.loads(text or "{}")
        for found in (value.get("password"), (value.get("extra") or {}).get("x-rapidapi-key")):
            if found:
                yield entry["Name"], found


def search(pipeline: Pipeline, secrets: dict[str, str], dag_ids: Container[str] | None = None) -> set[Find]:
    """Where any of these secrets lies, in all that the stack has written and shows (of these DAGs' runs, if given)."""
    needles = Needles(secrets)
    found = secret_search.in_files(pipeline.stack.home.path, needles, leave_out=DATABASE)
    for database in ("airflow", "listings"):
        with closing(admin_connection(pipeline, database)) as connection:
            found |= secret_search.in_database(connection, needles)
    found |= secret_search.in_buckets(pipeline.s3, needles)
    found |= secret_search.in_function_logs(pipeline.client("logs"), needles)
    found |= secret_search.in_stack_template(pipeline.client("cloudformation"), needles)
    found |= secret_search.in_rest_api(pipeline.airflow, needles, dag_ids)
    commands = [process.cmdline() for process in marked_processes(pipeline.stack.home.path)]
    return found | secret_search.in_commands(commands, needles)


def admin_connection(pipeline: Pipeline, database: str) -> psycopg.Connection[Any]:
    """PostgreSQL behind the endpoint, as the one who sees every table."""
    return psycopg.connect(
        host="127.0.0.1",
        port=pipeline.stack.ports.postgres,
        dbname=database,
        user="postgres",
        password=pipeline.stack.home.secrets()["postgres_admin"],
        autocommit=True,
    )


def elsewhere(found: set[Find]) -> set[Find]:
    """The finds outside the places where secrets are kept."""
    return {find for find in found if not any(is_in(kept, find) for kept in KEPT)}


def is_in(kept: str, find: Find) -> bool:
    """Whether it lies at this path, or below."""
    return find.place == kept or find.place.startswith(f"{kept}/")


def test_no_secret_lies_anywhere_but_where_it_is_kept(used: Pipeline) -> None:
    """Not in a log, table, XCom, rendered field, event, object, function's log, command line or the UI's answers."""
    assert {".json", ".sh", ".log", ".parquet"} <= {path.suffix for path in used.stack.home.path.rglob("*")}
    assert set() == elsewhere(search(used, all_secrets(used)))


def test_where_secrets_are_kept_nobody_else_can_read(used: Pipeline) -> None:
    """Each of those places holds some, and it or its folder is its owner's alone."""
    found = secret_search.in_files(used.stack.home.path, Needles(all_secrets(used)), leave_out=DATABASE)
    for kept in KEPT:
        assert any(is_in(kept, find) for find in found), f"{kept} holds no secret"
        assert 0 == (used.stack.home.path / kept).stat().st_mode & 0o077, kept


def test_a_planted_secret_is_found_in_every_kind_of_place(used: Pipeline) -> None:
    """The search would have found it: what is put into each place on purpose is found there."""
    run = used.runs_of("extract_listings")[0]
    logs = (used.stack.home.logs / "airflow").rglob("task_id=land_listings/**/*.log")
    log = next(path for path in logs if run["dag_run_id"] in str(path))
    before, groups = log.read_text(), used.client("logs")
    command = [sys.executable, "-c", "import time; time.sleep(600)", PLANTED]
    idle = subprocess.Popen(command, env={MARK: str(used.stack.home.path)})
    bucket, key = used.environment["LISTINGS_CLEAN_BUCKET"], "elsewhere/planted.json"
    group = "/aws/lambda/listings-local-copy-raw"
    try:
        log.write_text(f'{before}{{"event": "the key is {PLANTED}"}}\n')
        used.s3.put_object(Bucket=bucket, Key=key, Body=quote(PLANTED, safe="").encode())
        groups.create_log_stream(logGroupName=group, logStreamName="planted")
        event = {"timestamp": int(time.time() * 1000), "message": PLANTED}
        groups.put_log_events(logGroupName=group, logStreamName="planted", logEvents=[event])
        with closing(admin_connection(used, "listings")) as warehouse:
            warehouse.execute("create table public.planted as select %s::text as value", (PLANTED,))
        note(used, run, PLANTED)
        finds = search(used, {"planted": PLANTED}, dag_ids=["extract_listings"])
        found = {find.place for find in finds if find.secret == "planted"}
    finally:
        idle.kill()
        idle.wait()
        log.write_text(before)
        used.s3.delete_object(Bucket=bucket, Key=key)
        groups.delete_log_stream(logGroupName=group, logStreamName="planted")
        with closing(admin_connection(used, "listings")) as warehouse:
            warehouse.execute("drop table if exists public.planted")
        note(used, run, None)
    assert {
        str(log.relative_to(used.stack.home.path)),
        f"s3://{bucket}/{key}",
        f"log {group}",
        "table public.planted",
        "table public.dag_run_note",
        f"run extract_listings {run['dag_run_id']}",
        "a command line",
    } <= found
    assert any(place.startswith("log extract_listings land_listings ") for place in found), found


def note(pipeline: Pipeline, run: dict[str, Any], text: str | None) -> None:
    """Leaves the note on a run that a person may leave there; None takes it away."""
    one = "(select id from dag_run where dag_id = %s and run_id = %s)"
    values = (run["dag_id"], run["dag_run_id"])
    with closing(admin_connection(pipeline, "airflow")) as metadata:
        metadata.execute(f"delete from dag_run_note where dag_run_id = {one}", values)
        if text is not None:
            columns = "dag_run_note (dag_run_id, content, created_at, updated_at)"
            metadata.execute(f"insert into {columns} values ({one}, %s, now(), now())", (*values, text))
