"""`make down` leaves nothing of a stack that an ordinary user started, who may not look into all its processes.

Root becomes such a user: another account, or, where the checkout lies below a folder that is root's alone, itself in a
namespace in which it has no privilege.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from local.commands.listing_api_client import ListingApi
from local.postgres.unprivileged import Unprivileged
from local.stack import Stack, free_ports
from local.stack.ports import is_held

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ROOT / ".venv" / "local" / "bin" / "python"
WORKER = "airflow worker -- LocalExecutor: "
# A leader whose worker hides as Airflow's do (PR_SET_DUMPABLE is 4), and which is killed; then what `make down` does.
ORPHAN = f"""
import subprocess, sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from local.stack import process_marks as marks, sessions
from local.stack.home import Home
home = Home(Path(sys.argv[1]))
home.prepare()
hide = "import ctypes, time; ctypes.CDLL(None).prctl(4, 0); print('hidden', flush=True); time.sleep(100)"
lead = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]]).wait()"
leader = subprocess.Popen([sys.executable, "-c", lead, hide], stdout=subprocess.PIPE, text=True, start_new_session=True)
said = [leader.stdout.readline().strip()]
sessions.remember(home.sessions_file, leader.pid)
leader.kill()
leader.wait()
found = marks.marked_processes(home.path)
said += ["found" if len(found) == 1 and marks.home_of(found[0]) is None else str(found)]
left = marks.sweep(home.path)
said += [str(left) if left else "ended"]
home.clear_run()
print(", ".join(said))
"""

# Twice a whole stack.
pytestmark = pytest.mark.timeout(600)


class Person:
    """An ordinary user with a stack in a home of their own. `inside`: a process of the namespace in which they live."""

    def __init__(self, who: Unprivileged, inside: subprocess.Popen[bytes] | None) -> None:
        self._who, self._inside = who, inside
        home = Path(tempfile.mkdtemp(prefix="listings-ordinary-")).resolve()
        home.chmod(0o755)
        who.own(home)
        self.stack = Stack(home=home, ports=free_ports())
        self.seen: set[psutil.Process] = set()

    def make(self, command: str) -> None:
        """Does what `make up` or `make down` does."""
        settings = {"LISTINGS_HOME": self.stack.home.path, "PYTHONPATH": ROOT}
        settings |= {f"LISTINGS_PORT_{name.upper()}": port for name, port in self.stack.ports.items()}
        environment = [f"{name}={value}" for name, value in settings.items()]
        done = self.run(["env", *environment, str(PYTHON), "-m", "local.stack", command])
        assert 0 == done.returncode, done.stdout + done.stderr

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Runs a program to its end as this user, keeping what it says."""
        if self._inside is None:
            return self._who.run(command)
        # A namespace for each command would hide every process of the others', not just those that Airflow hides.
        enter = ["nsenter", "--user", "--target", str(self._inside.pid), "--preserve-credentials", "--"]
        return subprocess.run([*enter, *command], capture_output=True, text=True, cwd="/", check=False)

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
        return 0 != self.run(["cat", f"/proc/{process.pid}/environ"]).returncode

    def processes(self, session: int) -> list[psutil.Process]:
        """All that lives of a supervisord's session, and the descendants of those that have begun another one."""
        found = {process for process in psutil.process_iter() if session == session_of(process)}
        for process in list(found):
            found |= set(descendants(process))
        self.seen |= found
        return [process for process in found if is_alive(process)]


@contextmanager
def namespace(who: Unprivileged) -> Iterator[subprocess.Popen[bytes] | None]:
    """A process that keeps a namespace open, for who needs one; it ends with its input."""
    if not who.namespace:
        yield None
        return
    keep = who.command(["sh", "-c", "echo; exec cat"])
    with subprocess.Popen(keep, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as inside:
        assert inside.stdout is not None
        inside.stdout.readline()  # by now it is in
        yield inside


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    """Somebody whose home is empty."""
    try:
        who = Unprivileged.through(PYTHON.resolve(), ROOT / ".venv" / "airflow")
    except SystemExit as reason:
        pytest.skip(str(reason))
    with namespace(who) as inside:
        person = Person(who, inside)
        try:
            yield person
            person.make("down")
        finally:
            for process in filter(is_alive, person.seen):
                process.kill()
            shutil.rmtree(person.stack.home.path)


@pytest.mark.sample
def test_a_process_that_hides_is_ended_by_its_session(person: Person) -> None:
    """What hides its environment, and whose leader was killed, is found by the session that the home remembers."""
    done = person.run([str(PYTHON), "-c", ORPHAN, str(person.stack.home.path)])
    assert (0, "hidden, found, ended\n") == (done.returncode, done.stdout), done.stderr


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "asked"])
def test_down_leaves_nothing(person: Person, killed: bool) -> None:
    """With a task in flight and its worker hiding its environment, `down` leaves no process, port, socket or lock.

    Nor where supervisord and the scheduler were killed: then nobody is left whose descendants the workers are.
    """
    home = person.stack.home
    person.make("up")
    person.give_work()
    supervisor = int((home.run / "supervisord.pid").read_text())
    [scheduler] = [each.pid for each in person.stack.supervisor.programs() if each.name == "airflow-scheduler"]
    before = person.processes(supervisor)
    hidden = [command_of(process) for process in before if person.hides(process)]
    assert not person.hides(psutil.Process(supervisor))
    assert [command for command in hidden if command.startswith(WORKER) and not command.endswith("<idle>")]
    if killed:
        os.kill(supervisor, signal.SIGKILL)
        os.kill(scheduler, signal.SIGKILL)

    person.make("down")

    assert [] == [process for process in before if is_alive(process)]
    assert [] == person.processes(supervisor)
    assert [] == [name for name, port in person.stack.ports.items() if is_held(port)]
    assert [] == [path for path in ("run", "lock", "postgres/postmaster.pid") if (home.path / path).exists()]


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
