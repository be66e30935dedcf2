"""What a killed scheduler left behind is ended before the next one starts."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[3]
PREFIX = "airflow worker -- LocalExecutor: "
IDLE, BUSY = f"{PREFIX}<idle>", f"{PREFIX}1f3a-9c"
FORKS = "python -c from multiprocessing.forkserver import main;"
# Begins a session, as supervisord does, starts processes that go by the given names, and becomes a scheduler there.
SESSION = """
import json, os, subprocess, sys
def start(name):
    return subprocess.Popen([name, "60"], executable="/bin/sleep", stdout=subprocess.DEVNULL, env={}).pid
print(*(start(name) for name in json.loads(sys.argv[1])), flush=True)
scheduler = [sys.executable, "-m", "local.airflow.scheduler", "/bin/sh", "-c", "echo the scheduler; read wait"]
os.execv(sys.executable, scheduler)
"""


def until(holds: Callable[[], bool], patience: float = 10.0) -> None:
    """Waits until something holds."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def foreign() -> Iterator[subprocess.Popen[bytes]]:
    """An idle worker that has a session of its own."""
    with subprocess.Popen([IDLE, "60"], executable="/bin/sleep", start_new_session=True) as worker:
        yield worker
        worker.kill()


def test_idle_workers_of_this_session_are_ended_and_no_others(foreign: subprocess.Popen[bytes]) -> None:
    """A worker with a task and another session's worker live on, and the command runs."""
    session = [sys.executable, "-c", SESSION, json.dumps([IDLE, FORKS, BUSY])]
    with subprocess.Popen(
        session, cwd=ROOT, start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as scheduler:
        assert scheduler.stdout is not None
        left = [psutil.Process(int(pid)) for pid in scheduler.stdout.readline().split()]
        try:
            assert "ended 2 processes that a killed scheduler left behind\n" == scheduler.stdout.readline()
            assert "the scheduler\n" == scheduler.stdout.readline()
            until(lambda: [left[2]] == [process for process in left if process.status() != psutil.STATUS_ZOMBIE])
            assert foreign.poll() is None
        finally:
            for process in left:
                process.kill()
            scheduler.communicate("go on")


def test_a_worker_can_still_write_when_nobody_reads_the_schedulers_output(tmp_path: Path) -> None:
    """The scheduler is killed and its log closed, as supervisord does: its worker writes, and comes to its end."""
    done = tmp_path / "done"
    worker = f"sleep 0.3; for n in 1 2 3 4 5; do echo line $n || exit 1; sleep 0.05; done; touch '{done}'"
    scheduler = subprocess.Popen(
        [sys.executable, "-m", "local.airflow.scheduler", "/bin/sh", "-c", f"({worker}) & echo begun; wait"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert scheduler.stdout is not None
    assert b"begun\n" == scheduler.stdout.readline()
    scheduler.kill()
    scheduler.stdout.close()
    scheduler.wait()

    until(done.exists)


def test_without_a_command_it_says_what_it_expected() -> None:
    """An empty command line is refused in words."""
    done = subprocess.run([sys.executable, "-m", "local.airflow.scheduler"], cwd=ROOT, capture_output=True, text=True)
    assert 1 == done.returncode
    assert "expected the scheduler's command" in done.stderr
