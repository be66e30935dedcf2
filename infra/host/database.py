"""Knows Airflow's metadata database on the host: PostgreSQL, on a unix socket and nowhere else, without a password.

The operating system says who connects: the airflow account is the airflow role. So there is no password to keep.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from infra.host.layout import write
from infra.host.services import Systemd

SERVER = "postgresql.service"
SOCKETS = "/run/postgresql"
URL = f"postgresql+psycopg2://airflow@/airflow?host={SOCKETS}"
DATA = Path("/var/lib/pgsql/data")
CONFIGURATION = "airflow.conf"

# The cluster speaks the locale of whoever made it, which at a first boot may be none: Airflow's database does not.
CREATE = "CREATE DATABASE airflow OWNER airflow TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
# The package's own rule for the socket (peer) is what we count on; said here, it cannot be another.
_HBA = "local all all peer\n"
_SETTINGS = {"listen_addresses": "''", "unix_socket_directories": f"'{SOCKETS}'", "jit": "off", "max_connections": "60"}
# What PostgreSQL's own unit does not say: it comes back by itself.
_DROP_IN = "[Unit]\nStartLimitIntervalSec=0\n\n[Service]\nRestart=on-failure\nRestartSec=5\n"

Run = Callable[[Sequence[str]], str]


def run(command: Sequence[str]) -> str:
    """Runs a command and returns what it says; raises CalledProcessError."""
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd="/").stdout


def prepare(systemd: Systemd, data: Path = DATA, run: Run = run) -> str:
    """Brings PostgreSQL up with role and database of Airflow, and returns the database's URL; again does no harm."""
    if not (data / "PG_VERSION").exists():
        run(["postgresql-setup", "--initdb"])
    (data / "pg_hba.conf").write_text(_HBA, encoding="utf-8")
    mark, text = f"include_if_exists = '{CONFIGURATION}'\n", (data / "postgresql.conf").read_text(encoding="utf-8")
    if mark not in text:
        (data / "postgresql.conf").write_text(text + mark, encoding="utf-8")
    settings = "".join(f"{name} = {value}\n" for name, value in _SETTINGS.items())
    changed = _write_if_other(data / CONFIGURATION, settings)
    folder = systemd.units / f"{SERVER}.d"
    folder.mkdir(parents=True, exist_ok=True)
    changed = _write_if_other(folder / "listings.conf", _DROP_IN) or changed
    systemd.reload()
    systemd.enable(SERVER)
    (systemd.restart if changed else systemd.start)(SERVER)
    _psql(run, "SELECT 1 FROM pg_roles WHERE rolname = 'airflow'", "CREATE ROLE airflow LOGIN")
    _psql(run, "SELECT 1 FROM pg_database WHERE datname = 'airflow'", CREATE)
    return URL


def _psql(run: Run, question: str, remedy: str) -> None:
    """Does `remedy` unless `question` finds a row."""
    psql = ["runuser", "-u", "postgres", "--", "psql", "--host", SOCKETS, "--no-psqlrc", "--tuples-only", "--quiet"]
    psql += ["--set", "ON_ERROR_STOP=1", "--command"]
    if not run([*psql, question]).strip():
        run([*psql, remedy])


def _write_if_other(path: Path, text: str) -> bool:
    """Writes a file that has another text or is not there; whether it did."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    write(path, text)
    return True
