"""What a machine lacks for tests with a browser: named in one sentence, or installed, and never a traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools import browser, debian


def program(path: Path, lines: str = "exit 0") -> Path:
    """A program of the shell."""
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH of a machine where playwright's driver does not run, and nobody is root."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(program(tmp_path / "python", "exit 127")))
    monkeypatch.setattr(debian, "may_install", lambda: False)
    monkeypatch.delenv("CI", raising=False)
    return tmp_path


def test_a_driver_that_does_not_run_is_told_from_a_browser_that_is_not_there(machine: Path) -> None:
    """Each is missing by itself, and each has a package."""
    assert ["chromium", "libatomic1"] == browser.lacking()
    program(machine / "chromium")
    assert ["libatomic1"] == browser.lacking()
    program(machine / "python")
    assert [] == browser.lacking()


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("1", 1)])
@pytest.mark.usefixtures("machine")
def test_whoever_may_not_install_is_told_what_to_install(
    ci: str, code: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line with the command; where nothing may be skipped it is a failure."""
    monkeypatch.setenv("CI", ci)
    assert code == browser.main()
    said = capfd.readouterr().err
    assert 1 == said.count("\n")
    assert "sudo apt-get install chromium libatomic1 " in said


def test_root_on_debian_gets_what_is_missing(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists that are too old are updated, and what is there afterwards is looked at anew."""
    monkeypatch.setattr(debian, "may_install", lambda: True)
    program(machine / "runs")
    program(
        machine / "apt-get",
        f'cd {machine}; echo "$1 $5 $6" >> asked\n'
        'if [ "$1" = update ]; then /bin/cp runs updated; exit 0; fi\n'
        "[ -e updated ] || exit 100\n"
        "/bin/cp runs chromium; /bin/cp runs python",
    )
    assert [] != browser.lacking()
    assert 0 == browser.main()
    asked = (machine / "asked").read_text().splitlines()
    assert ["install chromium libatomic1", "update  ", "install chromium libatomic1"] == asked
