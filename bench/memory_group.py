"""A memory cgroup of one's own, version 1 or 2: its limit, its peak, what it refused, and who is in it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

ROOT = Path("/sys/fs/cgroup")


class NoMemoryGroup(RuntimeError):
    """This machine or this account cannot make a memory cgroup; the message says why."""


@dataclass(frozen=True)
class Names:
    """What the files are called in one version of cgroups."""

    limit: str
    peak: str
    anonymous: str
    shared: str


V1 = Names("memory.limit_in_bytes", "memory.max_usage_in_bytes", "total_rss", "total_shmem")
V2 = Names("memory.max", "memory.peak", "anon", "shmem")


@dataclass(frozen=True)
class MemoryGroup:
    """A cgroup with a limit, made when it is entered and removed when it is left empty."""

    folder: Path
    names: Names
    limit: int

    @classmethod
    def of(cls, name: str, limit: int) -> Self:
        """A group of this name below the root of whichever version has the memory controller."""
        first = (ROOT / "memory").is_dir()
        return cls((ROOT / "memory" if first else ROOT) / name, V1 if first else V2, limit)

    def __enter__(self) -> Self:
        try:
            if self.names is V2:
                (ROOT / "cgroup.subtree_control").write_text("+memory")
            self.folder.mkdir()
            self._file(self.names.limit).write_text(str(self.limit))
        except OSError as error:
            raise NoMemoryGroup(f"{error}. It takes root, and a memory controller.") from error
        return self

    def __exit__(self, *_: object) -> None:
        self.folder.rmdir()

    @property
    def members(self) -> Path:
        """The file that takes and names the processes."""
        return self._file("cgroup.procs")

    def join(self, pid: int) -> None:
        """Moves a process into the group; its children are born there."""
        self.members.write_text(str(pid))

    def pids(self) -> list[int]:
        """Who is in it."""
        return [int(line) for line in self.members.read_text().split()]

    def kept(self) -> int:
        """Bytes that cannot be given up when memory is short: anonymous and shared, without the cache of files."""
        stat = dict(line.split() for line in self._file("memory.stat").read_text().splitlines())
        return int(stat[self.names.anonymous]) + int(stat[self.names.shared])

    def peak(self) -> int:
        """The most that was ever charged, the cache of files included."""
        return int(self._file(self.names.peak).read_text())

    def refusals(self) -> tuple[int, int]:
        """How often the limit was hit, and how many processes were killed for it."""
        if self.names is V2:
            events = dict(line.split() for line in self._file("memory.events").read_text().splitlines())
            return int(events["max"]), int(events["oom_kill"])
        control = dict(line.split() for line in self._file("memory.oom_control").read_text().splitlines())
        return int(self._file("memory.failcnt").read_text()), int(control["oom_kill"])

    def _file(self, name: str) -> Path:
        return self.folder / name


def proportional(pid: int) -> int:
    """A process's own bytes and its share of those that it has in common with others; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def processor_seconds(pids: Iterable[int]) -> float:
    """Processor time of these processes so far, and of the children that they have waited for."""
    times = []
    for pid in pids:
        try:
            times.append(psutil.Process(pid).cpu_times())
        except psutil.Error:
            continue
    return sum(each.user + each.system + each.children_user + each.children_system for each in times)


def session_of(pid: int) -> int:
    """The session of a process; 0 when it is gone."""
    try:
        return os.getsid(pid)
    except OSError:
        return 0
