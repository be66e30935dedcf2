"""A notice is given once."""

import json
from datetime import UTC, datetime

import pytest

from include.base.keys import MalformedKey
from include.ledger.notices import first_time, given, is_given
from tests.support.memory_s3 import MemoryS3

NAME = "drift~zillow56~houston-tx"


def test_the_first_to_put_a_notice_speaks() -> None:
    """The first call says True and keeps the body; the second says False and changes nothing."""
    s3 = MemoryS3("clean")

    assert first_time(s3, "clean", "2026-11-22", NAME, {"field": "a"})  # type: ignore[arg-type]
    assert not first_time(s3, "clean", "2026-11-22", NAME, {"field": "b"})  # type: ignore[arg-type]
    stored = s3.get_object(Bucket="clean", Key=f"reports/notices/date=2026-11-22/{NAME}.json")
    assert {"field": "a"} == json.loads(stored["Body"].read())


def test_another_day_is_another_notice() -> None:
    """The same news of the next day is given again."""
    s3 = MemoryS3("clean")

    assert [True, True] == [first_time(s3, "clean", f"2026-11-{day}", NAME, {}) for day in (22, 23)]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A"])
def test_a_name_that_would_leave_the_folder_is_refused(name: str) -> None:
    """Only plain letters, digits, tildes and dashes make a notice's key."""
    with pytest.raises(MalformedKey, match="expected a-z"):
        first_time(MemoryS3("clean"), "clean", "2026-11-22", name, {})  # type: ignore[arg-type]


def test_what_was_given_is_found_by_its_beginning() -> None:
    """The names of a date's notices come with the moment each was put; those of other dates and names don't."""
    moment = datetime(2026, 11, 22, 6, tzinfo=UTC)
    s3 = MemoryS3("clean", clock=lambda: moment)
    for date, name in (("2026-11-22", NAME), ("2026-11-22", "resent~a"), ("2026-11-23", "drift~b")):
        first_time(s3, "clean", date, name, {})  # type: ignore[arg-type]

    assert {NAME: moment} == given(s3, "clean", "2026-11-22", "drift~")  # type: ignore[arg-type]


def test_a_notice_is_given_by_its_whole_name() -> None:
    """A longer name and another date are other notices."""
    s3 = MemoryS3("clean")
    first_time(s3, "clean", "2026-11-22", f"{NAME}~a", {})  # type: ignore[arg-type]

    looked_for = [("2026-11-22", NAME), ("2026-11-22", f"{NAME}~a"), ("2026-11-23", f"{NAME}~a")]
    assert [False, True, False] == [is_given(s3, "clean", *each) for each in looked_for]  # type: ignore[arg-type]
