"""Numbers and dates beside listings: what is meant is read in whatever form, what cannot be true says nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.base import claims
from include.base.batches import ReadySet
from tests.support.examples import ready_set

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2, 2),
        ("2", 2),
        (" 20 ", 20),
        (2.0, 2),
        ("2.0", 2),
        (0, 0),
        (2**31 - 1, 2**31 - 1),
        (2**31, None),
        (3_000_000_000, None),
        (10**20, None),
        (10**400, None),
        ("9" * 5000, None),
        (2.5, None),
        ("2.5", None),
        (-1, None),
        (True, None),
        (None, None),
        ("many", None),
        ("", None),
        ("\xb2", None),
        ([2], None),
        ({"value": 2}, None),
        (float("nan"), None),
        (float("inf"), None),
    ],
)
def test_a_claim_is_a_whole_number_that_a_column_holds(value: Any, expected: int | None) -> None:
    """Text and floats that are whole numbers count; all else is no claim, and nothing raises."""
    assert expected == claims.count(value)


@given(st.integers(min_value=0, max_value=2**31 - 1))
def test_every_number_that_a_column_holds_is_read_in_three_forms(number: int) -> None:
    """As a number, as text and as text with a point, it is the same claim."""
    assert [number] * 3 == [claims.count(form) for form in (number, str(number), f"{number}.0")]


@pytest.mark.parametrize(
    ("moment", "by_itself", "for_another_date"),
    [
        (NOON, True, True),
        (NOON - timedelta(days=1), True, True),
        (NOON + timedelta(days=1, seconds=1), False, True),
        (datetime(2026, 3, 1, tzinfo=UTC), False, True),
        (datetime(1999, 12, 31, tzinfo=UTC), False, False),
        (datetime(1970, 1, 1, tzinfo=UTC), False, False),
    ],
)
def test_a_clock_is_believed_that_is_at_most_a_day_off(
    moment: datetime, by_itself: bool, for_another_date: bool
) -> None:
    """A time zone is no reason to doubt a server's clock, nor is another day where a person wanted one; 1970 is."""
    found = [claims.believed(moment, NOON, is_overridden=each) for each in (False, True)]
    assert [moment if each else None for each in (by_itself, for_another_date)] == found


@pytest.mark.parametrize("claimed", [3_000_000_000, 10**20, "20"])
def test_a_marker_of_before_is_read_with_its_claims_bounded(claimed: Any) -> None:
    """A ready marker whose claim no column holds can be loaded, without the claim."""
    marker = ready_set().to_dict() | {"pages_claimed": claimed, "listings_claimed": claimed}
    expected = 20 if claimed == "20" else None

    read = ReadySet.from_dict(marker)
    assert (expected, expected) == (read.pages_claimed, read.listings_claimed)
