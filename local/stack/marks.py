"""The mark that every process of a stack carries, and how what carries it is found and ended.

The mark is an environment variable: children inherit it, it survives the death of the supervisor, and no
process of another stack or of anybody else has that very value.
"""

from __future__ import annotations

from pathlib import Path

import psutil

MARK = "LISTINGS_STACK"


def home_of(process: psutil.Process) -> str | None:
    """The home of the stack that a process belongs to; None when it belongs to none or we may not look."""
    try:
        return process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None


def marked_processes(home: Path) -> list[psutil.Process]:
    """The processes of the stack in `home`, with their descendants, which may have hidden their environment."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        if home_of(process) != str(home):
            continue
        try:
            family = [process, *process.children(recursive=True)]
        except psutil.Error:
            family = [process]
        found |= {member.pid: member for member in family}
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
