"""Runs a process as on a machine of its own: new home, temporary and working folder, gone with all that is in them.

It shares the network and the installed code with others, and may write nowhere but in its folders.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CLOSED_DISK = Path(__file__).resolve().parent / "closed_disk"
# The places that a process is given, by the variable that names each to it.
PLACES = {
    "HOME": "home",
    "TMPDIR": "tmp",
    "XDG_CACHE_HOME": "cache",
    "AIRFLOW_HOME": "airflow",
    "AIRFLOW__LOGGING__BASE_LOG_FOLDER": "airflow/logs",
}


@dataclass(frozen=True)
class Ended:
    """How a process ended: its code, what it said, where it ran, and the files that it left there, gone by now."""

    code: int
    output: str
    folder: str
    left: tuple[str, ...]


def run_alone(command: Sequence[str], environment: Mapping[str, str], *, stdin: str = "") -> Ended:
    """Runs a command in folders of its own and removes them as soon as it has ended."""
    folder = Path(os.path.realpath(tempfile.mkdtemp(prefix="listings-worker-")))
    for place in (*PLACES.values(), "work"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    own = {name: str(folder / place) for name, place in PLACES.items()}
    path = os.pathsep.join(filter(None, (str(CLOSED_DISK), environment.get("PYTHONPATH"))))
    try:
        done = subprocess.run(
            command,
            # Compiled code would go beside the sources.
            env={**environment, **own, "OWN_FOLDER": str(folder), "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=folder / "work",
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        left = sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if not each.is_dir())
        return Ended(done.returncode, done.stdout, str(folder), tuple(left))
    finally:
        shutil.rmtree(folder)
