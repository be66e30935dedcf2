"""Who can be reached: while everything runs, no socket of any process of the stack is open to another machine."""

from __future__ import annotations

import time

import psutil
import pytest

from local.stack.process_marks import marked_processes
from tests.support.pipeline import PATIENCE, Pipeline

pytestmark = pytest.mark.timeout(900)


def open_sockets(pids: set[int]) -> set[tuple[int, str]]:
    """Process and address of what listens (TCP) or may be sent to (UDP)."""
    found = set()
    for line in psutil.net_connections("inet"):
        waits = line.status == psutil.CONN_LISTEN or (line.status == psutil.CONN_NONE and not line.raddr)
        if line.pid in pids and waits and line.laddr:
            found.add((line.pid, line.laddr.ip))
    return found


@pytest.mark.wave
def test_nothing_is_open_beyond_loopback_while_everything_runs(pipeline: Pipeline) -> None:
    """Looked at four times a second during a run: servers, task processes and the functions' workers."""
    seen: dict[int, str] = {}
    sockets: set[tuple[int, str]] = set()
    run_id = pipeline.extract(["yuma, az", "taos, nm"])
    end = time.monotonic() + PATIENCE
    while not (pipeline.loaded("yuma-az") and pipeline.loaded("taos-nm")):
        assert time.monotonic() < end, "the markets are not in the warehouse"
        for _ in range(10):
            processes = marked_processes(pipeline.stack.home.path)
            for process in processes:
                try:
                    seen[process.pid] = " ".join(process.cmdline())
                except psutil.Error:
                    continue
            sockets |= open_sockets({process.pid for process in processes})
            time.sleep(0.25)
    assert "success" == pipeline.finish(run_id)

    commands = list(seen.values())
    assert any("airflow worker" in command or "supervisor" in command for command in commands), "no task was seen"
    workers = [p for p in seen if any("ministack" in c for c in ancestors(p))]
    assert len(workers) >= 1
    assert {"127.0.0.1"} == {host for _, host in sockets}


def ancestors(pid: int) -> list[str]:
    """The command lines of a process's parents; none for one that has ended."""
    try:
        return [" ".join(parent.cmdline()) for parent in psutil.Process(pid).parents()]
    except psutil.Error:
        return []
