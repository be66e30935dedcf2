"""What a killed scheduler left behind is ended before the next one starts."""

from __future__ import annotations

import os
import subprocess
import sys
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


def test_without_a_command_it_says_what_it_expected() -> None:
    """An empty command line is refused in words."""
    done = become("/nowhere")
    assert 1 == done.returncode
    assert "expected the scheduler's command" in done.stderr
