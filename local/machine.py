"""What a stack needs of this machine, looked at before anything is made: room on the disk, folders that may be entered.

`python3 -m local.machine` says what is in the way, and ends with 2. It runs before there is any environment: it
imports the standard library only.
"""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from pathlib import Path

from local.postgres.unprivileged import Unprivileged

ROOT = Path(__file__).resolve().parent.parent
MB = 1_000_000
# Measured: 64 MB when a stack is up for the first time, 105 MB after a demo; the rest is for what people do then.
ROOM_FOR_A_NEW_HOME = 300 * MB
ROOM_TO_GO_ON = 60 * MB
# With less nothing that writes gets far, whatever it says itself.
FULL = 20 * MB
# What is made first in a home, and what else a stack makes there.
MARK = "secrets.json"
MADE = ("run", "logs", "airflow", "airflow.env", "since", "postgres", "ministack", "listing_api", MARK)
PERCENT = "has a % in its name, which Airflow's settings take for the beginning of a reference"


def chosen_home() -> Path:
    """The home of the stack that a command is about: $LISTINGS_HOME, else .local in the project."""
    return home_at(os.environ.get("LISTINGS_HOME") or ROOT / ".local")


def home_at(path: Path | str) -> Path:
    """The home that a person means by `path`; `misplaced` says whether it can be one."""
    try:
        return Path(os.path.realpath(Path(path).expanduser()))
    except RuntimeError:  # there is no such user; made absolute, it would be a folder of that name here
        return Path(path)


def misplaced(home: Path) -> str | None:
    """Why no command can be about a stack in `home`, and what to do; None when one can."""
    wrong = _no_folder(home)
    if wrong is None and os.geteuid() not in (0, _owner(home)):
        wrong = f"the stack there is {_name(_owner(home))}'s, and we are {_name(os.geteuid())}"
    return wrong and f"{home} cannot be the home of our stack: {wrong}. Set LISTINGS_HOME to a folder of your own"


def obstacle(home: Path) -> str | None:
    """Why this machine cannot hold a stack in `home`, and what to do; None when nothing is in the way."""
    if found := misplaced(home):
        return found
    if strange := _not_ours(home):
        return (
            f"{home} has {strange} already, which no stack of ours made and one would write over: set LISTINGS_HOME to "
            "a new folder"
        )
    if os.geteuid() != _owner(home):
        return f"the stack in {home} is {_name(_owner(home))}'s: start it as that user, or set LISTINGS_HOME"
    if "%" in str(ROOT):
        return f"the project lies in {ROOT}, which {PERCENT}: move it to a folder without"
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
    return shutil.disk_usage(_nearest(home)).free


def is_a_home(home: Path) -> bool:
    """Whether a stack has ever been in `home`: what lies there is ours, to write over and to remove."""
    try:
        # Many a project has a file of that name: ours names our roles, also when it is spoilt.
        return b'"loader"' in (home / MARK).read_bytes()
    except PermissionError:  # of another user, whose home it is
        return True
    except OSError:
        return False


def _not_ours(home: Path) -> str | None:
    """What lies in `home` under a name that a stack would use, and is not a stack's; None when there is nothing."""
    if is_a_home(home):
        return None
    return next((name for name in MADE if os.path.lexists(home / name)), None)


def _nearest(home: Path) -> Path:
    """The home, or the folder above it, that is there."""
    return next(folder for folder in (home, *home.parents) if folder.exists())


def _no_folder(home: Path) -> str | None:
    """Why `home` is no folder that we may write, and cannot become one; None when it is or can."""
    if not home.is_absolute():
        return "there is no user of that name"
    if home == home.parent:
        return "it is the root of all files"
    if "%" in str(home):
        return f"it {PERCENT}"
    try:
        if not home.is_dir() and home.stat():
            return "it is a file"
    except FileNotFoundError:
        pass
    except OSError as error:  # below a file, a link to itself, too long, below a folder that is closed to us
        return (error.strerror or str(error)).lower()
    there = _nearest(home)
    return None if os.access(there, os.W_OK | os.X_OK) else f"{_name(os.geteuid())} may not write in {there}"


def _owner(home: Path) -> int:
    """Whose stack is in `home`; ours when there is none yet."""
    try:
        return (home / MARK).stat().st_uid
    except OSError:
        return os.geteuid()


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


def main() -> int:
    """Exit code 0 when a stack may be made here, else 2."""
    found = obstacle(chosen_home())
    if found:
        print(found, file=sys.stderr)
    return 2 if found else 0


if __name__ == "__main__":
    sys.exit(main())
