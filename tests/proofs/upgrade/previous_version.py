"""The version to upgrade from: its files, out of this repository, and what it does with its own environments."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# The commit or tag whose homes the present code must take over: when a version is released, that one's.
PREVIOUS = "070dabc0b41e558b6c156192f7696dd052018bb6"


class NotHere(RuntimeError):
    """The previous version cannot be had from here; the message says why and what to do."""


def unpack(folder: Path) -> None:
    """Writes the previous version's files into a folder; raises NotHere without the history that has them."""
    git = shutil.which("git")
    if git is None:
        raise NotHere(f"git is not installed, and the previous version lies in the history of {ROOT}. Install git")
    # Whoever runs this reads the files anyway: the folder may be another account's, as a CI's is in its container.
    read = [git, "-C", str(ROOT), "-c", f"safe.directory={ROOT}", "archive", PREVIOUS]
    archive = subprocess.run(read, capture_output=True, check=False)
    if archive.returncode != 0:
        raise NotHere(
            f"expected {PREVIOUS} in the history of {ROOT}, but git says: {archive.stderr.decode().strip()}. "
            "Use a clone with its whole history: a download has none, a shallow clone a part (git fetch --unshallow)"
        )
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)


def make(folder: Path, target: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs a target of the Makefile in `folder`, where nothing of the caller's own stack or make has a say."""
    foreign = ("LISTINGS_", "AIRFLOW_", "MAKE", "MFLAGS", "PYTHON")
    own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    # The Python that this environment was made from: an environment's own cannot make others everywhere.
    python = Path(getattr(sys, "_base_executable", sys.executable))
    return subprocess.run(
        ["make", f"PYTHON={python}", target],
        cwd=folder,
        env=own | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
