"""What is older than the window of reconciliation and looked at all the same."""

from dataclasses import replace
from datetime import date, timedelta
from functools import partial

import pytest

from include.base.keys import replay_key
from include.reconcile.gaps import Gaps
from include.reconcile.open_partitions import Beyond, beyond, note, said, unsaid
from tests.support.examples import KEY, VERSION
from tests.support.sets_on_their_way import FIRST_REPLAY, NOON, SINCE, Stack, holding, turn

AFTER = date(2026, 11, 23)
OTHER = replace(KEY, market="austin-tx")
SET = KEY.set_id(VERSION)


@pytest.fixture
def stack() -> Stack:
    """An empty stack at eleven o'clock."""
    return Stack()


def test_what_was_open_is_looked_at_once_it_is_older_than_the_window(stack: Stack) -> None:
    """Noted partitions come back when their dates are before the window; with nothing noted there are none."""
    later = replace(KEY, date="2026-11-23")
    assert Beyond() == beyond(stack.ledger, AFTER)

    note(stack.s3, "clean", [KEY.partition, later.partition])  # type: ignore[arg-type]
    assert Beyond(frozenset({KEY.partition})) == beyond(stack.ledger, AFTER)
    note(stack.s3, "clean", [])  # type: ignore[arg-type]
    assert Beyond() == beyond(stack.ledger, AFTER)


def test_the_same_is_not_noted_again(stack: Stack) -> None:
    """Only another list of partitions is put, and nothing where nothing ever was open."""
    for partitions in ([], [OTHER.partition, KEY.partition], [KEY.partition, OTHER.partition, KEY.partition], []):
        note(stack.s3, "clean", partitions)  # type: ignore[arg-type]

    assert 2 == sum(name == "put_object" for name, _ in stack.s3.calls)


def test_dates_that_were_lately_replayed_are_looked_at(stack: Stack) -> None:
    """A replay counts when it was started within the window, for its dates before it; what is no request does not."""
    asked = [
        ("20261123T080000Z-ffffff", "2026-01-02", "request"),
        ("20261123T080000Z-ffffff", "2026-11-23", "request"),
        ("20261123T080000Z-ffffff", "2026-01-03", "outcome"),
        ("20261122T235959Z-ffffff", "2026-01-04", "request"),
    ]
    for replay, day, name in asked:
        stack.put("clean", replay_key(replay, day, name))
    stack.put("clean", "reports/replays/replay=20261123T080000Z-ffffff/date=old/request.json")

    assert Beyond(replayed=frozenset({"2026-01-02"})) == beyond(stack.ledger, AFTER)


def test_each_kind_of_gap_keeps_its_partition_open(stack: Stack) -> None:
    """Whatever a set stopped at, its partition is noted; what is overdue, lost or dead-lettered names no set."""
    kinds = [Gaps(**{name: (KEY,)}) for name in ("not_copied", "not_clean", "not_sensed", "half_extracted")]
    for name in ("not_loaded", "suspect", "given_up", "without_set", "to_replay"):
        kinds.append(replace(Gaps(), **{name: (SET,)}))
    kinds += [Gaps(stuck=(f"{KEY.manifest} (not clean)",)), Gaps(unsettled=(KEY.partition,))]

    assert [{KEY.partition}] * 11 == [set(gaps.partitions()) for gaps in kinds]
    assert frozenset() == Gaps(overdue=("a",), lost=("b",), dead_lettered=("c",)).partitions()


def test_an_open_partition_is_looked_at_in_every_ledger(stack: Stack) -> None:
    """Of a date before the window only the partitions that were open are found, wherever their sets stopped."""
    sets = [replace(KEY, market=f"market-{name}") for name in ("a", "b", "c", "d", "e")]
    for keys, step in ((sets, stack.land), (sets[1:], stack.copy), (sets[2:], stack.clean)):
        step(*keys, *(replace(key, market=f"not-open-{key.market}") for key in keys))
    stack.sense(*sets[3:])
    stack.resend(sets[0])
    held = (holding(sets[4].set_id(VERSION), 1),)
    known = Beyond(frozenset(key.partition for key in sets))

    assert Gaps() == stack.gaps(since=AFTER, beyond=Beyond())
    assert Gaps(
        not_clean=(sets[1],),
        not_sensed=(sets[2],),
        not_loaded=(sets[3].set_id(VERSION),),
        unsettled=(sets[4].partition,),
        stuck=(f"{sets[0].manifest} (not copied)",),
    ) == stack.gaps(held=held, since=AFTER, beyond=known, stuck_before=NOON)


def test_what_is_ready_before_the_window_is_named_at_once(stack: Stack) -> None:
    """A marker of a moment ago would else be forgotten: only what is found open is looked at again."""
    stack.now = NOON - timedelta(minutes=1)
    stack.bring(KEY)
    known = Beyond(frozenset({KEY.partition}))

    assert Gaps() == stack.gaps(since=SINCE, beyond=known)
    assert Gaps(not_loaded=(SET,)) == stack.gaps(since=AFTER, beyond=known)


def test_of_a_replayed_date_one_set_wakes_the_load(stack: Stack) -> None:
    """Of all that wait on a date before the window one is named; each suspect and each one given up is."""
    sets = [replace(KEY, market=f"market-{name}", date=day) for day in ("2026-01-02", "2026-01-03") for name in "abcd"]
    stack.sense(*sets)
    failed = {turn(sets[2]): False, turn(sets[3]): True}
    replayed = Beyond(replayed=frozenset({"2026-01-02", "2026-01-03"}))

    assert Gaps(
        not_loaded=(sets[0].set_id(VERSION), sets[4].set_id(VERSION)),
        suspect=(sets[2].set_id(VERSION),),
        given_up=(sets[3].set_id(VERSION),),
    ) == stack.gaps(failed=failed, beyond=replayed)


def test_a_replayed_set_whose_landing_expired_is_seen(stack: Stack) -> None:
    """Raw is kept for good: a turn of a set whose pages are only there waits like any other."""
    stack.copy(KEY)
    stack.clean(KEY)
    stack.sense(KEY)
    stack.sense(KEY, replay=FIRST_REPLAY)

    assert Gaps(not_loaded=(SET,)) == stack.gaps() == stack.gaps(loaded=(turn(KEY),))
    assert Gaps(given_up=(SET,)) == stack.gaps(loaded=(turn(KEY),), failed={turn(KEY, replay=FIRST_REPLAY): True})


def test_of_older_days_a_person_is_told_once(stack: Stack) -> None:
    """What was said is not said again, also by a later run; what was mended and is so once more is."""
    unsaid_of = partial(unsaid, stack.s3, "clean")
    assert (KEY.partition,) == unsaid_of([KEY.partition]) == unsaid_of([KEY.partition])
    said(stack.s3, "clean", (KEY.partition,))  # type: ignore[arg-type]
    assert (OTHER.partition,) == unsaid_of([OTHER.partition, KEY.partition])
    said(stack.s3, "clean", (OTHER.partition,))  # type: ignore[arg-type]
    assert () == unsaid_of([OTHER.partition, KEY.partition])
    assert () == unsaid_of([OTHER.partition])
    assert (KEY.partition,) == unsaid_of([OTHER.partition, KEY.partition])
