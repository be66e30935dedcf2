"""The embedded PostgreSQL's launcher, on real processes."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from local.postgres.unprivileged import Unprivileged
from tests.support.ministack import LAMBDA_PYTHON, PROJECT_ROOT
from tests.support.warehouse_fixture import Postgres, home


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that PostgreSQL's account may enter."""
    with home() as path:
        yield path


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A server that each test finds running, as the stack starts it."""
    with home() as path:
        server = Postgres(path, durable=True)
        server.start()
        server.create()
        yield server
        if server.process is not None and server.process.running():
            server.process.stop()


def test_the_started_process_is_the_postmaster_and_not_root(postgres: Postgres) -> None:
    """The process that a supervisor starts becomes the postmaster itself, unprivileged or in a namespace of its own."""
    assert postgres.process is not None
    lock = (postgres.data / "postmaster.pid").read_text().splitlines()
    assert postgres.process.pid == int(lock[0])
    unprivileged = psutil.Process(postgres.process.pid).uids().effective != 0
    assert unprivileged or user_namespace(postgres.process.pid) != user_namespace(os.getpid())


def user_namespace(pid: int) -> str:
    """Names the user namespace of a process: in one that is not ours, root's number is nobody's privilege."""
    return str(Path(f"/proc/{pid}/ns/user").readlink())


def test_it_listens_on_loopback_only(postgres: Postgres) -> None:
    """PostgreSQL listens on one address, 127.0.0.1, and on no Unix socket."""
    assert postgres.process is not None
    listening = [
        (c.family.name, c.laddr)
        for c in psutil.Process(postgres.process.pid).net_connections("all")
        if c.status == "LISTEN" or c.family.name == "AF_UNIX"
    ]
    assert [("AF_INET", ("127.0.0.1", postgres.port))] == listening


def test_create_twice_changes_nothing(postgres: Postgres) -> None:
    """Roles and databases can be created again, data and all."""
    with postgres.connect("loader") as connection:
        connection.execute("create schema if not exists core")
        connection.execute("create table if not exists core.kept as select 1 as one")
    postgres.create()
    with postgres.connect("loader") as connection:
        assert (1,) == connection.execute("select one from core.kept").fetchone()


def test_it_waits_for_the_disk_unless_told_otherwise(postgres: Postgres, folder: Path) -> None:
    """The stack's PostgreSQL has fsync and full pages, one that need not be durable has neither; both write commits."""
    careless = Postgres(folder)
    process = careless.start()
    try:
        careless.create()
        assert ["on", "on", "on"] == disk_settings(postgres)
        assert ["off", "off", "on"] == disk_settings(careless)
    finally:
        process.stop()


def disk_settings(server: Postgres) -> list[str]:
    """What a server says of fsync, full_page_writes and synchronous_commit."""
    names = ("fsync", "full_page_writes", "synchronous_commit")
    with server.connect() as connection:
        return [str(connection.execute(f"show {name}".encode()).fetchall()[0][0]) for name in names]


def test_without_fsync_a_kill_9_loses_no_commit(folder: Path) -> None:
    """A row that was committed a moment before kill -9 is there after the restart of a server that is not durable."""
    careless = Postgres(folder)
    process = careless.start()
    try:
        careless.create()
        with careless.connect() as connection:
            connection.execute("create table public.kept (n int)")
            connection.execute("insert into public.kept values (7)")
            process.kill()
        process = careless.start()
        careless.create()
        with careless.connect() as connection:
            assert (7,) == connection.execute("select n from public.kept").fetchone()
    finally:
        process.stop()


@pytest.mark.parametrize("role", ["airflow", "loader", "reader"])
def test_no_role_is_a_superuser(postgres: Postgres, role: str) -> None:
    """airflow, loader and reader have passwords of their own and no superuser rights."""
    with postgres.connect(role, "airflow" if role == "airflow" else "listings") as connection:
        assert ("off",) == connection.execute("select current_setting('is_superuser')").fetchone()


@pytest.mark.parametrize(("role", "database"), [("airflow", "listings"), ("loader", "airflow"), ("reader", "airflow")])
def test_roles_stay_in_their_database(postgres: Postgres, role: str, database: str) -> None:
    """No role can connect to the other part's database."""
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        postgres.connect(role, database)


def test_nobody_but_the_loader_creates_in_public(postgres: Postgres) -> None:
    """Redshift lets everybody; the set-up takes it back, also of a stack that was set up before it did."""
    with postgres.connect() as admin:
        admin.execute("grant create on schema public to public")
    postgres.create()
    with postgres.connect("reader") as reader, pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute("create table public.held_days (kept integer)")
    with postgres.connect("loader") as loader:
        loader.execute("create view public.of_the_loader as select 1 as one")


def test_a_wrong_password_is_refused(postgres: Postgres) -> None:
    """Loopback is no reason to trust: a wrong password does not get in."""
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(host="127.0.0.1", port=postgres.port, user="loader", password="wrong", dbname="listings")


def test_a_second_start_says_that_it_already_runs(postgres: Postgres) -> None:
    """Starting on a data directory in use ends with the process that uses it, and does not disturb it."""
    assert postgres.process is not None
    command = [str(LAMBDA_PYTHON), "-m", "local.postgres.server", "--data", str(postgres.data)]
    command += ["--port", str(postgres.port), "--secrets", str(postgres.secrets)]
    second = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=30)
    assert 1 == second.returncode
    assert f"already running on {postgres.data} (process {postgres.process.pid})" in second.stderr
    postgres.connect().close()


def test_committed_rows_survive_kill_9_under_load(postgres: Postgres) -> None:
    """After kill -9 of the postmaster with a busy child left behind, a restart serves every committed row."""
    assert postgres.process is not None
    busy = postgres.connect()
    busy.execute("create table if not exists public.survivor (n int)")
    busy.execute("insert into public.survivor values (42)")
    child = busy.info.backend_pid
    # Sent, not awaited: the child computes and does not notice that its postmaster is gone.
    busy.pgconn.send_query(b"select count(*) from generate_series(1, 10000000000)")
    postgres.process.kill()
    assert psutil.pid_exists(child)
    started = time.monotonic()
    postgres.start()
    postgres.create()
    assert time.monotonic() - started < 15
    assert not psutil.pid_exists(child)
    with postgres.connect() as connection:
        assert (42,) == connection.execute("select n from public.survivor").fetchone()
    busy.close()


def test_a_lock_whose_number_went_to_another_process_is_no_lock(postgres: Postgres) -> None:
    """A stale postmaster.pid that names a live process of something else does not stop a start."""
    assert postgres.process is not None
    lock = postgres.data / "postmaster.pid"
    text = lock.read_text()
    postgres.process.stop()
    lock.write_text(text.replace(str(postgres.process.pid), str(os.getpid()), 1))
    postgres.start()
    postgres.create()


def test_half_an_initdb_is_done_again(folder: Path) -> None:
    """What an initdb that was killed left behind is thrown away, not served and not stumbled over."""
    server = Postgres(folder)
    unfinished = folder / "postgres.unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    process = server.start()
    try:
        server.create()
        assert not unfinished.exists()
    finally:
        process.stop()


def test_a_folder_with_something_else_is_left_alone(folder: Path) -> None:
    """A data directory that holds other files is refused by name, and the files stay."""
    server = Postgres(folder)
    server.data.mkdir()
    (server.data / "letter.txt").write_text("dear")
    process = server.start()
    deadline = time.monotonic() + 20
    while process.running() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not process.running()
    assert f"{server.data} is not empty and holds no PostgreSQL data" in server.log
    assert "dear" == (server.data / "letter.txt").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to drop its rights")
def test_behind_a_folder_that_is_roots_alone_it_runs_in_a_namespace(folder: Path) -> None:
    """As root, a server with its data below a folder of mode 0700, such as /root, starts and answers."""
    server = Postgres(folder)
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    server.data = closed / "data"
    process = server.start()
    try:
        server.create()
        with server.connect() as connection:
            assert (1,) == connection.execute("select 1").fetchone()
        assert 0 == (server.data / "PG_VERSION").stat().st_uid
    finally:
        process.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to drop its rights")
def test_without_namespaces_the_closed_folder_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no unshare, the error names the folder and the way out."""
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match=f"may not enter {closed}: either chmod o\\+x {closed}"):
        Unprivileged.through(closed / "data")
