"""What a stack may leave on a machine: processes, ports, locks, shared memory, files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import psutil

from local.stack.ports import is_held

# Not disks, and where packages that root installs put what is theirs; nobody else can write there.
PASSED_OVER = {"proc", "sys", "etc", "usr", "var/cache", "var/lib", "var/log"}
PASSED_OVER |= {f"run/{name}" for name in ("adduser", "dbus", "lock/subsys", "log", "mount", "sendsigs.omit.d", "shm")}
PASSED_OVER |= {f"run/{name}" for name in ("systemd", "user")}
# pytest's own: it keeps the folders of three runs to be looked at.
KEPT_BY_PYTEST = "pytest-of-"


def look(root: Path, homes: Sequence[Path], ports: Iterable[int]) -> set[str]:
    """What is there now, a line each: two looks compared say what is new.

    Files are those below `root`; below `homes`, where the stack keeps its data and uv its cache, only what a
    process leaves that did not end well: sockets, pipes and the files of process ids.
    """
    return {
        *_processes(),
        *(f"port {port}" for port in ports if is_held(port)),
        *_locks(),
        *(f"shared memory {line.split()[1]}" for line in _lines("/proc/sysvipc/shm")[1:]),
        *(f"file {path}" for path in _files(root, homes)),
    }


def _processes() -> Iterator[str]:
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                yield f"process {process.pid} of user {process.uids().real}: {' '.join(process.cmdline())[:200]}"
        except psutil.Error:
            continue


def _locks() -> Iterator[str]:
    for line in _lines("/proc/locks"):
        words = line.split()
        if "->" not in words:  # that one only waits
            yield f"lock of process {words[4]} on {words[5]}"


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def _files(root: Path, homes: Sequence[Path]) -> Iterator[Path]:
    for name, folders, files in os.walk(root):
        folder = Path(name)
        for entries in (folders, files):
            entries[:] = [each for each in entries if not _is_passed_over(folder / each, root)]
        at_home = any(folder.is_relative_to(home) for home in homes)
        for path in (folder / each for each in ([*files] if at_home else [*files, *folders])):
            if not at_home or path.suffix == ".pid" or _is_open_end(path):
                yield path


def _is_passed_over(path: Path, root: Path) -> bool:
    return str(path.relative_to(root)) in PASSED_OVER or path.name.startswith(KEPT_BY_PYTEST)


def _is_open_end(path: Path) -> bool:
    mode = path.lstat().st_mode
    return stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode)
