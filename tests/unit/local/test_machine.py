"""What this machine must have before a stack is begun: room, and folders that PostgreSQL may enter."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from local import machine
from local.stack import Stack, StackError, free_ports
from local.stack.exit_sentences import in_a_sentence
from local.stack.preflight import MachineRefused

ROOT = Path(__file__).resolve().parents[3]


class Usage(NamedTuple):
    """What the operating system tells of a disk, in bytes."""

    total: int
    used: int
    free: int


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that is not there yet, below folders that anybody may enter."""
    return tmp_path / "not" / "there"


def left(monkeypatch: pytest.MonkeyPatch, megabytes: int) -> None:
    """From here on the disk has so much room."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, megabytes * machine.MB))


def test_a_new_home_wants_more_room_than_one_that_goes_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 100 MB a new home is refused with what is there and what is wanted; one with databases is not."""
    left(monkeypatch, 100)
    refused = machine.obstacle(home)
    (home / "postgres").mkdir(parents=True)
    (home / "postgres" / "PG_VERSION").write_text("18\n")
    (home / "secrets.json").write_text('{"loader": "example"}')

    assert refused is not None
    assert refused.startswith(
        f"{home} has 100 MB of free space left, and a new stack wants 300 MB: make room there, or"
    )
    assert None is machine.obstacle(home)


def test_a_home_without_room_starts_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`up` in a home that is too full is refused as a fault of what was given, and makes no home."""
    left(monkeypatch, 58)
    said: list[str] = []

    with pytest.raises(MachineRefused, match="58 MB of free space left"):
        Stack(home=home).up()
    assert 2 == in_a_sentence(lambda: int(Stack(home=home).up()), said.append)
    assert 1 == len(said)
    assert not home.exists()


def test_a_disk_that_fills_during_a_start_is_the_cause_that_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a part says that could not write, the sentence is of the disk, with the part's words behind it."""
    stack = Stack(home=home, ports=free_ports(), say=lambda line: None)

    def fill_the_disk(was_up: bool) -> bool:
        left(monkeypatch, 3)
        raise RuntimeError("forty lines of a database's client")

    monkeypatch.setattr(stack, "_bring_up", fill_the_disk)
    with pytest.raises(StackError, match=rf"the disk of {home} is full \(3 MB are left\)") as raised:
        stack.up()
    assert "forty lines of a database's client" == str(raised.value.__cause__)


def ended(command: str, home: str, cwd: Path) -> tuple[int, str]:
    """Exit code and words of a command of the stack with this LISTINGS_HOME."""
    arguments = [sys.executable, "-m", "local.stack", command]
    environment = os.environ | {"LISTINGS_HOME": home, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(arguments, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    return result.returncode, result.stderr


@pytest.mark.parametrize("command", ["up", "down", "status"])
@pytest.mark.parametrize(
    ("home", "words"),
    [
        ("file", "it is a file"),
        ("file/below", "not a directory"),
        ("/", "it is the root of all files"),
        ("loop", "too many levels of symbolic links"),
        ("x" * 300, "file name too long"),
        ("100%", "it has a % in its name, which Airflow's settings take for the beginning of a reference"),
        ("~nobody-of-that-name/home", "there is no user of that name"),
    ],
)
def test_a_home_that_can_be_none_is_refused(tmp_path: Path, command: str, home: str, words: str) -> None:
    """Every command ends with 2 and one sentence: which home, what is wrong with it, what to do; and makes nothing."""
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    before = sorted(tmp_path.iterdir())
    named = home if home.startswith("~") else str(tmp_path / home)  # "/" stays what it is

    assert (
        2,
        f"stack: {named} cannot be the home of our stack: {words}. Set LISTINGS_HOME to a folder of your own\n",
    ) == ended(command, home, tmp_path)
    assert before == sorted(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["run", "logs", "airflow", "postgres"])
@pytest.mark.parametrize("secrets", [None, '{"token": "of another project"}'])
def test_what_no_stack_made_is_left_alone(tmp_path: Path, name: str, secrets: str | None) -> None:
    """A folder that has what a stack would write over is refused to `up`, and `down` removes nothing of it."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "precious").write_text("keep")
    if secrets:
        (tmp_path / "secrets.json").write_text(secrets)

    refused, words = ended("up", str(tmp_path), tmp_path)
    assert (2, f"stack: {tmp_path} has {name} already, which no stack of ours made and one would") == (
        refused,
        words[: words.index(" write over")],
    )
    assert (0, "") == ended("down", str(tmp_path), tmp_path)
    assert "keep" == (tmp_path / name / "precious").read_text()


def test_a_file_of_another_project_is_not_written_over(tmp_path: Path) -> None:
    """A secrets.json that is not a stack's would get our passwords among its own: no stack is started beside it."""
    (tmp_path / "secrets.json").write_text('{"token": "of another project"}')

    refused = machine.obstacle(tmp_path)
    assert refused is not None
    assert f"{tmp_path} has secrets.json already, which no stack of ours made" in refused


def test_a_stack_of_somebody_else_is_left_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another's home is refused to us for every command; to root for a start only, which PostgreSQL would refuse."""
    (tmp_path / "secrets.json").write_text('{"loader": "example"}')
    owner = (tmp_path / "secrets.json").stat().st_uid
    assert None is machine.misplaced(tmp_path)
    assert None is machine.obstacle(tmp_path)

    def refused(us: int) -> list[bool]:
        monkeypatch.setattr(os, "geteuid", lambda: us)
        return ["'s" in (found or "") for found in (machine.misplaced(tmp_path), machine.obstacle(tmp_path))]

    assert [True, True] == refused(owner + 1)
    monkeypatch.setattr(machine, "_owner", lambda home: 7)
    assert [False, True] == refused(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as somebody else")
def test_a_folder_that_postgresql_may_not_enter_is_refused_before_the_set_up(tmp_path: Path) -> None:
    """As root below a folder of root's alone, where there are no namespaces, the set-up makes nothing."""
    closed = tmp_path / "closed"
    clone, without = closed / "clone", tmp_path / "without"
    for part in ("local/__init__.py", "local/machine.py", "local/postgres/unprivileged.py", "tools/environments.py"):
        (clone / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / part, clone / part)
    shutil.copytree(ROOT / "requirements", clone / "requirements")
    shutil.copy(ROOT / "requirements.txt", clone)
    closed.chmod(0o700)
    without.mkdir()
    (without / "unshare").write_text("#!/bin/sh\nexit 1\n")
    (without / "unshare").chmod(0o755)
    environment = {"PATH": f"{without}:{os.environ['PATH']}"}
    refused = subprocess.run(
        [sys.executable, "tools/environments.py", "--stack", "airflow", "local"],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (2, "") == (refused.returncode, refused.stdout)
    assert "who may not enter /" in refused.stderr
    assert "either chmod o+x " in refused.stderr
    assert 1 == refused.stderr.count("\n")
    assert not (clone / ".venv").exists()
