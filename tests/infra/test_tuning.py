"""What a person turns of a stage: config/<stage>.env is read whole or refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.aws.account import DeployError
from infra.aws.tuning import read_stage_tuning


def test_settings_are_taken_and_comments_left(tmp_path: Path) -> None:
    """Each setting is a line, in the order of the file."""
    text = "# who hears of failures\nLISTINGS_ALERT_TO=data@example.com\n\nLISTINGS_RETRIES=2\n"
    (tmp_path / "dev.env").write_text(text)
    assert "LISTINGS_ALERT_TO=data@example.com\nLISTINGS_RETRIES=2" == read_stage_tuning("dev", tmp_path).lines


def test_slots_are_those_of_the_pool(tmp_path: Path) -> None:
    """The pool's slots are the setting's, and its default without a file."""
    assert 2 == read_stage_tuning("dev", tmp_path).api_slots
    (tmp_path / "dev.env").write_text("LISTINGS_API_SLOTS=5\n")
    assert 5 == read_stage_tuning("dev", tmp_path).api_slots


def test_without_a_file_nothing_is_turned(tmp_path: Path) -> None:
    """A stage without a file has the defaults."""
    assert "" == read_stage_tuning("dev", tmp_path).lines


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("LISTINGS_RETRY=2", "'LISTINGS_RETRY=2' is no setting. Did you mean LISTINGS_RETRIES?"),
        ("LISTINGS_RETRIES", "is no setting"),
        ("AIRFLOW__CORE__PARALLELISM=8", "is no setting"),
        ("LISTINGS_RETRIES=two", "LISTINGS_RETRIES='two': expected a value like 2"),
        ("LISTINGS_RAW_BUCKET=mine", "is an output of the stack"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    """A line that no task could start with is refused before anything is deployed."""
    (tmp_path / "dev.env").write_text(line)
    with pytest.raises(DeployError, match=complaint):
        read_stage_tuning("dev", tmp_path)
