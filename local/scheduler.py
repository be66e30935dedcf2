"""`python -m local.scheduler COMMAND…`: ends what a killed scheduler left behind, then becomes the scheduler.

The executor's workers do not notice that their scheduler is gone: they keep both ends of the queue that they wait
at, and would wait for good, each with its memory. One that is at work finishes its task, as nobody else knows of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import NoReturn

import psutil

MARK = "LISTINGS_STACK"
IDLE_WORKER = "airflow worker -- LocalExecutor: <idle>"
# Where workers are forked from. Without its scheduler nobody can ask it for one.
FORKSERVER = "multiprocessing.forkserver"


def left_behind(stack: str) -> Iterator[psutil.Process]:
    """The idle workers of this stack, and what they were forked from; the scheduler itself must not be running."""
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or process.environ().get(MARK) != stack:
                continue
            command = " ".join(process.cmdline()).strip()
        except (psutil.Error, OSError):
            continue
        if FORKSERVER in command or command.startswith(IDLE_WORKER):
            yield process


def end(processes: Iterator[psutil.Process]) -> int:
    """Kills them: they hold nothing. Returns how many there were."""
    ended = 0
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
        ended += 1
    return ended


def main() -> NoReturn:
    """The command line."""
    command = sys.argv[1:]
    if not command:
        raise SystemExit("expected the scheduler's command: python -m local.scheduler airflow scheduler")
    if ended := end(left_behind(os.environ[MARK])):
        print(f"ended {ended} processes that a killed scheduler left behind", flush=True)
    os.execv(command[0], command)  # noqa: S606 - it becomes that program, without a shell


if __name__ == "__main__":
    main()
