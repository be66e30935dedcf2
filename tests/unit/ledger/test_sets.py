"""What the ledgers say of sets on their way."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.examples import KEY, OTHER_VERSION, VERSION, ready_set
from tests.support.sets_on_their_way import FIRST_REPLAY, LAST_REPLAY, LATER_EXTRACTION, Stack


@pytest.fixture
def stack() -> Stack:
    """An empty stack at eleven o'clock."""
    return Stack()


def test_landed_are_the_complete_sets_of_the_partition(stack: Stack) -> None:
    """Complete sets come oldest first; incomplete ones and those of other partitions don't."""
    stack.land(LATER_EXTRACTION, KEY, replace(KEY, market="houston-tx-2"), replace(KEY, date="2026-11-23"))
    stack.put("landing", replace(KEY, extract_id="20261122T110003Z-cccccc").prefix + "page-0001.json")

    assert [KEY, LATER_EXTRACTION] == stack.ledger.landed("zillow56", "houston-tx", "2026-11-22")


def test_unsensed_are_the_complete_sets_without_a_marker(stack: Stack) -> None:
    """A marker of any version counts, one of another market or date does not, however alike the names are."""
    longer = replace(KEY, market="houston-tx-2")
    stack.land(KEY, LATER_EXTRACTION, longer)
    stack.sense(replace(longer, extract_id=KEY.extract_id), replace(KEY, date="2026-11-23"))
    assert [KEY, LATER_EXTRACTION] == stack.ledger.unsensed("zillow56", "houston-tx", "2026-11-22")

    stack.sense(KEY, version=OTHER_VERSION)
    assert [LATER_EXTRACTION] == stack.ledger.unsensed("zillow56", "houston-tx", "2026-11-22")


def test_ready_are_the_markers_of_the_date(stack: Stack) -> None:
    """Every ready set of the date is read off its marker, none of another date."""
    other = replace(KEY, market="austin-tx")
    stack.sense(KEY, other, replace(KEY, date="2026-11-23"))

    assert [ready_set(other), ready_set(KEY)] == stack.ledger.ready("2026-11-22")
    assert [] == stack.ledger.ready("2026-11-24")


@pytest.mark.parametrize("order", [(VERSION, OTHER_VERSION), (OTHER_VERSION, VERSION)])
def test_of_two_cleanings_the_stacks_own_counts(stack: Stack, order: tuple[str, str]) -> None:
    """A set cleaned by this transform and by another is ready once, as this one cleaned it, whichever came last."""
    for version in order:
        stack.now += timedelta(minutes=1)
        stack.sense(KEY, version=version)

    assert [ready_set(KEY, VERSION)] == stack.ledger.ready("2026-11-22")


def test_what_only_another_transform_cleaned_is_not_ready(stack: Stack) -> None:
    """A set of an earlier version, perhaps of another contract, is nothing that a load may take."""
    stack.sense(KEY, version=OTHER_VERSION)

    assert [] == stack.ledger.ready("2026-11-22")


@pytest.mark.parametrize("order", [(None, FIRST_REPLAY, LAST_REPLAY), (LAST_REPLAY, FIRST_REPLAY, None)])
def test_of_several_replays_the_newest_counts(stack: Stack, order: tuple[str | None, ...]) -> None:
    """A replayed set is ready once, by its newest replay, in whatever order the markers were put."""
    for replay in order:
        stack.now += timedelta(minutes=1)
        stack.sense(KEY, replay=replay)

    assert [ready_set(KEY, replay=LAST_REPLAY)] == stack.ledger.ready("2026-11-22")


def test_what_was_cleaned_again_waits_to_be_let_through(stack: Stack) -> None:
    """A set that another version let through is unsensed once this one has cleaned it, and no longer when it is let."""
    stack.land(KEY)
    stack.sense(KEY, version=OTHER_VERSION)
    assert [] == stack.ledger.unsensed("zillow56", "houston-tx", "2026-11-22")

    stack.clean(KEY)
    assert [KEY] == stack.ledger.unsensed("zillow56", "houston-tx", "2026-11-22")
    stack.sense(KEY)
    assert [] == stack.ledger.unsensed("zillow56", "houston-tx", "2026-11-22")


def test_more_markers_than_a_page_of_the_listing(stack: Stack) -> None:
    """All of 1,100 ready sets are found, although S3 lists a thousand at a time."""
    stack.sense(*(replace(KEY, market=f"market-{number}") for number in range(1100)))

    assert 1100 == len(stack.ledger.ready("2026-11-22"))
