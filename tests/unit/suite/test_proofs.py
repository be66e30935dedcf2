"""The runner of the proofs, with small ones that end in each way."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.proofs import __main__ as proofs
from tests.proofs.__main__ import PROOFS, ROOT, Proof, fingerprint, show


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runner's folder, and a project of one file."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "code.py").write_text("x = 1\n")
    monkeypatch.setattr(proofs, "RECORDS", tmp_path / "records")
    monkeypatch.setattr(proofs, "ROOT", tmp_path / "project")
    return tmp_path / "records"


def _proof(folder: Path, body: str) -> Proof:
    file = folder / "test_it.py"
    file.write_text(f"def test_it():\n    {body}\n")
    return Proof("it", "that it holds", 1, ("-q", "-p", "no:cacheprovider", str(file)))


def test_a_proof_that_passed_is_not_run_again(records: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second run on the same files finds the first one's verdict, and one on changed files does not."""
    proof = _proof(records.parent, "pass")
    assert 0 == show([proof], again=False)
    assert "1 passed" in capsys.readouterr().out
    assert 0 == show([proof], again=False)
    assert "passed before on these files" in capsys.readouterr().out
    (records.parent / "project" / "code.py").write_text("x = 2\n")
    assert 0 == show([proof], again=False)
    assert "1 passed" in capsys.readouterr().out


def test_a_proof_that_failed_is_run_again_and_named(records: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 1, the end names the proof, and its verdict is not taken for a pass."""
    proof = _proof(records.parent, "assert False")
    for _ in range(2):
        assert 1 == show([proof], again=False)
        said = capsys.readouterr()
        assert "1 failed" in said.out
        assert "make proof-it" in said.err


class _Sleeper(Proof):
    """Writes down the process that it starts, and sleeps."""

    @property
    def command(self) -> list[str]:
        note = RECORD % str(proofs.RECORDS / "pid")
        return [sys.executable, "-S", "-c", f"import pathlib, subprocess, time; {note}; time.sleep(77)"]


RECORD = "p = subprocess.Popen(['sleep', '77']); pathlib.Path(%r).write_text(str(p.pid))"


def test_a_proof_that_takes_too_long_is_ended_with_all_it_started(
    records: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its limit over, neither it nor a process that it started is left."""
    monkeypatch.setattr(proofs, "GRACE", 1.0)
    assert 1 == show([_Sleeper("it", "nothing", 0.05)], again=False)
    assert "too long" in capsys.readouterr().out
    status = Path("/proc") / (records / "pid").read_text() / "status"
    deadline = time.monotonic() + 10
    while status.exists() and "zombie" not in status.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_fingerprint_sees_each_change_of_a_file(tmp_path: Path) -> None:
    """Another content, name or folder is another fingerprint; what a run leaves is not."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("c")
    seen = {fingerprint(tmp_path)}
    (tmp_path / "a" / "b").write_text("d")
    seen.add(fingerprint(tmp_path))
    (tmp_path / "a" / "b").rename(tmp_path / "b")
    seen.add(fingerprint(tmp_path))
    assert 3 == len(seen)
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "run").write_text("e")
    assert fingerprint(tmp_path) in seen


def test_every_proof_is_listed_and_none_is_missing() -> None:
    """The table and the folders below tests/proofs name the same."""
    folders = {
        path.name for path in (ROOT / "tests" / "proofs").iterdir() if path.is_dir() and path.name[0] not in "_."
    }
    assert folders == {proof.name for proof in PROOFS}


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.name)
def test_a_case_of_every_proof_is_in_make_test(proof: Proof) -> None:
    """So that none breaks unseen between two releases; one that needs a whole stack runs on the end-to-end tests'."""
    own = [path.read_text() for path in (ROOT / "tests" / "proofs" / proof.name).glob("**/test_*.py")]
    shared = [path.read_text() for path in (ROOT / "tests" / "e2e").glob("test_*.py")]
    files = own + [text for text in shared if f"from tests.proofs.{proof.name}." in text]
    assert any("mark.sample" in text for text in files)


def test_a_name_that_no_proof_has_is_refused() -> None:
    """The answer names those that there are."""
    command = [sys.executable, "-m", "tests.proofs", "no-such-proof"]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (2, True) == (refused.returncode, "no proof is called no-such-proof" in refused.stderr)
