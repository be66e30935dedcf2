"""Python imports this first where its folder is on PYTHONPATH: from then on the process writes below one folder only.

What Python code opens, makes, renames or removes elsewhere raises, and says what. Code in C that opens a path by itself
is not seen.
"""

import os
import sys

FOLDER = os.path.realpath(os.environ["OWN_FOLDER"])
# No files: the null device, the process's own pipes and counters.
NO_DISK = ("/dev/", "/proc/")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Event: which of its arguments are paths.
CHANGES = {
    "os.mkdir": (0,),
    "os.rename": (0, 1),
    "os.link": (1,),
    "os.symlink": (1,),
    "os.remove": (0,),
    "os.rmdir": (0,),
    "os.truncate": (0,),
    "sqlite3.connect": (0,),
}


def check(event, arguments):
    """Raises when an event would change the disk outside of the folder."""
    if event == "open":
        path, _, flags = arguments
        paths = [path] if isinstance(flags, int) and flags & WRITES else []
    else:
        paths = [arguments[each] for each in CHANGES.get(event, ())]
    for path in paths:
        if not isinstance(path, int) and not is_own(os.fsdecode(path)):
            raise PermissionError(f"{event} outside of the task's own folder: {os.fsdecode(path)}")


def is_own(path):
    """Whether a path is below the folder, or no disk at all."""
    whole = os.path.abspath(path)  # noqa: PTH100 - no link is followed, and pathlib would open files by itself
    return whole.startswith(NO_DISK) or f"{whole}/".startswith(f"{FOLDER}/") or path == ":memory:"


sys.addaudithook(check)
