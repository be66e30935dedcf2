"""supervisord: its configuration, its start and end, and the few questions that the stack asks it.

supervisord has a clean environment, and each program is started through a small launcher script, readable by
its owner only, that exports the program's own: nothing of the caller's shell leaks in, secrets are on no command
line, and what has changed since a program was started can be seen by comparing two files.
"""

from __future__ import annotations

import contextlib
import http.client
import shlex
import socket
import subprocess
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import psutil

from local.patience import Patience
from local.stack import sessions
from local.stack.home import ROOT, Home, write_private
from local.stack.process_marks import MARK

SUPERVISORD_PYTHON = ROOT / ".venv" / "local" / "bin" / "python"
# Seconds. A program that is stopped may take half a minute, on a busy machine it and supervisord more.
ANSWERS_WITHIN = 120
# The order of starting; the end goes the other way round, one group after the other.
GROUPS = ("database", "services", "airflow")
# What a launcher finds in its environment: supervisord's, what it adds for each program, and what a shell adds.
INHERITED = (
    "PATH",
    "SUPERVISOR_ENABLED",
    "SUPERVISOR_GROUP_NAME",
    "SUPERVISOR_PROCESS_NAME",
    "SUPERVISOR_SERVER_URL",
    "OLDPWD",
    "PWD",
    "SHLVL",
)


class SupervisorError(RuntimeError):
    """supervisord or one of its programs did not do as asked; the message has the end of its log."""


@dataclass(frozen=True)
class Program:
    """A process of the stack: what to run, with which environment, and how it wishes to be stopped."""

    name: str
    group: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = "TERM"
    stop_seconds: int = 10


@dataclass(frozen=True)
class Running:
    """What supervisord says of a program; `since` is seconds since the epoch."""

    name: str
    state: str
    pid: int
    since: float


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=ANSWERS_WITHIN)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return _UnixConnection(self._path)


class Supervisor:
    """The supervisord of one stack."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def logs(self) -> Path:
        """The folder with a log of every program."""
        return self._home.logs

    def is_alive(self) -> bool:
        """Whether it answers on its socket."""
        try:
            self._ask("getState")
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return False
        return True

    def start(self, programs: Sequence[Program]) -> None:
        """Starts supervisord, knowing these programs and running none of them yet."""
        write_private(self._home.supervisor_config, self.configuration(programs))
        log = (self._home.logs / "supervisord.out").open("ab")
        with log:
            # A session of its own: Ctrl-C at the terminal ends `make`, not the stack.
            self._process = subprocess.Popen(
                [str(SUPERVISORD_PYTHON), "-m", "supervisor.supervisord", "-n", "-s", "-c", "run/supervisord.conf"],
                cwd=self._home.path,
                env=clean_environment(self._home),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        waiting = Patience(15)
        while not self.is_alive():
            if self._process.poll() is not None or waiting.is_over():
                raise SupervisorError(f"supervisord did not start:\n{self.log_end('supervisord')}")
            time.sleep(0.05)
        self.remember_session()

    def remember_session(self) -> None:
        """Notes the session in which all programs will run: by it they are found when supervisord is gone."""
        sessions.remember(self._home.sessions_file, int(self._ask("getPID")))

    def stop(self, patience: float = 60.0) -> None:
        """Stops all programs, the last group first, and supervisord itself; returns when it is gone."""
        pid = int(self._ask("getPID"))
        process = psutil.Process(pid)
        self._ask("shutdown")
        # It stops answering before its programs have ended: wait for the process, not for the socket.
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(patience)
        if self._process is not None and self._process.pid == pid:
            self._process.poll()

    def ensure(self, program: Program) -> bool:
        """Makes a program run as described: starts it, or restarts it if it runs with anything different.

        Returns whether it had to be started.
        """
        text = launcher(program, self._home)
        if self.running_launcher(program) == text:
            return False
        self.halt(program)
        write_private(self._script(program), text, mode=0o700)
        self._ask("startProcess", f"{program.group}:{program.name}", False)
        return True

    def running_launcher(self, program: Program) -> str | None:
        """The text of the launcher that a program was started with; None when it does not run."""
        running = any(each.name == program.name and each.state in ("STARTING", "RUNNING") for each in self.programs())
        script = self._script(program)
        return script.read_text(encoding="utf-8") if running and script.exists() else None

    def _script(self, program: Program) -> Path:
        return self._home.run / f"{program.name}.sh"

    def halt(self, program: Program) -> None:
        """Stops a program and waits for its end; nothing happens if it does not run."""
        try:
            self._ask("stopProcess", f"{program.group}:{program.name}", True)
        except xmlrpc.client.Fault as fault:
            if "NOT_RUNNING" not in fault.faultString:
                raise SupervisorError(f"{program.name} cannot be stopped: {fault.faultString}") from fault

    def programs(self) -> list[Running]:
        """All programs with their states; empty when supervisord does not run."""
        try:
            answer = cast(list[dict[str, Any]], self._ask("getAllProcessInfo"))
        except (OSError, http.client.HTTPException):
            return []
        return [Running(each["name"], each["statename"], int(each["pid"]), float(each["start"])) for each in answer]

    def require_running(self, names: Sequence[str]) -> None:
        """Raises SupervisorError when one of these has given up or keeps ending, with the end of its log."""
        for each in self.programs():
            if each.name in names and each.state in ("BACKOFF", "FATAL", "EXITED"):
                raise SupervisorError(f"{each.name} does not stay up. Its log ends:\n{self.log_end(each.name)}")

    def log_end(self, name: str, size: int = 3000) -> str:
        """The last part of a program's log."""
        path = self._home.logs / f"{name}.log"
        if not path.exists():
            return f"(no log at {path})"
        return path.read_bytes()[-size:].decode("utf-8", "replace")

    def _ask(self, method: str, *arguments: Any) -> Any:
        # A new connection each time: calls come from several threads.
        transport = _UnixTransport(str(self._home.supervisor_socket))
        with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as server:
            try:
                return getattr(server.supervisor, method)(*arguments)
            except TimeoutError as error:
                raise TimeoutError(f"supervisord did not answer {method} within {ANSWERS_WITHIN} s") from error

    def configuration(self, programs: Sequence[Program]) -> str:
        """The text of supervisord.conf."""
        # Paths are relative to the home, where supervisord runs, so that no character in the home's own
        # path can mean something here; the socket alone may lie elsewhere.
        address = self._home.supervisor_socket
        inside = address.parent == self._home.run
        lines = [
            "[unix_http_server]",
            f"file={'run/' + address.name if inside else address}",
            "chmod=0700",
            "[supervisord]",
            "logfile=logs/supervisord.log",
            "logfile_maxbytes=2MB",
            "logfile_backups=1",
            "pidfile=run/supervisord.pid",
            "nodaemon=true",
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
        ]
        for priority, group in enumerate(GROUPS):
            members = ",".join(program.name for program in programs if program.group == group)
            lines += [f"[group:{group}]", f"programs={members}", f"priority={priority}"]
        for program in programs:
            lines += _section(program)
        return "\n".join(lines) + "\n"


def _section(program: Program) -> list[str]:
    return [
        f"[program:{program.name}]",
        f"command=/bin/sh run/{program.name}.sh",
        "autostart=false",
        "autorestart=true",
        "startsecs=1",
        "startretries=3",
        f"stopsignal={program.stop_signal}",
        f"stopwaitsecs={program.stop_seconds}",
        "stopasgroup=true",
        "killasgroup=true",
        "redirect_stderr=true",
        f"stdout_logfile=logs/{program.name}.log",
        "stdout_logfile_maxbytes=5MB",
        "stdout_logfile_backups=2",
    ]


def clean_environment(home: Home) -> dict[str, str]:
    """The environment of supervisord: the stack's mark, and what it takes to run a program."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", MARK: str(home.path)}


def launcher(program: Program, home: Home) -> str:
    """A shell script that becomes the program, with its environment and the stack's mark and nothing else.

    It runs no command but the program: a value on a command line, be it for a moment, is there for all to read.
    """
    environment = {**program.environment, MARK: str(home.path)}
    exports = [f"export {name}={shlex.quote(value)}" for name, value in sorted(environment.items())]
    return "\n".join(["#!/bin/sh", f"unset {' '.join(INHERITED)}", *exports, f"exec {shlex.join(program.command)}", ""])
