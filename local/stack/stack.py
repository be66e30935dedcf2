"""A stack from nothing to running and back: the order of things, and what to do with what was there before."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from local import machine
from local.airflow.api import AirflowApi
from local.stack import airflow_processes, deployment, preflight, process_marks, services
from local.stack.airflow_environment import (
    API_POOL,
    airflow_environment,
    settings_environment,
    write_for_a_person,
)
from local.stack.changes import changes
from local.stack.deployment import Deployment
from local.stack.home import Home, write_private
from local.stack.ports import Holder, Ports, holder_of, is_held, ports_from, require_free
from local.stack.supervisor import Program, Supervisor


class StackError(RuntimeError):
    """The stack cannot be started, stopped or asked; the message says why and what to do."""


@dataclass(frozen=True)
class State:
    """What a finished `up` leaves behind for the next command."""

    ports: Ports
    deployment: Deployment
    fingerprint: str

    @classmethod
    def read(cls, path: Path) -> State | None:
        """The state in this file; None when there is none, which means that no `up` came to its end."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return cls(Ports(**found["ports"]), Deployment(**found["deployment"]), found["fingerprint"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Writes the state, readable by its owner only."""
        write_private(path, json.dumps(asdict(self), indent=2) + "\n")


class Stack:
    """One stack: its home says which. Two with different homes and ports run side by side.

    :param home: folder of everything at run time; default $LISTINGS_HOME, else .local in the project
    :param ports: default $LISTINGS_PORT_<NAME>, else those that the running stack in this home has, else 8080 etc.
    :param recordings: folder of recorded pages that the listing API serves instead of its simulated market
    :param say: is told each step in a line
    :param settings: the LISTINGS_* settings that Airflow gets; default those of this process. An unknown name raises
        SettingRefused
    :param airflow_settings: AIRFLOW__<SECTION>__<KEY> settings that go before the stack's own
    :param durable: whether PostgreSQL waits for the disk; a stack that a test throws away need not
    """

    def __init__(
        self,
        home: Path | str | None = None,
        ports: Ports | None = None,
        recordings: Path | str | None = None,
        say: Callable[[str], None] = print,
        settings: Mapping[str, str] | None = None,
        airflow_settings: Mapping[str, str] | None = None,
        durable: bool = True,
    ) -> None:
        self.home = Home.at(home)
        self.recordings = _existing_folder(recordings)
        self.settings = os.environ if settings is None else settings
        preflight.require_known(self.settings)
        self.airflow_settings = airflow_settings or {}
        self.durable = durable
        self._asked_ports = ports or self._ports()
        self._say = say
        self._supervisor = Supervisor(self.home)

    @property
    def ports(self) -> Ports:
        """Those of the stack that is up here, whatever was asked for; else those that it would be started with."""
        state = State.read(self.home.state_file)
        others = state is not None and state.ports != self._asked_ports
        return state.ports if state and others and self._supervisor.is_alive() else self._asked_ports

    @property
    def ui_url(self) -> str:
        """Where Airflow's pages are."""
        return self.airflow().url

    def airflow(self) -> AirflowApi:
        """A client of this stack's Airflow, logged in as its one user."""
        return airflow_processes.airflow_api(self.home, self.ports)

    def is_up(self) -> bool:
        """Whether an `up` came to its end and its supervisor runs."""
        return State.read(self.home.state_file) is not None and self._supervisor.is_alive()

    def is_at_work(self) -> bool:
        """Whether a command is starting or stopping it at this moment."""
        try:
            with (self.home.path / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return False
        except BlockingIOError:
            return True
        except OSError:  # no lock, or none that we may look at
            return False

    def programs(self) -> list[Program]:
        """The programs with the environment that they should have now; only for a stack that is up."""
        state = self._state()
        return [
            *services.services(self.home, self.ports, self.recordings, self.durable),
            *airflow_processes.airflow_programs(self.ports, self._environment(state.deployment)),
        ]

    def env(self) -> dict[str, str]:
        """Airflow's environment, for running a command of Airflow's or of ours beside it."""
        return self._environment(self._state().deployment)

    @property
    def supervisor(self) -> Supervisor:
        """What keeps the processes."""
        return self._supervisor

    def up(self) -> bool:
        """Brings the stack up; returns whether anything had to be started.

        A stack that is up stays as it is, but for processes whose settings changed: those are started again.
        What a killed or unfinished start left is ended first. Raises MachineRefused, SettingRefused or PortError
        before anything is started when this machine cannot hold the stack, a setting cannot be read or a port not
        be had, and SupervisorError, DeployError or StackError when a part does not come up; a stack that this call
        began to start is then ended again.
        """
        self.require_startable()
        with self._alone():
            was_up = self._clear_the_way()
            try:
                return self._bring_up(was_up)
            except BaseException as error:
                left = machine.room(self.home.path)
                if not was_up:
                    self._say("not started; ending what was")
                    self._end()
                if isinstance(error, Exception) and left < machine.FULL:
                    raise StackError(
                        f"the disk of {self.home.path} is full ({left // machine.MB} MB are left): make room there, or "
                        "set LISTINGS_HOME to a folder on another disk"
                    ) from error
                raise

    def require_startable(self) -> None:
        """Raises MachineRefused or SettingRefused when this machine cannot hold the stack or a setting not be read."""
        preflight.require_fit(self.home.path)
        preflight.require_readable(settings_environment(self.home, self.settings))

    def down(self) -> bool:
        """Ends every process of the stack and removes what exists only while it runs; its data stays.

        Returns whether there ever was a stack. Raises StackError when a process is still there in the end.
        """
        if not machine.is_a_home(self.home.path):
            return False
        with self._alone():
            self._end()
        return True

    def _bring_up(self, was_up: bool) -> bool:
        started_at = datetime.now(UTC)
        self.home.secrets()  # makes those that are not there: the programs read the file
        servers = services.services(self.home, self.ports, self.recordings, self.durable)
        if not was_up:
            names = airflow_processes.airflow_programs(self.ports, {})
            self._supervisor.start([*servers, *names])
            self._say("starting PostgreSQL, AWS, Redshift and the listing API")
        self._say_what_changes(servers)
        fresh = [program.name for program in servers if self._supervisor.ensure(program)]
        services.wait_until_ready(self._supervisor, self.ports)
        if "postgres" in fresh:
            self._create_databases()
        deployed, deployed_now = self._deployment(fresh)
        environment = self._environment(deployed.deployment)
        write_for_a_person(self.home, environment)
        airflow_processes.prepare_airflow(self.home)
        with ThreadPoolExecutor(1) as pool:
            if deployed_now:
                saving = pool.submit(self._save_infrastructure, servers)
            programs = airflow_processes.airflow_programs(self.ports, environment)
            self._say_what_changes(programs)
            fresh += [program.name for program in programs if self._supervisor.ensure(program)]
            if deployed_now:
                saving.result()
        if was_up and services.LISTING_API in fresh:
            self._say(f"the listing API now serves {self.recordings or 'the simulated market'}")
        if any(name in fresh for name in airflow_processes.NAMES):
            self._say("starting Airflow")
            self._wait_for_airflow(started_at, int(environment["LISTINGS_API_SLOTS"]))
        deployed.write(self.home.state_file)
        return bool(fresh)

    def _say_what_changes(self, programs: Sequence[Program]) -> None:
        for sentence in changes(self._supervisor, self.home, programs):
            self._say(sentence)

    def _create_databases(self) -> None:
        """Makes the databases and roles that are not there yet, and gives each role its password."""
        command = [str(services.PYTHON), "-m", "local.postgres.server", "--create", "--port", str(self.ports.postgres)]
        result = subprocess.run(
            [*command, "--secrets", str(self.home.secrets_file)],
            env=services.plain_environment(self.home) | {process_marks.MARK: str(self.home.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise StackError(f"the databases could not be made: {result.stderr.strip() or result.stdout.strip()}")

    def _deployment(self, fresh: list[str]) -> tuple[State, bool]:
        """The deployed template as the checkout has it, and whether it had to be deployed now."""
        known, wanted = State.read(self.home.state_file), deployment.fingerprint()
        if known and known.fingerprint == wanted and services.MINISTACK not in fresh:
            return known, False
        self._say("deploying infra/template.yaml, and bringing Airflow's database up to date")
        with ThreadPoolExecutor(2) as pool:
            deploying = pool.submit(deployment.deploy, self.home, self.ports, lambda line: None)
            migrating = pool.submit(airflow_processes.migrate, self.home, self.ports)
            migrating.result()
            return State(self.ports, deploying.result(), wanted), True

    def _save_infrastructure(self, servers: list[Program]) -> None:
        """Restarts MiniStack, which writes its state only when it ends: from now on a kill loses no resource."""
        ministack = next(program for program in servers if program.name == services.MINISTACK)
        self._supervisor.halt(ministack)
        self._supervisor.ensure(ministack)
        services.wait_until_ready(self._supervisor, self.ports)

    def _wait_for_airflow(self, since: datetime, slots: int) -> None:
        api = self.airflow()

        def make_pool() -> None:
            api.set_pool(API_POOL, slots, "Tasks that may ask the listing API at the same time")

        for error in airflow_processes.wait_until_working(self._supervisor, api, since, make_pool):
            self._say(f"warning: a DAG file does not import: {error}")

    def _environment(self, deployed: Deployment) -> dict[str, str]:
        made = airflow_environment(self.home, self.ports, deployed, self.settings)
        return {**made, **self.airflow_settings}

    def _state(self) -> State:
        state = State.read(self.home.state_file)
        if state is None:
            raise StackError(f"no stack is up in {self.home.path}; start one with `make up`")
        return state

    def _ports(self) -> Ports:
        """What the environment says; where it says nothing, what the stack that is up has."""
        state = State.read(self.home.state_file)
        chosen = {f"LISTINGS_PORT_{name.upper()}": str(port) for name, port in state.ports.items()} if state else {}
        return ports_from({**chosen, **self.settings})

    def _clear_the_way(self) -> bool:
        """Ends what an unfinished or killed start left; returns whether the stack is up."""
        state = State.read(self.home.state_file)
        if self._supervisor.is_alive() and state is not None:
            if state.ports != self._asked_ports:
                raise StackError(
                    f"the stack in {self.home.path} is up on other ports "
                    f"({_differences(state.ports, self._asked_ports)}). "
                    "Stop it first: make down"
                )
            self._supervisor.remember_session()  # a stack that an older version started has no note of it
            return True
        if self._supervisor.is_alive() or process_marks.marked_processes(self.home.path):
            self._say("an earlier start was cut short or its supervisor killed: ending what it left")
            self._end()
        require_free(self.ports)
        self.home.prepare()
        return False

    def _end(self) -> None:
        ports = (State.read(self.home.state_file) or self).ports
        if self._supervisor.is_alive():
            self._supervisor.remember_session()
            self._supervisor.stop()
        left = process_marks.sweep(self.home.path)
        if left:
            names = ", ".join(f"{process.pid}" for process in left)
            raise StackError(f"these processes of the stack do not end, even by SIGKILL: {names}")
        # After a kill -9 the database's lock stays; now that no process is left, nobody holds it.
        with contextlib.suppress(OSError):
            (self.home.path / "postgres" / "postmaster.pid").unlink()
        self.home.clear_run()
        for name, port, holder in _still_held(ports):
            self._say(f"note: port {port} ({name}) is in use, not by this stack but by {holder}")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Lets one `up` or `down` at a time work on this home; a second one waits."""
        self.home.path.mkdir(mode=0o755, parents=True, exist_ok=True)
        path = self.home.path / "lock"
        while True:
            with path.open("a") as lock:
                self._take(lock)
                # The one before us removed the file in the end: then ours is a lock on nothing.
                if path.exists() and os.fstat(lock.fileno()).st_ino == path.stat().st_ino:
                    try:
                        yield
                    finally:
                        path.unlink(missing_ok=True)
                    return

    def _take(self, lock: TextIO) -> None:
        """Takes the lock, asking again and again: a Ctrl-C just before a call that blocks would be lost in it."""
        is_told = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not is_told:
                    self._say("another command is starting or stopping this stack: waiting for it")
                    is_told = True
                time.sleep(0.1)
            else:
                return


def _existing_folder(folder: Path | str | None) -> Path | None:
    if folder is None:
        return None
    path = Path(folder).expanduser().resolve()
    if not path.is_dir():
        raise StackError(f"RECORDINGS={folder}: there is no such folder")
    return path


def _differences(running: Ports, wanted: Ports) -> str:
    return ", ".join(
        f"{name} {port} instead of {getattr(wanted, name)}"
        for name, port in running.items()
        if port != getattr(wanted, name)
    )


def _still_held(ports: Ports, patience: float = 3.0) -> list[tuple[str, int, Holder]]:
    """Ports that are in use although our processes are gone; a closing socket gets a moment."""
    deadline = time.monotonic() + patience
    while any(is_held(port) for _, port in ports.items()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return [(name, port, holder_of(port)) for name, port in ports.items() if is_held(port)]
