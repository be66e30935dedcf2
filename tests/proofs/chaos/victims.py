"""Which process of a stack is meant by each kind, and its end by SIGKILL."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from local.stack import Stack

# The programs that supervisord keeps, by the name that it knows them by.
PROGRAMS = {
    "scheduler": "airflow-scheduler",
    "api-server": "airflow-api-server",
    "dag-processor": "airflow-dag-processor",
    "triggerer": "airflow-triggerer",
    "ministack": "ministack",
    "postgres": "postgres",
    "redshift": "redshift",
    "listing-api": "listing-api",
}
BUSY_WORKER = "airflow worker -- LocalExecutor: "
IDLE = "<idle>"
LAMBDA_WORKER = "/_worker.py"


@dataclass(frozen=True)
class Killed:
    """A process that was killed; `task` is the id of the task instance that it ran, if it ran one."""

    pid: int
    words: str
    program: str | None = None
    task: str | None = None


def kill_one(stack: Stack, kind: str, choice: float, is_over: Callable[[], bool]) -> Killed | None:
    """Kills one process of `kind`, or the first that appears; None when none did until `is_over`."""
    while True:
        found = _candidates(stack, kind)
        if found:
            process, killed = found[int(choice * len(found))]
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
            return killed
        if is_over():
            return None
        time.sleep(0.02)


def wait_until_replaced(stack: Stack, killed: Killed, patience: float = 60.0) -> float | None:
    """Seconds until supervisord runs another process of the killed program; None when it does not."""
    begin = time.monotonic()
    while time.monotonic() - begin < patience:
        for each in stack.supervisor.programs():
            if each.name == killed.program and each.state == "RUNNING" and each.pid != killed.pid:
                return time.monotonic() - begin
        time.sleep(0.1)
    return None


def _candidates(stack: Stack, kind: str) -> list[tuple[psutil.Process, Killed]]:
    if kind == "task":
        return _tasks(stack)
    return _lambdas(stack) if kind == "lambda" else _program(stack, kind)


def _program(stack: Stack, kind: str) -> list[tuple[psutil.Process, Killed]]:
    name = PROGRAMS[kind]
    running = [each for each in stack.supervisor.programs() if each.name == name and each.pid]
    return [(psutil.Process(each.pid), Killed(each.pid, name, program=name)) for each in running]


def _tasks(stack: Stack) -> list[tuple[psutil.Process, Killed]]:
    """The executor's workers that are busy, and the processes in which they run the task itself."""
    found = []
    for worker, command in _children(stack, PROGRAMS["scheduler"]):
        if not command.startswith(BUSY_WORKER) or command.endswith(IDLE):
            continue
        task = command.removeprefix(BUSY_WORKER)
        found.append((worker, Killed(worker.pid, "worker of a task", task=task)))
        for child in _alive_children(worker):
            found.append((child, Killed(child.pid, "task", task=task)))
    return sorted(found, key=lambda each: each[1].pid)


def _lambdas(stack: Stack) -> list[tuple[psutil.Process, Killed]]:
    found = []
    for worker, command in _children(stack, PROGRAMS["ministack"]):
        if command.endswith(LAMBDA_WORKER):
            function = "copy_raw" if "copy-raw" in command else "transform_listings"
            found.append((worker, Killed(worker.pid, f"worker of {function}")))
    return sorted(found, key=lambda each: each[1].pid)


def _children(stack: Stack, program: str) -> list[tuple[psutil.Process, str]]:
    """All that a program of the stack has started, with the command line of each."""
    found = []
    for running in stack.supervisor.programs():
        if running.name != program or not running.pid:
            continue
        try:
            children = psutil.Process(running.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            continue
        for child in children:
            try:
                found.append((child, " ".join(child.cmdline()).strip()))
            except psutil.Error:
                continue
    return found


def _alive_children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [child for child in process.children() if child.status() != psutil.STATUS_ZOMBIE]
    except psutil.Error:
        return []
