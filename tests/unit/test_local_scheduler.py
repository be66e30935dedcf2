"""What a killed scheduler left behind is ended before the next one starts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "airflow worker -- LocalExecutor: "
Start = Callable[[str, str], subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a process that goes by the given name and carries the mark of the given stack."""
    started: list[subprocess.Popen[bytes]] = []

    def run(name: str, stack: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([name, "60"], executable="/bin/sleep", env={"LISTINGS_STACK": stack})
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


def become(stack: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs local.scheduler for a stack to its end."""
    return subprocess.run(
        [sys.executable, "-m", "local.scheduler", *command],
        env={**os.environ, "LISTINGS_STACK": stack},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_idle_workers_of_this_stack_are_ended_and_no_others(start: Start, tmp_path: Path) -> None:
    """A worker with a task and another stack's worker live on, and the command runs."""
    mine, other = str(tmp_path), f"{tmp_path}-other"
    idle, forks = start(f"{PREFIX}<idle>", mine), start("python -c from multiprocessing.forkserver import main;", mine)
    busy, foreign = start(f"{PREFIX}1f3a-9c", mine), start(f"{PREFIX}<idle>", other)

    done = become(mine, "/bin/echo", "the scheduler")

    assert "ended 2 processes that a killed scheduler left behind\nthe scheduler\n" == done.stdout
    assert [-9, -9] == [idle.wait(5), forks.wait(5)]
    assert [None, None] == [busy.poll(), foreign.poll()]


def test_a_worker_can_still_write_when_nobody_reads_the_schedulers_output(tmp_path: Path) -> None:
    """The scheduler is killed and its log closed, as supervisord does: its worker writes, and comes to its end."""
    done = tmp_path / "done"
    worker = f"sleep 0.3; for n in 1 2 3 4 5; do echo line $n || exit 1; sleep 0.05; done; touch '{done}'"
    scheduler = subprocess.Popen(
        [sys.executable, "-m", "local.scheduler", "/bin/sh", "-c", f"({worker}) & echo begun; wait"],
        env={**os.environ, "LISTINGS_STACK": str(tmp_path)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert scheduler.stdout is not None
    assert b"begun\n" == scheduler.stdout.readline()
    scheduler.kill()
    scheduler.stdout.close()
    scheduler.wait()

    deadline = time.monotonic() + 10
    while not done.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert done.exists()


def test_without_a_command_it_says_what_it_expected() -> None:
    """An empty command line is refused in words."""
    done = become("/nowhere")
    assert 1 == done.returncode
    assert "expected the scheduler's command" in done.stderr
