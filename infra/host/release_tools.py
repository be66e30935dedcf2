"""Knows how a release is made ready beside the one that runs: its environment, its bytecode, whether its DAGs parse."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.host.account import Account
from infra.host.layout import Layout

PATH = "/usr/local/bin:/usr/bin:/bin"
_COMPILED = ("dags", "include", "plugins", "infra")
# Not Airflow's own command for it, which wants the database at the schema of this very Airflow.
_READ = """
import os, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
sys.exit("\\n".join(f"{path}: {text}" for path, text in bag.import_errors.items()) or (None if bag.dags else "no DAG"))
"""
_REVISION = """
import os, sqlalchemy
engine = sqlalchemy.create_engine(os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
with engine.connect() as connection:
    there = sqlalchemy.inspect(engine).has_table("alembic_version")
    print(connection.scalar(sqlalchemy.text("SELECT version_num FROM alembic_version")) if there else "")
"""


class InstallError(RuntimeError):
    """The release cannot be installed or does not come up; the message says why."""


def airflow(release: Path) -> Path:
    """The airflow command of a release."""
    return release / ".venv" / "airflow" / "bin" / "airflow"


def build_environment(release: Path, layout: Layout) -> None:
    """Makes the release's own environment, every package by its hash, with bytecode; raises InstallError."""
    # Its bytecode cannot be written when Airflow runs: the release is root's.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    # Releases with the same requirements share the files of the cache, by hard links.
    kept = {"UV_CACHE_DIR": str(_cache(release, layout)), "PIP_NO_CACHE_DIR": "1", **kept}
    _run([sys.executable, "tools/environments.py", "airflow"], release, kept)
    _run([str(airflow(release).with_name("python")), "-m", "compileall", "-q", *_COMPILED], release, kept)


def clear_caches(release: Path, layout: Layout) -> None:
    """Removes what was downloaded for other requirements than this release's."""
    for folder in layout.cache.iterdir() if layout.cache.exists() else ():
        if folder != _cache(release, layout):
            shutil.rmtree(folder)


def _cache(release: Path, layout: Layout) -> Path:
    requirements = hashlib.sha256((release / "requirements" / "airflow.txt").read_bytes()).hexdigest()
    return layout.cache / f"uv-{requirements[:12]}"


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
        self._python(_READ)

    def revision(self) -> str:
        """The migration that the metadata database is at; empty before the first."""
        return self._python(_REVISION)

    def migrate(self) -> None:
        """Brings the metadata database to this release's schema."""
        self._airflow("db", "migrate")

    def downgrade(self, revision: str) -> None:
        """Takes the metadata database back to an earlier revision, which only the newer Airflow can."""
        self._airflow("db", "downgrade", "--to-revision", revision, "--yes")

    def set_pool(self, name: str, slots: str, description: str) -> None:
        """Makes a pool with this many slots, or gives an existing one this many."""
        self._airflow("pools", "set", name, slots, description)

    def _python(self, code: str) -> str:
        return self._last_line([str(airflow(self._release).with_name("python")), "-c", code])

    def _airflow(self, *arguments: str) -> str:
        return self._last_line([str(airflow(self._release)), *arguments])

    def _last_line(self, command: list[str]) -> str:
        done = self._account.run(command, self.environment, self._state)
        if done.returncode:
            raise InstallError(
                f"{Path(command[0]).name} {command[1]} of {self._release.name} failed:\n{done.stdout[-3000:]}"
            )
        return (done.stdout.strip().splitlines() or [""])[-1]
