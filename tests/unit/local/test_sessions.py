"""What of a stack hides its environment is known by the session of its supervisor, and nothing else is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from local.stack.home import Home
from local.stack.process_marks import MARK, marked_processes, sweep
from local.stack.sessions import Session, remember, remembered

# A leader that has ended, and one whom it started and who lives on.
LEAVES_A_CHILD = (
    "import subprocess; child = subprocess.Popen(['sleep', '60'], stdin=-3, stdout=-3); print(child.pid, flush=True)"
)
WAITS = "import sys; print(0, flush=True); sys.stdin.read()"
Begin = Callable[[str], tuple[int, int]]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home whose stack may note its sessions."""
    home = Home(tmp_path)
    home.run.mkdir()
    return home


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Begins a session by running such a program; gives its leader and what that printed: a child, or 0."""
    leaders: list[subprocess.Popen[str]] = []
    children: list[int] = []

    def run(program: str) -> tuple[int, int]:
        leader = subprocess.Popen(
            [sys.executable, "-c", program],
            start_new_session=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        leaders.append(leader)
        assert leader.stdout is not None
        child = int(leader.stdout.readline())
        children.extend([child] if child else [])
        return leader.pid, child

    yield run
    for leader in leaders:
        leader.kill()
        leader.communicate()
    for child in children:
        if psutil.pid_exists(child):
            os.kill(child, 9)


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process lets its environment be read, as those that Airflow makes non-dumpable do not, but for root."""

    def refuse(process: psutil.Process) -> dict[str, str]:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "environ", refuse)


def end_leader(pid: int) -> None:
    """Kills the leader of a session, and leaves no zombie of it."""
    os.kill(pid, 9)
    os.waitpid(pid, 0)


def change(note: Path, **facts: object) -> None:
    """Changes what is noted of the one session."""
    note.write_text(json.dumps(json.loads(note.read_text()) | facts) + "\n")


def test_sessions_are_kept_in_order_and_once(home: Home, begin: Begin) -> None:
    """Two supervisors of a home are both remembered, one that is noted twice has one line."""
    leaders = [begin(WAITS)[0], begin(WAITS)[0]]
    for leader in [*leaders, leaders[0]]:
        remember(home.sessions_file, leader)

    assert frozenset(leaders) == remembered(home.sessions_file)
    assert leaders == [json.loads(line)["leader"] for line in home.sessions_file.read_text().splitlines()]


def test_a_session_without_its_leader_is_remembered(home: Home, begin: Begin) -> None:
    """A session outlives its supervisor."""
    leader, _ = begin(WAITS)
    remember(home.sessions_file, leader)
    end_leader(leader)

    assert {leader} == remembered(home.sessions_file)


def test_a_number_that_another_process_has_now_is_no_session(home: Home, begin: Begin) -> None:
    """A leader that was started at another moment than the one that was noted is not it."""
    leader, _ = begin(WAITS)
    remember(home.sessions_file, leader)
    change(home.sessions_file, started=0.01)

    assert frozenset() == remembered(home.sessions_file)


def test_no_session_outlives_the_boot(home: Home, begin: Begin) -> None:
    """What was noted before the machine was booted again means nothing, also where nobody has the number."""
    leader, _ = begin(WAITS)
    remember(home.sessions_file, leader)
    end_leader(leader)
    change(home.sessions_file, boot="-")

    assert frozenset() == remembered(home.sessions_file)


def test_a_clock_that_is_set_makes_no_other_session(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set an hour on, the clock moves every process's start; the session is the same."""
    leader, _ = begin(WAITS)
    before = Session.led_by(leader)
    created, booted = psutil.Process.create_time, psutil.boot_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: created(process) + 3600)
    monkeypatch.setattr(psutil, "boot_time", lambda: booted() + 3600)

    assert before == Session.led_by(leader)


@pytest.mark.parametrize("text", ["", "{", '{"leader": 1}', "[]", "7"])
def test_a_note_that_cannot_be_read_remembers_nothing(home: Home, text: str) -> None:
    """A note that was cut short, or that nobody wrote, is as none."""
    home.sessions_file.write_text(text)

    assert frozenset() == remembered(home.sessions_file)


@pytest.mark.usefixtures("hidden")
def test_what_hides_its_environment_is_found_and_ended(home: Home, begin: Begin) -> None:
    """What a killed supervisor left is found by its session, and ended; the same of another session is not."""
    (leader, left), (_, foreign) = begin(f"{LEAVES_A_CHILD}; {WAITS}"), begin(LEAVES_A_CHILD)
    remember(home.sessions_file, leader)
    end_leader(leader)

    assert [left] == [process.pid for process in marked_processes(home.path)]
    assert [] == sweep(home.path)
    assert not psutil.pid_exists(left) or psutil.STATUS_ZOMBIE == psutil.Process(left).status()
    assert psutil.STATUS_ZOMBIE != psutil.Process(foreign).status()


@pytest.mark.usefixtures("hidden")
def test_another_users_process_is_left_alone(home: Home, begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a session of ours, an ordinary user takes no process of another user for the stack's."""
    leader, _ = begin(LEAVES_A_CHILD)
    remember(home.sessions_file, leader)
    monkeypatch.setattr(os, "getuid", lambda: 4711)

    assert [] == marked_processes(home.path)


def test_what_shows_another_mark_is_left_alone(home: Home, begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that shows its environment is judged by that, whatever its session."""
    monkeypatch.setenv(MARK, "/of/another")
    leader, _ = begin(LEAVES_A_CHILD)
    remember(home.sessions_file, leader)

    assert [] == marked_processes(home.path)
