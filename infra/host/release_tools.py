"""Knows how a release is made ready beside the one that runs: its environment, its bytecode, whether its DAGs parse."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.host.account import Account
from infra.host.layout import Layout

PATH = "/usr/local/bin:/usr/bin:/bin"
_COMPILED = ("dags", "include", "plugins", "infra")
_REVISION = (
    "import os, sqlalchemy as s; e = s.create_engine(os.environ['AIRFLOW__DATABASE__SQL_ALCHEMY_CONN']); "
    "print(e.connect().execute(s.text('SELECT version_num FROM alembic_version')).scalar() "
    "if s.inspect(e).has_table('alembic_version') else '')"
)


class InstallError(RuntimeError):
    """The release cannot be installed or does not come up; the message says why."""


def airflow(release: Path) -> Path:
    """The airflow command of a release."""
    return release / ".venv" / "airflow" / "bin" / "airflow"


def build_environment(release: Path) -> None:
    """Makes the release's own environment, every package by its hash, with bytecode; raises InstallError."""
    # Its bytecode cannot be written when Airflow runs: the release is root's.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    _run([sys.executable, "tools/environments.py", "airflow"], release, kept)
    _run([str(airflow(release).with_name("python")), "-m", "compileall", "-q", *_COMPILED], release, kept)


def _run(command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    if subprocess.run(command, cwd=folder, env=dict(environment), check=False).returncode:
        raise InstallError(f"{' '.join(command)} failed in {folder}, see above")


class Commands:
    """Airflow's commands of one release, run as its account with the environment that its units will have."""

    def __init__(self, release: Path, layout: Layout, account: Account, environment: Mapping[str, str]) -> None:
        self._release, self._account, self._state = release, account, layout.state
        here = {name: value.replace(str(layout.current), str(release)) for name, value in environment.items()}
        self.environment = {"PATH": PATH, "HOME": str(layout.state), **here}

    def require_parsed_dags(self) -> None:
        """Raises InstallError with Airflow's words unless every DAG file of the release can be read."""
        if not list((self._release / "dags").glob("*.py")):
            raise InstallError(f"{self._release / 'dags'} holds no DAG file")
        self._airflow("dags", "list-import-errors", "--local", "--output", "plain")

    def revision(self) -> str:
        """The migration that the metadata database is at; empty before the first."""
        return self._last_line([str(airflow(self._release).with_name("python")), "-c", _REVISION])

    def migrate(self) -> None:
        """Brings the metadata database to this release's schema."""
        self._airflow("db", "migrate")

    def downgrade(self, revision: str) -> None:
        """Takes the metadata database back to an earlier revision, which only the newer Airflow can."""
        self._airflow("db", "downgrade", "--to-revision", revision, "--yes")

    def set_pool(self, name: str, slots: str, description: str) -> None:
        """Makes a pool with this many slots, or gives an existing one this many."""
        self._airflow("pools", "set", name, slots, description)

    def _airflow(self, *arguments: str) -> str:
        return self._last_line([str(airflow(self._release)), *arguments])

    def _last_line(self, command: list[str]) -> str:
        done = self._account.run(command, self.environment, self._state)
        if done.returncode:
            raise InstallError(f"`{' '.join(command[:3])}` of {self._release.name} failed:\n{done.stdout[-3000:]}")
        return (done.stdout.strip().splitlines() or [""])[-1]
