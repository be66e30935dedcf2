"""`make down` leaves nothing of a stack that an ordinary user started, who may not look into all its processes.

Root becomes such a user: another account, or, where the checkout lies below a folder that is root's alone, itself in a
namespace in which it has no privilege.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from local.listing_api_client import ListingApi
from local.stack import Stack, free_ports
from local.stack.ports import is_held
from local.unprivileged import Unprivileged

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ROOT / ".venv" / "local" / "bin" / "python"
WORKER = "airflow worker -- LocalExecutor: "

# Twice a whole stack.
pytestmark = pytest.mark.timeout(600)


class Person:
    """An ordinary user with a stack in a home of their own."""

    def __init__(self) -> None:
        try:
            self._who = Unprivileged.through(PYTHON.resolve(), ROOT / ".venv" / "airflow")
        except SystemExit as reason:
            pytest.skip(str(reason))
        home = Path(tempfile.mkdtemp(prefix="listings-ordinary-")).resolve()
        home.chmod(0o755)
        self._who.own(home)
        self.stack = Stack(home=home, ports=free_ports())
        self.seen: set[psutil.Process] = set()

    def make(self, command: str) -> None:
        """Does what `make up` or `make down` does."""
        settings = {"LISTINGS_HOME": self.stack.home.path, "PYTHONPATH": ROOT}
        settings |= {f"LISTINGS_PORT_{name.upper()}": port for name, port in self.stack.ports.items()}
        environment = [f"{name}={value}" for name, value in settings.items()]
        done = self._who.run(["env", *environment, str(PYTHON), "-m", "local.stack", command])
        assert 0 == done.returncode, done.stdout + done.stderr

    def give_work(self) -> None:
        """Has one worker wait for the API in the middle of a task, and another idle after one."""
        ListingApi(self.stack.ports.api).set_faults([{"location": "houston, tx", "delay_seconds": 300, "times": None}])
        airflow = self.stack.airflow()
        airflow.pause("extract_listings", False)
        conf = {"markets": ["houston, tx", "ogden, ut"], "page_limit": 1, "source": "zillow56"}
        run = airflow.trigger("extract_listings", partition_key=datetime.now(UTC).date().isoformat(), conf=conf)

        def landing() -> list[str]:
            try:
                tasks = airflow.tasks("extract_listings", run)
            except TimeoutError:  # a busy machine
                return []
            return sorted(str(task["state"]) for task in tasks if task["task_id"] == "land_listings")

        until(lambda: ["running", "success"] == landing(), "a task is in flight, and another has ended")

    def hides(self, process: psutil.Process) -> bool:
        """Whether a process keeps its environment from this user."""
        return 0 != self._who.run(["cat", f"/proc/{process.pid}/environ"]).returncode

    def processes(self, session: int) -> list[psutil.Process]:
        """All that lives of a supervisord's session, and the descendants of those that have begun another one."""
        found = {process for process in psutil.process_iter() if session == session_of(process)}
        for process in list(found):
            found |= set(descendants(process))
        self.seen |= found
        return [process for process in found if is_alive(process)]


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    """Somebody whose home is empty."""
    person = Person()
    try:
        yield person
        person.make("down")
    finally:
        for process in filter(is_alive, person.seen):
            process.kill()
        shutil.rmtree(person.stack.home.path)


@pytest.mark.parametrize(
    "killed",
    [
        pytest.param(True, id="supervisord killed", marks=pytest.mark.sample),
        pytest.param(False, id="supervisord asked"),
    ],
)
def test_down_leaves_nothing(person: Person, killed: bool) -> None:
    """With a task in flight and its worker hiding its environment, `down` leaves no process, port, socket or lock."""
    home = person.stack.home
    person.make("up")
    person.give_work()
    supervisor = int((home.run / "supervisord.pid").read_text())
    before = person.processes(supervisor)
    hidden = [command_of(process) for process in before if person.hides(process)]
    assert {True, False} == {command.endswith("<idle>") for command in hidden if command.startswith(WORKER)}
    if killed:
        os.kill(supervisor, signal.SIGKILL)

    person.make("down")

    assert [] == [process for process in before if is_alive(process)]
    assert [] == person.processes(supervisor)
    assert [] == [name for name, port in person.stack.ports.items() if is_held(port)]
    assert [] == [
        path for path in (home.run, home.path / "lock", home.path / "postgres" / "postmaster.pid") if path.exists()
    ]


def until(holds: Callable[[], bool], what: str, patience: float = 180.0) -> None:
    """Waits until something holds; fails saying what did not."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, f"not within {patience:.0f} s: {what}"
        time.sleep(0.2)


def session_of(process: psutil.Process) -> int | None:
    """The session of a process; None when it has ended."""
    try:
        return os.getsid(process.pid)
    except ProcessLookupError:
        return None


def command_of(process: psutil.Process) -> str:
    """The command line of a process; empty when it has ended."""
    try:
        return " ".join(process.cmdline()).strip()
    except psutil.NoSuchProcess:
        return ""


def descendants(process: psutil.Process) -> list[psutil.Process]:
    """What a process started, and what that started; nothing when it has ended."""
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def is_alive(process: psutil.Process) -> bool:
    """Whether a process runs; one that has ended and whose parent has not looked yet holds nothing."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
