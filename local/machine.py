"""What a stack needs of this machine, looked at before anything is made: room on the disk, folders that may be entered.

`python3 -m local.machine` says what is in the way, and ends with 2. It runs before there is any environment: it
imports the standard library only.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from local.unprivileged import Unprivileged

ROOT = Path(__file__).resolve().parent.parent
MB = 1_000_000
# Measured: 64 MB when a stack is up for the first time, 105 MB after a demo; the rest is for what people do then.
ROOM_FOR_A_NEW_HOME = 300 * MB
ROOM_TO_GO_ON = 60 * MB
# With less nothing that writes gets far, whatever it says itself.
FULL = 20 * MB


def chosen_home() -> Path:
    """The home of the stack that a command is about: $LISTINGS_HOME, else .local in the project."""
    return Path(os.environ.get("LISTINGS_HOME") or ROOT / ".local").expanduser().resolve()


def obstacle(home: Path) -> str | None:
    """Why this machine cannot hold a stack in `home`, and what to do; None when nothing is in the way."""
    is_new = not (home / "postgres" / "PG_VERSION").exists()
    wanted = ROOM_FOR_A_NEW_HOME if is_new else ROOM_TO_GO_ON
    if (free := room(home)) < wanted:
        return (
            f"{home} has {free // MB} MB of free space left, and {'a new' if is_new else 'its'} stack wants "
            f"{wanted // MB} MB: make room there, or set LISTINGS_HOME to a folder on another disk"
        )
    try:
        Unprivileged.through(ROOT / ".venv" / "local", home / "postgres")
    except SystemExit as refusal:
        return str(refusal)
    return None


def room(home: Path) -> int:
    """The bytes that we may still write where `home` is or will be."""
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    return shutil.disk_usage(there).free


def main() -> int:
    """Exit code 0 when a stack may be made here, else 2."""
    found = obstacle(chosen_home())
    if found:
        print(found, file=sys.stderr)
    return 2 if found else 0


if __name__ == "__main__":
    sys.exit(main())
