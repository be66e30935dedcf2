"""What is left on a machine is seen, whatever it is, and nothing else is called left."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.proofs.bare import debian_root
from tests.proofs.bare.traces import look

pytestmark = [
    pytest.mark.sample,
    pytest.mark.skipif(not Path("/proc/locks").exists(), reason="what is left is looked for where Linux tells it"),
]


@contextmanager
def process(root: Path, home: Path, port: int) -> Iterator[str]:
    """A process that waits."""
    waiting = [sys.executable, "-c", "input()"]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE) as running:
        yield f"process {running.pid} of user {os.getuid()}: {' '.join(waiting)}"
        running.communicate(b"\n")


@contextmanager
def listener(root: Path, home: Path, port: int) -> Iterator[str]:
    """A server on the port that is looked at."""
    with socket.create_server(("127.0.0.1", port)):
        yield f"port {port}"


@contextmanager
def lock(root: Path, home: Path, port: int) -> Iterator[str]:
    """A lock on a file that was there before."""
    with (home / "lock").open("w") as locked:
        fcntl.flock(locked, fcntl.LOCK_EX)
        found = os.fstat(locked.fileno())
        device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}"
        yield f"lock of process {os.getpid()} on {device}:{found.st_ino}"


@contextmanager
def temporary_file(root: Path, home: Path, port: int) -> Iterator[str]:
    """A file outside the home."""
    (root / "tmp" / "left").touch()
    yield f"file {root / 'tmp' / 'left'}"


@contextmanager
def open_end(root: Path, home: Path, port: int) -> Iterator[str]:
    """A socket in the home, as a server leaves it that was killed."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(home / "server"))
    yield f"file {home / 'server'}"


@pytest.mark.parametrize("plant", [process, listener, lock, temporary_file, open_end])
def test_what_is_left_is_found(plant: Callable[[Path, Path, int], AbstractContextManager[str]], tmp_path: Path) -> None:
    """It is new in the second look, with what one needs to find it."""
    home = tmp_path / "home" / "person"
    for folder in (home, tmp_path / "tmp"):
        folder.mkdir(parents=True)
    (home / "lock").touch()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    before = look(tmp_path, [home], [port])
    with plant(tmp_path, home, port) as expected:
        new = look(tmp_path, [home], [port]) - before
    assert expected in new


def test_data_at_home_and_packages_are_not_left_behind(tmp_path: Path) -> None:
    """Files below the home, what a package manager or pytest writes are no traces; the same file elsewhere is."""
    home = tmp_path / "home" / "person"
    folders = [home, tmp_path / "usr" / "lib", tmp_path / "tmp" / "pytest-of-person", tmp_path / "var" / "tmp"]
    for folder in folders:
        folder.mkdir(parents=True)
    (tmp_path / "run").mkdir()
    before = look(tmp_path, [home], [])
    for folder in folders:
        (folder / "data").touch()
    (tmp_path / "run" / "adduser").touch()
    (tmp_path / "run" / "shm").symlink_to("/dev/shm")
    new = {line for line in look(tmp_path, [home], []) - before if line.startswith("file ")}
    assert {f"file {tmp_path / 'var' / 'tmp' / 'data'}"} == new


def test_the_way_to_packages_is_handed_on_and_nothing_else() -> None:
    """Sources, certificates and proxies go along; caches, keys and what a shell has besides stay."""
    handed = {"PIP_CERT": "/a", "UV_INDEX": "b", "https_proxy": "c", "NO_PROXY": "d", "SSL_CERT_FILE": "/e"}
    kept = {"UV_CACHE_DIR": "/f", "PIP_NO_CACHE_DIR": "1", "AWS_SECRET_ACCESS_KEY": "example", "LANG": "C.UTF-8"}
    assert handed == debian_root.handed_on({**handed, **kept})


def test_a_folder_of_packages_comes_with_its_neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index in a folder links to files beside it; one at an address has no folder."""
    (tmp_path / "index" / "simple").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(debian_root, "SETTINGS", ())
    environment = {"PIP_INDEX_URL": f"file://{tmp_path}/index/simple", "UV_INDEX": f"https://example.com{tmp_path}"}
    assert [tmp_path / "index"] == list(debian_root.named_folders(environment))


def test_whoever_is_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no bare machine without root, and it is no pass."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(debian_root.NoBareMachine, match="only root"):
        debian_root.require()


def test_without_its_programs_there_is_no_bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is named."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(debian_root.NoBareMachine, match="not here: debootstrap, unshare, git"):
        debian_root.require()
