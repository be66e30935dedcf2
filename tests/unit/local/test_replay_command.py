"""How `make replay` and its like end when they cannot be run; what they do is tested end to end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.commands.replay import main

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("span", [("", ""), ("2026-11-01", ""), ("2026-11-01", "2026-11-31"), ("yesterday", "today")])
def test_a_span_that_is_none_is_refused_with_an_example(
    span: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without dates nothing is started: exit code 2, and one line with make's words and no option of ours."""
    with pytest.raises(SystemExit) as ended:
        main(["replay", "--from", span[0], "--to", span[1], "--markets"])

    said = capsys.readouterr().err
    assert 2 == ended.value.code
    assert "expected a date, like make replay FROM=2026-11-01 TO=2026-11-22" in said
    assert (1, 0) == (said.count("\n"), said.count("--"))


@pytest.mark.parametrize(
    "command",
    [
        ["replay", "redrive"],
        ["replay", "backfill", "--from", "2026-11-01", "--to", "2026-11-02"],
        ["withdraw", "--set", "a", "--reason", "b"],
    ],
)
def test_without_a_stack_it_says_so(command: list[str], tmp_path: Path) -> None:
    """Where nothing is up the exit code is 1 and the sentence names the command that helps."""
    ended = subprocess.run(
        [sys.executable, "-m", f"local.commands.{command[0]}", *command[1:]],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "LISTINGS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (1, "") == (ended.returncode, ended.stderr)
    assert "no stack is up; start one with `make up`" in ended.stdout
