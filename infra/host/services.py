"""Knows our units and how systemd is asked about them."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from infra.host.account import NAME, Account
from infra.host.layout import Layout, write

API_SERVER, SCHEDULER, DAG_PROCESSOR = (
    "airflow-api-server.service",
    "airflow-scheduler.service",
    "airflow-dag-processor.service",
)
HEALTH_TIMER = "listings-health.timer"
CLEAN = "listings-clean.service"
# In the order in which they are started. They are stopped the other way round: tasks report to the api-server.
AIRFLOW = (API_SERVER, DAG_PROCESSOR, SCHEDULER)


class ServiceError(RuntimeError):
    """systemd did not do as asked; the message has its words."""


@dataclass(frozen=True)
class Systemd:
    """systemd through its own command; `units` is the folder of the administrator's units."""

    units: Path

    def reload(self) -> None:
        """Makes it read the units again."""
        self._systemctl("daemon-reload")

    def enable(self, *names: str) -> None:
        """Has units started after each boot."""
        self._systemctl("enable", "--quiet", *names)

    def disable(self, *names: str) -> None:
        """Has units not started after a boot any more."""
        self._systemctl("disable", "--quiet", *names)

    def start(self, *names: str) -> None:
        """Starts units that do not run."""
        self._systemctl("start", *names)

    def stop(self, *names: str) -> None:
        """Stops units and waits for their end."""
        self._systemctl("stop", *names)

    def restart(self, *names: str) -> None:
        """Stops and starts units."""
        self._systemctl("restart", *names)

    def restart_soon(self, *names: str) -> None:
        """Has units stopped and started, without waiting for their end."""
        self._systemctl("restart", "--no-block", *names)

    def state(self, name: str) -> str:
        """What a unit is: active, inactive, failed, activating, deactivating."""
        return self._systemctl("show", name, "--property", "ActiveState", "--value").strip()

    def active_for(self, name: str) -> float:
        """Seconds that a unit has been active; 0 while it is not."""
        if self.state(name) != "active":
            return 0.0
        since = self._systemctl("show", name, "--property", "ActiveEnterTimestampMonotonic", "--value").strip()
        return time.monotonic() - int(since) / 1_000_000

    def restarts(self, name: str) -> int:
        """How often a unit has come back by itself."""
        return int(self._systemctl("show", name, "--property", "NRestarts", "--value").strip() or 0)

    def last_words(self, name: str, lines: int = 15) -> str:
        """The end of what a unit said."""
        command = ["journalctl", "--unit", name, "--lines", str(lines), "--no-pager", "--output", "cat"]
        try:
            return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        except OSError as error:
            return f"(no journal: {error})"

    def _systemctl(self, *arguments: str) -> str:
        done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServiceError(f"systemctl {' '.join(arguments)}: {(done.stderr or done.stdout).strip()}")
        return done.stdout


def install_units(release: Path, layout: Layout, account: Account) -> None:
    """Writes the units of a release, and what is to be cleared away, where systemd finds them, for this host."""
    targets = {source: layout.units / source.name for source in unit_files(release)}
    targets[release / "infra" / "host" / "tmpfiles.conf"] = layout.tmpfiles
    for source, target in targets.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        write(target, render(source.read_text(encoding="utf-8"), layout, account))


def withdraw_units(old: Path, new: Path, systemd: Systemd) -> None:
    """Takes away the units of the release `old` that `new` does not have; they have been stopped."""
    for name in {path.name for path in unit_files(old)} - {path.name for path in unit_files(new)}:
        if (unit := systemd.units / name).exists():
            if "[Install]" in unit.read_text(encoding="utf-8"):
                systemd.disable(name)
            unit.unlink()


def timers(release: Path) -> list[str]:
    """The timers of a release, by name."""
    return [path.name for path in unit_files(release) if path.suffix == ".timer"]


def unit_files(release: Path) -> list[Path]:
    """The units of a release."""
    return sorted((release / "infra" / "host" / "systemd").iterdir())


def render(text: str, layout: Layout, account: Account) -> str:
    """A unit's text with its paths below the prefix and its account by the name that it has here."""
    if layout.prefix != Path("/"):
        for path in ("/opt/listings", "/etc/listings", "/var/lib/airflow"):
            text = text.replace(path, f"{layout.prefix}{path}")
    return text.replace(f"User={NAME}\n", f"User={account.user}\n").replace(
        f"Group={NAME}\n", f"Group={account.group}\n"
    )
