"""`python -m local.airflow.scheduler COMMAND…`: ends what a killed scheduler left behind, then becomes the scheduler.

The executor's workers outlive a scheduler that is killed. One that is at work shall finish its task: it tells the
api-server itself how that ended. But it writes its log to the scheduler's output too, and who reads that output stops
when the scheduler ends; so a process between them goes on reading. One that is idle would wait for good at a queue
whose both ends it holds, with all its memory: the next scheduler ends it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from typing import NoReturn

import psutil

IDLE_WORKER = "airflow worker -- LocalExecutor: <idle>"
# Where workers are forked from. Without its scheduler nobody can ask it for one.
FORKSERVER = "multiprocessing.forkserver"


def left_behind() -> Iterator[psutil.Process]:
    """The idle workers of this stack, and what they were forked from; the scheduler itself must not be running.

    They have our session, supervisord's. Their environment says nothing: Airflow hides it from all but root.
    """
    session, user = os.getsid(0), os.getuid()
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) != session or process.uids().real != user or process.pid == os.getpid():
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


def pass_on(source: int, target: int) -> None:
    """Copies what comes until nobody can write any more; when nobody reads `target` any more, to nowhere."""
    while piece := os.read(source, 65536):
        try:
            while piece:
                piece = piece[os.write(target, piece) :]
        except BrokenPipeError:
            continue


def give_output_a_reader() -> None:
    """Puts a process between our output and who reads it now, that lives as long as anybody writes."""
    source, ours = os.pipe()
    if os.fork() == 0:
        os.close(ours)
        # Asked to stop with the others, it first passes on what they say while they stop.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        pass_on(source, sys.stdout.fileno())
        os._exit(0)
    os.close(source)
    for output in (sys.stdout, sys.stderr):
        os.dup2(ours, output.fileno())
    os.close(ours)


def main() -> NoReturn:
    """The command line."""
    command = sys.argv[1:]
    if not command:
        raise SystemExit("expected the scheduler's command: python -m local.airflow.scheduler airflow scheduler")
    if ended := end(left_behind()):
        print(f"ended {ended} processes that a killed scheduler left behind", flush=True)
    give_output_a_reader()
    os.execv(command[0], command)  # noqa: S606 - it becomes that program, without a shell


if __name__ == "__main__":
    main()
