"""Stands in for systemctl and journalctl where there is no systemd: does with units what the host's installer asks.

`python units.py systemctl|journalctl ARGUMENTS…`, with LISTINGS_TRIAL naming a folder that holds `units` (the
path of the units), `extra.env` (variables beside those that a unit names) and, for measuring, `cgroup` (the path of a
cgroup.procs that what is started joins). What a unit says is done: ExecStart, User, EnvironmentFile, WorkingDirectory,
KillMode=mixed. It keeps a unit's process id and log in that folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from infra.host import env_file

# What systemd gives to every unit.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
STOPPED_WITHIN_SECONDS = 60.0


@dataclass(frozen=True)
class Unit:
    """A unit file: for each section and key its values, in order."""

    name: str
    values: dict[tuple[str, str], list[str]]

    @classmethod
    def read(cls, path: Path) -> Unit:
        """The unit in this file."""
        values: dict[tuple[str, str], list[str]] = {}
        section = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif line and line[0] not in "#;":
                key, _, value = line.partition("=")
                values.setdefault((section, key), []).append(value)
        return cls(path.name, values)

    def one(self, section: str, key: str) -> str:
        """The value of a key that stands there once."""
        (value,) = self.values[section, key]
        return value

    def service(self, key: str) -> str | None:
        """The last value of a key in [Service]."""
        found = self.values.get(("Service", key))
        return found[-1] if found else None


@dataclass(frozen=True)
class Units:
    """The units of one trial host."""

    folder: Path

    @property
    def units(self) -> Path:
        """Where the units lie."""
        return Path((self.folder / "units").read_text())

    def unit(self, name: str) -> Unit:
        """A unit by its name; FileNotFoundError when it is not installed."""
        return Unit.read(self.units / name)

    def environment(self, unit: Unit) -> dict[str, str]:
        """Exactly what the process gets: systemd's own, the unit's files, and the trial's."""
        account = pwd.getpwnam(unit.service("User") or pwd.getpwuid(os.geteuid()).pw_name)
        named = unit.values.get(("Service", "EnvironmentFile"), [])
        # A dash before it: the file need not be there.
        files = [Path(name.lstrip("-")) for name in named if name[0] != "-" or Path(name[1:]).exists()]
        ours = {"PATH": PATH, "HOME": account.pw_dir, "USER": account.pw_name}
        return ours | env_file.read(*files, self.folder / "extra.env")

    def start(self, name: str) -> None:
        """Starts a unit that does not run; a timer is only noted."""
        if self.pid(name) is not None:
            return
        unit = self.unit(name)
        pid = self._spawn(unit) if unit.service("ExecStart") else 0
        note = {"pid": pid, "since": int(time.monotonic() * 1_000_000)}
        (self.folder / f"{name}.json").write_text(json.dumps(note))

    def _spawn(self, unit: Unit) -> int:
        user = pwd.getpwnam(unit.service("User") or pwd.getpwuid(os.geteuid()).pw_name)
        other = user.pw_uid != os.geteuid()
        with (self.folder / f"{unit.name}.log").open("ab") as log:
            process = subprocess.Popen(
                shlex.split(unit.one("Service", "ExecStart")),
                env=self.environment(unit),
                cwd=unit.service("WorkingDirectory") or "/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=user.pw_uid if other else None,
                group=user.pw_gid if other else None,
                extra_groups=[] if other else None,
            )
        if (cgroup := self.folder / "cgroup").exists():
            Path(cgroup.read_text()).write_text(str(process.pid))
        return process.pid

    def pid(self, name: str) -> int | None:
        """The main process of a unit that is active; None otherwise, 0 for a timer."""
        note = self.folder / f"{name}.json"
        if not note.exists():
            return None
        pid = int(json.loads(note.read_text())["pid"])
        return pid if pid == 0 or _runs(pid) else None

    def processes(self, name: str) -> list[psutil.Process]:
        """All processes of a unit: those of the session of its main process."""
        note = self.folder / f"{name}.json"
        session = int(json.loads(note.read_text())["pid"]) if note.exists() else 0
        return [each for each in psutil.process_iter() if session and _session(each) == session]

    def stop(self, name: str) -> None:
        """SIGTERM to the main process, and when it is gone SIGKILL to what is left: KillMode=mixed."""
        pid, left = self.pid(name), self.processes(name)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + STOPPED_WITHIN_SECONDS
            while _runs(pid) and time.monotonic() < deadline:
                time.sleep(0.1)
            left = self.processes(name)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        (self.folder / f"{name}.json").unlink(missing_ok=True)

    def stop_all(self) -> None:
        """Ends whatever was started here."""
        for note in sorted(self.folder.glob("*.json"), reverse=True):
            self.stop(note.stem)

    def show(self, name: str, key: str) -> str:
        """A property of a unit."""
        if key == "ActiveState":
            return "active" if self.pid(name) is not None else "inactive"
        if key == "NRestarts":  # nobody restarts here: what has ended would have been, again and again
            return "0" if self.pid(name) is not None else "9"
        return str(json.loads((self.folder / f"{name}.json").read_text())["since"])

    def log(self, name: str) -> str:
        """What a unit has said."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _session(process: psutil.Process) -> int:
    try:
        return os.getsid(process.pid)
    except OSError:
        return 0


def systemctl(units: Units, verb: str, *arguments: str) -> None:
    """Does what `systemctl VERB ARGUMENTS` would."""
    names = [name for name in arguments if not name.startswith("-")]
    if verb == "show":
        print(units.show(names[0], names[1]))
        return
    with (units.folder / "asked").open("a") as record:
        record.write(f"{verb} {' '.join(names)}\n")
    for name in names:
        unit = units.unit(name)
        if verb == "enable":
            unit.one("Install", "WantedBy")
        if verb in ("stop", "restart"):
            units.stop(name)
        if verb in ("start", "restart"):
            units.start(name)


def main() -> int:
    """The command line."""
    units = Units(Path(os.environ["LISTINGS_TRIAL"]))
    program, *arguments = sys.argv[1:]
    if program == "journalctl":
        lines = units.log(arguments[arguments.index("--unit") + 1]).splitlines()
        print("\n".join(lines[-int(arguments[arguments.index("--lines") + 1]) :]))
        return 0
    try:
        systemctl(units, *arguments)
    except (OSError, KeyError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
