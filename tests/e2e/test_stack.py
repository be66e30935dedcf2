"""The local stack itself: what it shows and leaves alone; then it is treated badly, and ended. Comes last."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from include.base.version import VERSION
from local.stack import Stack, free_ports
from local.stack.ports import PortError, is_held, listeners
from local.stack.process_marks import MARK, marked_processes
from local.stack.services import accepts, is_ministack_ready
from local.stack.sessions import remembered
from local.stack.status import show_status
from tests.support.pipeline import Pipeline

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv" / "local" / "bin" / "python"
pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("after_the_waves")]


@pytest.fixture(scope="module")
def stack(pipeline: Pipeline) -> Stack:
    """The stack that all the tests before have used."""
    return pipeline.stack


def again(stack: Stack, recordings: Path | None = None) -> Stack:
    """The same stack as the next `make up` has it, which knows of the ports what the first one left."""
    return Stack(
        stack.home.path,
        recordings=recordings,
        say=lambda line: None,
        settings=stack.settings,
        airflow_settings=stack.airflow_settings,
        durable=stack.durable,
    )


def until(holds: Callable[[], bool], patience: float, what: str) -> None:
    """Waits until something holds; fails saying what did not."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, f"not within {patience:.0f} s: {what}"
        time.sleep(0.1)


def new_home() -> Path:
    """An empty home that PostgreSQL's own user may enter, which it may not do with pytest's tmp_path."""
    home = Path(tempfile.mkdtemp(prefix="listings-stack-")).resolve()
    home.chmod(0o755)
    return home


def pids(stack: Stack) -> dict[str, int]:
    """The process id of each program that runs."""
    return {each.name: each.pid for each in stack.supervisor.programs() if each.state == "RUNNING"}


def test_airflow_knows_the_dag_files_and_the_pool(stack: Stack) -> None:
    """When `up` returns, Airflow has read every DAG file and has the pool that paces requests."""
    airflow = stack.airflow()
    files = {path.stem for path in (ROOT / "dags").glob("*.py")}
    broken = {Path(each["filename"]).stem for each in airflow.get("/importErrors")["import_errors"]}

    assert files - broken == {dag["dag_id"] for dag in airflow.listed("/dags", "dags")}
    assert "zillow_api" in {pool["name"] for pool in airflow.listed("/pools", "pools")}


def test_nothing_listens_beyond_loopback(stack: Stack) -> None:
    """Every TCP socket on which a process of the stack listens is bound to 127.0.0.1."""
    ours = {process.pid for process in marked_processes(stack.home.path)}
    addresses = [address for pid, address in listeners() if pid in ours]

    assert {port for _, port in stack.ports.items()} <= {port for _, port in addresses}
    assert {"127.0.0.1"} == {host for host, _ in addresses}


def test_airflow_has_the_base_identity_and_no_other(stack: Stack) -> None:
    """Airflow's processes get the key of the user who may only assume the role, and no AWS profile."""
    environment = stack.env()

    assert "test" != environment["AWS_ACCESS_KEY_ID"]
    assert "/dev/null" == environment["AWS_CONFIG_FILE"]
    assert environment["AWS_ENDPOINT_URL"] == environment["AWS_ENDPOINT_URL_STS"]


def test_status_fits_a_terminal_and_names_everything(stack: Stack) -> None:
    """Status has a line for every program, DAG and address, and none of its tables is wider than 100 columns."""
    stack.airflow().pause("reconcile_listings", True)
    stack.airflow().trigger("reconcile_listings")  # it waits, with the long id of a run
    text = io.StringIO()
    assert show_status(stack, Console(file=text, width=200))
    said = text.getvalue()

    dags = {dag["dag_id"] for dag in stack.airflow().listed("/dags", "dags")}
    assert [] == [name for name in {*pids(stack), *dags, stack.ui_url, VERSION} if name not in said]
    assert "does not say" not in said
    # The lines to copy are as long as the passwords in them.
    assert [] == [line for line in said.splitlines() if len(line.rstrip()) > 100 and "password" not in line]


@pytest.mark.parametrize("role", ["reader", "loader"])
def test_sql_is_asked_as_the_role_that_is_named(stack: Stack, role: str) -> None:
    """`make sql` answers as this stack's reader, or as its loader; quotes and dollars arrive as they are."""
    statement = "select current_user, 'it''s', '$5'"
    asked = [
        "make",
        "--silent",
        "--no-print-directory",
        "sql",
        f"SQL={statement}",
        *(["AS=loader"] if role == "loader" else []),
    ]
    environment = {**os.environ, "LISTINGS_HOME": str(stack.home.path)}
    done = subprocess.run(asked, cwd=ROOT, env=environment, capture_output=True, text=True)

    assert (0, "") == (done.returncode, done.stderr)
    assert [role, "it's", "$5"] == [value.strip() for value in done.stdout.splitlines()[2].split("|")]


def test_sql_shows_no_password(stack: Stack) -> None:
    """While psql works, its password is in no command line."""
    environment = {**os.environ, "LISTINGS_HOME": str(stack.home.path)}
    found: list[str] = []

    def psql_runs() -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):  # what make starts on the way is gone as soon as it is seen
            started = psutil.Process(run.pid).children(recursive=True)
            found[:] = [" ".join(each.cmdline()) for each in started if each.name() == "psql"]
        return bool(found)

    # It waits for statements until its input ends.
    with subprocess.Popen(["make", "--silent", "sql"], cwd=ROOT, env=environment, stdin=subprocess.PIPE) as run:
        until(psql_runs, 60, "psql runs")
        assert run.stdin is not None
        run.stdin.close()
    assert [1] == ["user=reader" in command for command in found]
    assert [] == [command for command in found if any(secret in command for secret in stack.home.secrets().values())]


def test_no_process_shows_a_secret(stack: Stack) -> None:
    """No generated secret is in the command line of any process of the stack, where everybody could read it."""
    commands = [" ".join(process.cmdline()) for process in marked_processes(stack.home.path)]
    secrets = stack.home.secrets().values()

    assert len(commands) >= 8
    assert [] == [command for command in commands if any(secret in command for secret in secrets)]


def test_programs_have_their_own_environment_only(stack: Stack) -> None:
    """Nothing of the caller's shell or of the supervisor is in the environment that a program was started with."""
    running = pids(stack)
    for program in stack.programs():
        if program.name != "postgres":  # becomes the server, with an environment that it makes itself
            # The two that a shell, and Python itself, may set.
            found = set(psutil.Process(running[program.name]).environ()) - {"_", "LC_CTYPE"}
            assert {*program.environment, MARK} == found, program.name


def test_a_second_up_starts_nothing(stack: Stack) -> None:
    """`up` on a stack that is up says that nothing was started, and no process is another one."""
    before = pids(stack)

    assert not again(stack).up()
    assert before == pids(stack)


def test_a_supervisor_that_an_older_version_started_is_noted(stack: Stack) -> None:
    """`up` on a stack whose supervisor's session nobody noted starts nothing, and notes it."""
    stack.home.sessions_file.unlink()

    assert not again(stack).up()
    assert {int((stack.home.run / "supervisord.pid").read_text())} == remembered(stack.home.sessions_file)


def test_a_changed_setting_restarts_only_whom_it_concerns(stack: Stack) -> None:
    """`up` with recorded pages starts the listing API again, to serve them, and leaves the others alone."""
    before = pids(stack)
    pages = ROOT / "tests" / "fixtures" / "zillow56"

    assert again(stack, pages).up()

    until(lambda: set(before) == set(pids(stack)), 10, "all programs run")
    after = pids(stack)
    assert {"listing-api"} == {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize("name", ["listing-api", "postgres", "ministack", "redshift"])
def test_a_killed_process_comes_back(stack: Stack, name: str) -> None:
    """A program that is ended by SIGKILL answers again on its port, as another process."""
    port = {"listing-api": "api"}.get(name, name)
    before = pids(stack)[name]
    os.kill(before, signal.SIGKILL)

    until(lambda: pids(stack).get(name, before) != before, 30, f"{name} runs as a new process")
    until(lambda: accepts(getattr(stack.ports, port)), 30, f"{name} takes connections")


def test_resources_survive_the_death_of_ministack(pipeline: Pipeline, stack: Stack) -> None:
    """After a SIGKILL of MiniStack, Airflow's identity still assumes its role, and finds its bucket as it was."""
    bucket = pipeline.environment["LISTINGS_CLEAN_BUCKET"]
    before = pipeline.s3.list_objects_v2(Bucket=bucket)["KeyCount"]
    os.kill(pids(stack)["ministack"], signal.SIGKILL)
    until(lambda: not is_ministack_ready(stack.ports), 10, "MiniStack is gone")
    until(lambda: is_ministack_ready(stack.ports), 30, "MiniStack is back")
    check = (
        "import boto3, os; role = os.environ['ROLE']; "
        "key = boto3.client('sts').assume_role(RoleArn=role, RoleSessionName='test')['Credentials']; "
        "s3 = boto3.client('s3', aws_access_key_id=key['AccessKeyId'], "
        "aws_secret_access_key=key['SecretAccessKey'], aws_session_token=key['SessionToken']); "
        "print(s3.list_objects_v2(Bucket=os.environ['LISTINGS_CLEAN_BUCKET'])['KeyCount'])"
    )
    role = "arn:aws:iam::000000000000:role/listings-local-airflow"
    command = [str(PYTHON), "-c", check]
    found = subprocess.run(command, env=stack.env() | {"ROLE": role}, capture_output=True, text=True, check=False)

    assert str(before) == found.stdout.strip(), found.stderr


def test_a_port_of_another_stack_is_refused_by_name(stack: Stack) -> None:
    """A stack on the ports of one that runs is refused with process and home of the holder, and starts nothing."""
    other = Stack(home=new_home(), ports=stack.ports, say=lambda line: None)
    try:
        with pytest.raises(PortError) as refused:
            other.up()

        assert f"process {pids(stack)['airflow-api-server']} " in str(refused.value)
        assert f"of the stack in {stack.home.path}" in str(refused.value)
        assert [] == marked_processes(other.home.path)
    finally:
        shutil.rmtree(other.home.path)


def test_a_port_in_use_is_an_exit_code_of_two_and_names_the_holder(stack: Stack) -> None:
    """`up` while a program of somebody else has one of the ports exits with 2 and prints its pid and command."""
    listen = "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); "
    with subprocess.Popen(
        [sys.executable, "-c", listen + "sys.stdin.read()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        ports = replace(free_ports(), redshift=int(holder.stdout.readline()))
        home = new_home()
        environment = os.environ | {"LISTINGS_HOME": str(home)}
        environment |= {f"LISTINGS_PORT_{name.upper()}": str(port) for name, port in ports.items()}
        command = [str(PYTHON), "-m", "local.stack", "up"]
        try:
            result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

            assert 2 == result.returncode
            assert f"port {ports.redshift} (redshift) is in use by process {holder.pid} " in result.stderr
            assert "sys.stdin.read()" in result.stderr
            assert [] == marked_processes(home)
        finally:
            holder.kill()
            shutil.rmtree(home)


def test_down_after_the_death_of_the_supervisor_leaves_nothing(stack: Stack) -> None:
    """After a SIGKILL of supervisord, `down` leaves no process, port, socket or lock of the stack.

    It is the last test of all on this stack, as it ends it.
    """
    home, ports = stack.home, stack.ports
    supervisor = int((home.run / "supervisord.pid").read_text())
    # Programs that the tests before have killed, or that lost their database, may still be on their way back.
    until(lambda: len(pids(stack)) == 8, 60, "all programs run")
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: not stack.supervisor.is_alive(), 10, "supervisord is gone")
    assert [] != marked_processes(home.path)

    stack.down()

    carrying = [each.pid for each in psutil.process_iter() if _mark(each) == str(home.path)]
    assert [] == carrying
    assert [] == [name for name, port in ports.items() if is_held(port)]
    assert not home.run.exists()
    assert not (home.path / "lock").exists()
    assert not (home.path / "postgres" / "postmaster.pid").exists()


def _mark(process: psutil.Process) -> str | None:
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None
