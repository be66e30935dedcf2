"""What the Makefile hands on to a command, and what it refuses before anything is set up."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def make(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`make` in a folder with our Makefile, in which each Python only prints its environment."""
    shutil.copy(ROOT / "Makefile", folder)
    python = folder / ".venv" / "local" / "bin" / "python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text('#!/bin/sh\necho "ran: $*"\nexec env\n')
    python.chmod(0o755)
    command = ["make", f"PYTHON={python}", *arguments]
    kept = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, check=False)


def test_nothing_that_turns_python_reaches_a_command(tmp_path: Path) -> None:
    """PYTHON* variables of the caller's shell stay out, known and unknown ones; PYTHON, which names one, does not."""
    turns = dict.fromkeys(("PYTHONPATH", "PYTHONSAFEPATH", "PYTHONINSPECT", "PYTHONOFTOMORROW"), "1")
    told = make(tmp_path, "status", LISTINGS_HOME="kept", **turns).stdout.splitlines()

    assert "LISTINGS_HOME=kept" in told
    assert {"PYTHON"} == {line.partition("=")[0] for line in told if line.startswith("PYTHON")}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["replay"], "Say which dates: make replay FROM=2026-11-01 TO=2026-11-22"),
        (["replay", "FROM=2026-11-01"], "Say which dates: make replay FROM=2026-11-01 TO=2026-11-22"),
        (["backfill", "TO=2026-11-01"], "Say which dates: make backfill FROM=2026-11-01 TO=2026-11-22"),
        (
            ["withdraw", "SET=a"],
            "Say which set, and why or GIVE_BACK=1: make withdraw SET=zillow56/houston-tx/2026-11-22/",
        ),
        (
            ["withdraw", "REASON=a"],
            "Say which set, and why or GIVE_BACK=1: make withdraw SET=zillow56/houston-tx/2026-11-22/",
        ),
        (
            ["withdraw", "GIVE_BACK=1"],
            "Say which set, and why or GIVE_BACK=1: make withdraw SET=zillow56/houston-tx/2026-11-22/",
        ),
        (["deploy"], "Say which stage: make deploy STAGE=dev"),
        (["secrets"], "Say which stage: make secrets STAGE=dev"),
        (["destroy"], "Say which stage: make destroy STAGE=dev"),
    ],
)
def test_a_missing_argument_is_asked_for_before_the_set_up(tmp_path: Path, given: list[str], words: str) -> None:
    """A command without what it needs says how it is called, in make's words, and runs nothing."""
    refused = make(tmp_path, *given)

    assert (2, "") == (refused.returncode, refused.stdout)
    assert words in refused.stderr
    assert "--" not in refused.stderr


def test_what_is_given_is_not_asked_for(tmp_path: Path) -> None:
    """With its dates, a replay runs."""
    ran = make(tmp_path, "replay", "FROM=2026-11-01", "TO=2026-11-22")

    assert 0 == ran.returncode, ran.stderr
    assert "ran: -m local.commands.replay replay --from 2026-11-01 --to 2026-11-22" in ran.stdout


def test_a_statement_may_begin_with_a_dash(tmp_path: Path) -> None:
    """What stands in SQL= is psql's, never an option of ours."""
    ran = make(tmp_path, "sql", "SQL=--help")

    assert "--command=--help" in ran.stdout


@pytest.mark.parametrize("reason", ['it\'s "ours"; exit 1', "$(shell exit 1)", "`exit 1`", "--give-back"])
def test_a_reason_is_handed_on_as_it_was_given(tmp_path: Path, reason: str) -> None:
    """Neither make nor the shell reads what stands in REASON=."""
    ran = make(tmp_path, "withdraw", "SET=a/b/2026-11-22/c", f"REASON={reason}")

    assert 0 == ran.returncode, ran.stderr
    assert f"ran: -m local.commands.withdraw --set=a/b/2026-11-22/c --reason={reason}\n" in ran.stdout


def test_a_set_is_given_back_without_a_reason(tmp_path: Path) -> None:
    """GIVE_BACK=1 stands in for the reason."""
    ran = make(tmp_path, "withdraw", "SET=a", "GIVE_BACK=1")

    assert "ran: -m local.commands.withdraw --set=a --reason= --give-back" in ran.stdout


def test_what_the_floors_run_needs_nothing_of_the_stand_in() -> None:
    """Tests that run on Amazon's versions, and the helpers that they import, import nothing that is not there."""
    told = subprocess.run(["make", "-pn", "help"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    [named] = [line.partition(":=")[2].split() for line in told.splitlines() if line.startswith("floors_tests :=")]
    waiting = [file for name in named for file in ((ROOT / name).rglob("*.py") if "." not in name else [ROOT / name])]
    seen: set[Path] = set()
    strange = []
    while waiting:
        file = waiting.pop()
        if file in seen or not file.exists():
            continue
        seen.add(file)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            waiting += [ROOT / f"{module.replace('.', '/')}.py" for module in modules if module.startswith("tests.")]
            strange += [
                f"{file.relative_to(ROOT)}: {module}"
                for module in modules
                if module.split(".")[0] in ("local", "psycopg")
            ]

    assert len(seen) > len(named)
    assert [] == strange
