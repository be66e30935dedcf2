"""The mark that every process of a stack carries, and how what carries it is found and ended.

The mark is an environment variable: children inherit it, it survives the death of the supervisor, and no
process of another stack or of anybody else has that very value. A process whose environment we may not read
is known by its session.
"""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Container
from pathlib import Path

import psutil

from local.stack import sessions
from local.stack.home import Home

MARK = "LISTINGS_STACK"


def home_of(process: psutil.Process) -> str | None:
    """The home of the stack that a process belongs to; None when it belongs to none or we may not look."""
    try:
        return process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None


def marked_processes(home: Path) -> list[psutil.Process]:
    """The processes of the stack in `home`, with their descendants, which may have hidden their environment."""
    ours = sessions.remembered(Home(home).sessions_file)
    children: dict[int, list[psutil.Process]] = defaultdict(list)
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        if _belongs(process, home, ours):
            found[process.pid] = process
        with contextlib.suppress(psutil.Error):
            children[process.ppid()].append(process)
    parents = list(found)
    while parents:
        hidden = [child for child in children[parents.pop()] if child.pid not in found]
        found |= {child.pid: child for child in hidden}
        parents += [child.pid for child in hidden]
    # A process that has ended and whose parent has not looked yet holds nothing.
    return [process for process in found.values() if _is_alive(process)]


def sweep(home: Path, patience: float = 10.0) -> list[psutil.Process]:
    """Ends every process of the stack in `home`: SIGTERM, `patience` seconds, SIGKILL.

    Gives the processes that even SIGKILL did not end. Looks again each time, as a process may start another
    one while it is being ended.
    """
    for process in marked_processes(home):
        _signal(process, kill=False)
    alive = _wait_for(home, patience)
    for _ in range(3):
        if not alive:
            break
        for process in alive:
            _signal(process, kill=True)
        alive = _wait_for(home, patience)
    return alive


def _belongs(process: psutil.Process, home: Path, ours: Container[int]) -> bool:
    """Whether a process is of the stack in `home`, whose sessions are `ours`.

    What the environment says goes first: the number of a session may be used again, the mark may not.
    """
    try:
        return process.environ().get(MARK) == str(home)
    except psutil.AccessDenied:
        return _is_own(process) and _session(process) in ours
    except (psutil.Error, OSError):
        return False


def _is_own(process: psutil.Process) -> bool:
    """Whether we may end it: root's PostgreSQL runs as another user."""
    try:
        return os.getuid() in (0, process.uids().real)
    except psutil.Error:
        return False


def _session(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except OSError:
        return None


def _wait_for(home: Path, patience: float) -> list[psutil.Process]:
    processes = marked_processes(home)
    if processes:
        psutil.wait_procs(processes, timeout=patience)
    return marked_processes(home)


def _signal(process: psutil.Process, *, kill: bool) -> None:
    try:
        process.kill() if kill else process.terminate()
    except psutil.Error:
        return


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
