"""Where the rows of the warehouse differ from what its audit says and from what the buckets have."""

from dataclasses import replace

import pytest

from include.base.batches import Turn
from include.base.keys import LISTINGS_FILE, withdrawal_key
from include.reconcile.gaps import Gaps
from include.warehouse.rows_held import Holding
from tests.support.examples import KEY, OTHER_VERSION, VERSION
from tests.support.sets_on_their_way import FIRST_REPLAY, LATER_EXTRACTION, Stack, holding, turn


@pytest.fixture
def stack() -> Stack:
    """An empty stack at eleven o'clock."""
    return Stack()


def test_a_set_with_other_rows_than_its_audit_says_is_loaded_anew(stack: Stack) -> None:
    """Too few, none or too many: the load is woken for the day, and brings the set; for one in order it is not."""
    sets = [replace(KEY, market=f"market-{name}") for name in ("a", "b", "c", "d", "e")]
    for key in sets:
        stack.bring(key)
    rows = [(38, 38), (37, 38), (0, 38), (39, 38), (0, 0)]
    held = tuple(holding(key.set_id(VERSION), *each) for key, each in zip(sets, rows, strict=True))

    assert Gaps(unsettled=tuple(key.partition for key in sets[1:4])) == stack.gaps(held=held)


def test_rows_that_an_earlier_transform_brought_are_cleaned_again(stack: Stack) -> None:
    """Without a marker of this transform, a set with other rows than its audit says is sent; in raw alone, named."""
    sets = [replace(KEY, market=f"market-{name}") for name in ("a", "b", "c", "d")]
    for key in sets[:3]:
        stack.bring(key, version=OTHER_VERSION)
    stack.copy(sets[3])
    names = [key.set_id(OTHER_VERSION) for key in sets]
    held = tuple(holding(name, rows) for name, rows in zip(names, (1, 0, 38, 0), strict=True))

    assert Gaps(not_clean=tuple(sets[:2]), to_replay=(names[3],)) == stack.gaps(held=held)


def test_rows_without_audit_are_replayed_only_where_nothing_sends_them(stack: Stack) -> None:
    """Unknown to the audit, cleaned by another transform: cleaned again from landing, replayed from raw alone."""
    sent, kept, gone = (replace(KEY, market=f"market-{name}") for name in ("a", "b", "c"))
    stack.bring(sent, version=OTHER_VERSION)
    stack.copy(kept)
    held = tuple(Holding(key.set_id(OTHER_VERSION), 38, None) for key in (sent, kept, gone))

    assert Gaps(
        not_clean=(sent,), to_replay=(kept.set_id(OTHER_VERSION),), without_set=(gone.set_id(OTHER_VERSION),)
    ) == stack.gaps(held=held)


def test_rows_whose_audit_is_gone_are_loaded_again(stack: Stack) -> None:
    """A ready set that the audit does not know waits to be loaded, whatever rows it has."""
    stack.bring(KEY)

    assert Gaps(not_loaded=(KEY.set_id(VERSION),)) == stack.gaps(held=(Holding(KEY.set_id(VERSION), 38, None),))


def test_rows_whose_pages_left_raw_are_copied_again(stack: Stack) -> None:
    """Raw is kept for good: what is in the warehouse and in landing and not in raw is sent to the copy again."""
    stack.land(KEY)
    stack.sense(KEY)

    assert Gaps(not_copied=(KEY,)) == stack.gaps(loaded=(turn(KEY),), held=(holding(KEY.set_id(VERSION)),))


def test_rows_whose_pages_lie_nowhere_are_named(stack: Stack) -> None:
    """Rows of a set that is neither in landing nor in raw have no source any more; with pages in raw they have."""
    gone, kept = KEY.set_id(VERSION), replace(KEY, market="austin-tx")
    stack.copy(kept)
    stack.sense(KEY, kept)
    held = (holding(gone), holding(kept.set_id(VERSION)))

    assert Gaps(without_set=(gone,)) == stack.gaps(loaded=(turn(KEY), turn(kept)), held=held)


@pytest.mark.parametrize(
    ("failed", "gaps"),
    [
        ({}, Gaps(not_loaded=(KEY.set_id(VERSION),), unsettled=(KEY.partition,))),
        ({turn(KEY, replay=FIRST_REPLAY): False}, Gaps(suspect=(KEY.set_id(VERSION),), unsettled=(KEY.partition,))),
        ({turn(KEY, replay=FIRST_REPLAY): True}, Gaps(given_up=(KEY.set_id(VERSION),), unsettled=(KEY.partition,))),
    ],
    ids=["waits", "is suspect", "is given up"],
)
def test_a_failed_replay_leaves_the_earlier_load_counting(stack: Stack, failed: dict[Turn, bool], gaps: Gaps) -> None:
    """While a turn waits, is suspect or given up, the rows that were lost come again by the turn that was loaded."""
    stack.bring(KEY)
    stack.sense(KEY, replay=FIRST_REPLAY)

    assert gaps == stack.gaps(failed=failed, held=(holding(KEY.set_id(VERSION), 0),))


def test_stray_rows_of_a_set_that_lost_its_day_wake_the_load(stack: Stack) -> None:
    """The holder is whole, and rows that carry another set's id are to go."""
    stack.bring(KEY)
    stack.bring(LATER_EXTRACTION)
    held = (holding(KEY.set_id(VERSION), 2, verdict="older"), holding(LATER_EXTRACTION.set_id(VERSION)))

    assert Gaps(unsettled=(KEY.partition,)) == stack.gaps(held=held)


def test_the_fuller_look_is_sent_for(stack: Stack) -> None:
    """As an upgrade finds it: the day is held by the newest, and the fuller one is due; cleaned before, it is sent."""
    fuller, newest = KEY, LATER_EXTRACTION
    for version, more in ((VERSION, Gaps()), (OTHER_VERSION, Gaps(not_clean=(fuller,)))):
        stack = Stack()
        stack.bring(fuller, version)
        stack.bring(newest, version)
        held = (
            holding(fuller.set_id(version), 0, 820, "not_at_hand", should_hold=fuller.set_id(version)),
            holding(newest.set_id(version), 41, 41, should_hold=fuller.set_id(version)),
        )
        expected = more if more != Gaps() else Gaps(unsettled=(KEY.partition,))
        assert expected == stack.gaps(held=held)


def test_a_set_that_lost_its_files_is_cleaned_again_when_its_day_wants_it(stack: Stack) -> None:
    """The fuller look is due and its rows are in no file any more: it is sent to the transform, and nobody is woken."""
    stack.bring(KEY)
    stack.bring(LATER_EXTRACTION)
    fuller = KEY.set_id(VERSION)
    held = (
        holding(fuller, 0, 820, "not_at_hand", should_hold=fuller),
        holding(LATER_EXTRACTION.set_id(VERSION), 41, 41, should_hold=fuller),
    )
    assert Gaps(unsettled=(KEY.partition,)) == stack.gaps(held=held)

    stack.put("clean", KEY.clean_prefix(VERSION) + LISTINGS_FILE, b"of another size")
    assert Gaps(not_clean=(KEY,)) == stack.gaps(held=held)
    stack.s3.delete_object(Bucket="clean", Key=KEY.clean_prefix(VERSION) + LISTINGS_FILE)
    assert Gaps(not_clean=(KEY,)) == stack.gaps(held=held)
    stack.s3.delete_object(Bucket="clean", Key=KEY.success(VERSION))
    assert Gaps(not_clean=(KEY,)) == stack.gaps(held=held)
    assert Gaps() == stack.gaps(held=(holding(fuller), holding(LATER_EXTRACTION.set_id(VERSION), 0, 5, "poorer")))


def test_a_transform_that_was_rolled_back_is_named(stack: Stack) -> None:
    """Loaded by this transform, then by another, which is deployed no more: only a replay brings its rows."""
    stack.bring(KEY)
    first, last = KEY.set_id(VERSION), KEY.set_id(OTHER_VERSION)
    held = (
        holding(first, 0, verdict="cleaned_again", load_number=1),
        holding(last, 37, load_number=2),
    )
    assert Gaps(to_replay=(last,)) == stack.gaps(held=held)

    stack.sense(KEY, replay=FIRST_REPLAY)
    assert Gaps(not_loaded=(first,)) == stack.gaps(held=held)


def test_a_suspect_that_was_withdrawn_wakes_nobody(stack: Stack) -> None:
    """The load leaves it alone, and so does who looks for gaps."""
    stack.bring(KEY)
    assert Gaps(suspect=(KEY.set_id(VERSION),)) == stack.gaps(failed={turn(KEY): False})

    stack.withdraw(KEY)
    assert Gaps() == stack.gaps(failed={turn(KEY): False})


def test_a_day_of_which_a_set_was_withdrawn_wakes_the_load(stack: Stack) -> None:
    """Until the audit says so; and again when the set is given back. What is withdrawn and stuck is nobody's gap."""
    stack.bring(KEY)
    stack.land(LATER_EXTRACTION)
    stack.copy(LATER_EXTRACTION)
    stack.withdraw(KEY)
    stack.withdraw(LATER_EXTRACTION)
    set_id = KEY.set_id(VERSION)

    assert Gaps(unsettled=(KEY.partition,)) == stack.gaps(held=(holding(set_id),))
    assert Gaps() == stack.gaps(held=(holding(set_id, 0, 38, "withdrawn"),))
    stack.s3.delete_object(Bucket="raw", Key=withdrawal_key(KEY))
    assert Gaps(unsettled=(KEY.partition,)) == stack.gaps(held=(holding(set_id, 0, 38, "withdrawn"),))


def test_a_set_that_returned_in_vain_is_given_up(stack: Stack) -> None:
    """It is named, and its day, held by the best of the others, wakes nobody any more."""
    stack.bring(KEY)
    stack.bring(LATER_EXTRACTION)
    set_id = KEY.set_id(VERSION)
    held = (
        holding(set_id, 0, 820, "not_at_hand", should_hold=set_id),
        holding(LATER_EXTRACTION.set_id(VERSION), 41, 41, should_hold=set_id),
    )

    assert Gaps(unsettled=(KEY.partition,)) == stack.gaps(held=held, failed={turn(KEY): False})
    assert Gaps(given_up=(set_id,)) == stack.gaps(held=held, failed={turn(KEY): True})
