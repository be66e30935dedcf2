"""The sessions that a stack's supervisors began: what its processes are known by where they hide their environment.

Airflow makes its workers non-dumpable, so that only root may read their environment. But each still has the session
of the supervisord that its scheduler was started by, and which session a process has is no secret.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Session:
    """A session, by its leader: process id, the second of this boot in which it was started, and which boot that is."""

    leader: int
    started: float
    boot: str

    @classmethod
    def led_by(cls, leader: int) -> Session:
        """The session of a process that began one; raises psutil.NoSuchProcess."""
        # Counted from the boot, which no setting of the clock moves.
        started = psutil.Process(leader).create_time() - psutil.boot_time()
        return cls(leader, round(started, 2), _boot())

    def is_ours(self) -> bool:
        """Whether the number still means this session.

        The system gives nobody a number that is still some process's session. So a leader that is gone has left it to
        ours, and where another process has it now, ours have all ended.
        """
        if self.boot != _boot():
            return False
        try:
            return Session.led_by(self.leader) == self
        except psutil.NoSuchProcess:
            return True


def remember(note: Path, leader: int) -> None:
    """Adds the session of `leader` to the note: one JSON object a line, the oldest first."""
    session = Session.led_by(leader)
    if session not in _noted(note):
        with note.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(session)) + "\n")


def remembered(note: Path) -> frozenset[int]:
    """The numbers of the noted sessions that are still ours."""
    return frozenset(session.leader for session in _noted(note) if session.is_ours())


def _noted(note: Path) -> list[Session]:
    try:
        return [Session(**json.loads(line)) for line in note.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError, TypeError):
        return []


def _boot() -> str:
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:  # not Linux
        return f"{psutil.boot_time():.0f}"
