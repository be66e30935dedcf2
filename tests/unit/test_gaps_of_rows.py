"""Where the rows of the warehouse differ from what its audit says and from what the buckets have."""

from dataclasses import replace

import pytest

from include.batches import Turn
from include.gaps import Gaps
from include.holdings import Holding
from tests.unit.examples import KEY, OTHER_VERSION, VERSION
from tests.unit.sets_on_their_way import FIRST_REPLAY, LATER_EXTRACTION, Stack, turn


@pytest.fixture
def stack() -> Stack:
    """An empty stack at eleven o'clock."""
    return Stack()


def test_a_set_with_other_rows_than_its_audit_says_is_loaded_anew(stack: Stack) -> None:
    """Too few, none or too many: with a marker of this transform the set gets another turn; one in order does not."""
    sets = [replace(KEY, market=f"market-{name}") for name in ("a", "b", "c", "d", "e")]
    for key in sets:
        stack.bring(key)
    rows = [(38, 38), (37, 38), (0, 38), (39, 38), (0, 0)]
    held = tuple(Holding(key.set_id(VERSION), *each) for key, each in zip(sets, rows, strict=True))

    assert Gaps(without_rows=tuple(key.set_id(VERSION) for key in sets[1:4])) == stack.gaps(
        loaded=tuple(turn(key) for key in sets), held=held
    )


def test_rows_that_an_earlier_transform_brought_are_replayed_by_a_person(stack: Stack) -> None:
    """Without a marker of this transform, a set with other rows than its audit says needs a replay."""
    sets = [replace(KEY, market=f"market-{name}") for name in ("a", "b", "c")]
    for key in sets:
        stack.bring(key, version=OTHER_VERSION)
    names = tuple(key.set_id(OTHER_VERSION) for key in sets)
    held = (Holding(names[0], 1, 38), Holding(names[1], 0, 38), Holding(names[2], 38, 38))
    found = stack.gaps(loaded=tuple(turn(key, OTHER_VERSION) for key in sets), held=held)

    assert Gaps(to_replay=names[:2]) == found


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

    assert Gaps(not_copied=(KEY,)) == stack.gaps(loaded=(turn(KEY),), held=(Holding(KEY.set_id(VERSION), 38, 38),))


def test_rows_whose_pages_lie_nowhere_are_named(stack: Stack) -> None:
    """Rows of a set that is neither in landing nor in raw have no source any more; with pages in raw they have."""
    gone, kept = KEY.set_id(VERSION), replace(KEY, market="austin-tx")
    stack.copy(kept)
    stack.sense(KEY, kept)
    held = (Holding(gone, 38, 38), Holding(kept.set_id(VERSION), 38, 38))

    assert Gaps(without_set=(gone,)) == stack.gaps(loaded=(turn(KEY), turn(kept)), held=held)


@pytest.mark.parametrize(
    ("failed", "gaps"),
    [
        ({}, Gaps(not_loaded=(KEY.set_id(VERSION),))),
        ({turn(KEY, replay=FIRST_REPLAY): False}, Gaps(suspect=(KEY.set_id(VERSION),))),
        ({turn(KEY, replay=FIRST_REPLAY): True}, Gaps(given_up=(KEY.set_id(VERSION),))),
    ],
    ids=["waits", "is suspect", "is given up"],
)
def test_a_turn_that_is_not_loaded_is_not_repeated(stack: Stack, failed: dict[Turn, bool], gaps: Gaps) -> None:
    """While the turn that is to mend the rows waits, is suspect or given up, the set gets no other one."""
    stack.bring(KEY)
    stack.ledger.repeat(KEY, FIRST_REPLAY)

    assert gaps == stack.gaps(loaded=(turn(KEY),), failed=failed, held=(Holding(KEY.set_id(VERSION), 0, 38),))


@pytest.mark.parametrize(("version", "kind"), [(VERSION, "without_rows"), (OTHER_VERSION, "to_replay")])
def test_rows_of_a_set_that_lost_its_day_are_mended_by_the_holder(stack: Stack, version: str, kind: str) -> None:
    """Repeating the loser would win nothing: the set that the audit names as holder gets the turn, or its replay."""
    stack.bring(KEY)
    stack.bring(LATER_EXTRACTION, version)
    holder = LATER_EXTRACTION.set_id(version)
    held = (Holding(KEY.set_id(VERSION), 2, 0, holder), Holding(holder, 38, 38))

    loaded = (turn(KEY), turn(LATER_EXTRACTION, version))
    assert replace(Gaps(), **{kind: (holder,)}) == stack.gaps(loaded=loaded, held=held)


def test_a_set_is_put_again_for_another_turn(stack: Stack) -> None:
    """The newest marker is put once more under the name of the replay, and waits to be loaded by that turn."""
    stack.bring(KEY)
    stack.ledger.repeat(KEY, FIRST_REPLAY)

    assert [FIRST_REPLAY] == [each.replay for each in stack.ledger.ready(KEY.date)]
    assert Gaps(not_loaded=(KEY.set_id(VERSION),)) == stack.gaps(loaded=(turn(KEY),))
    assert Gaps() == stack.gaps(loaded=(turn(KEY), turn(KEY, replay=FIRST_REPLAY)))
