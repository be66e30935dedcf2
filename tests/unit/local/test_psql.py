"""What `make sql` says where psql cannot be opened."""

from pathlib import Path

import pytest

from local.commands import psql


@pytest.fixture(autouse=True)
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that no stack has ever been in."""
    monkeypatch.setenv("LISTINGS_HOME", str(tmp_path))
    monkeypatch.setattr(psql, "leave_out_foreign_settings", lambda: None)
    return tmp_path


def test_without_a_stack_it_says_how_to_start_one(empty_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence with the home, exit code 1, and nothing is made there."""
    assert 1 == psql.main([])
    assert f"sql: No stack is up in {empty_home}. Start one with: make up\n" == capsys.readouterr().err
    assert [] == list(empty_home.iterdir())


def test_only_the_two_roles_are_known(capsys: pytest.CaptureFixture[str]) -> None:
    """Another one is refused in the words of the command."""
    assert 2 == psql.main(["--as", "airflow"])
    assert "sql: AS=airflow: expected AS=reader or AS=loader\n" == capsys.readouterr().err
