"""Where sets stopped on their way, by what lies in the buckets and in the warehouse."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from include.reconcile.gaps import Gaps
from tests.support.examples import KEY, OTHER_VERSION, VERSION
from tests.support.sets_on_their_way import LATER_EXTRACTION, NOON, SIX_HOURS_BEFORE, Stack, holding, turn


@pytest.fixture
def stack() -> Stack:
    """An empty stack at eleven o'clock."""
    return Stack()


def test_each_gap_is_found_where_it_is(stack: Stack) -> None:
    """A set is named once, at the place where it stopped; one that is loaded is not named."""
    sets = [replace(KEY, market=f"market-{name}") for name in ("a", "b", "c", "d", "e", "f", "g")]
    stack.land(*sets)
    stack.copy(*sets[1:])
    stack.clean(*sets[2:])
    stack.sense(*sets[3:])
    failed = {turn(sets[4]): True, turn(sets[6]): False}

    assert Gaps(
        not_copied=(sets[0],),
        not_clean=(sets[1],),
        not_sensed=(sets[2],),
        not_loaded=(sets[3].set_id(VERSION),),
        suspect=(sets[6].set_id(VERSION),),
        given_up=(sets[4].set_id(VERSION),),
    ) == stack.gaps(loaded=(turn(sets[5]),), failed=failed)


def test_what_was_sent_for_hours_is_stuck(stack: Stack) -> None:
    """Sets first sent again more than six hours ago and not ready are named with their places, and not sent again."""
    sets = [replace(KEY, market=f"market-{name}") for name in ("a", "b", "c", "d", "e")]
    stack.land(*sets, KEY)
    stack.copy(*sets[1:])
    stack.clean(*sets[2:])
    stack.sense(*sets[3:])
    stack.now = SIX_HOURS_BEFORE - timedelta(microseconds=1)
    stack.resend(*sets)
    stack.now = SIX_HOURS_BEFORE
    stack.resend(KEY)

    assert Gaps(
        not_copied=(KEY,),
        not_loaded=(sets[3].set_id(VERSION),),
        given_up=(sets[4].set_id(VERSION),),
        stuck=(
            f"{sets[0].manifest} (not copied)",
            f"{sets[1].manifest} (not clean)",
            f"{sets[2].manifest} (not let through)",
        ),
    ) == stack.gaps(failed={turn(sets[4]): True})


def test_a_long_outage_makes_nothing_stuck(stack: Stack) -> None:
    """A set that landed days ago and was never sent again is sent, however old it is."""
    stack.now = NOON - timedelta(days=5)
    stack.land(KEY)

    assert Gaps(not_copied=(KEY,)) == stack.gaps()


@pytest.mark.parametrize(
    ("later", "rows", "is_missed"),
    [(True, 38, False), (True, 43, True), (False, 38, True), (False, 43, False)],
    ids=["later and as full", "later and poorer", "earlier and as full", "earlier and fuller by far"],
)
def test_what_would_lose_its_day_is_not_stuck(stack: Stack, later: bool, rows: int, is_missed: bool) -> None:
    """A set of 38 or 43 rows, held at its gate for hours, is named unless the day's set of 38 would keep the day."""
    other = LATER_EXTRACTION if later else replace(KEY, extract_id="20261122T020003Z-aaaaaa")
    mine, others = (rows, 38) if later else (38, rows)
    stack.land(KEY)
    stack.copy(KEY)
    stack.clean(KEY, rows=mine)
    stack.now = SIX_HOURS_BEFORE - timedelta(hours=1)
    stack.resend(KEY)
    stuck = Gaps(stuck=(f"{KEY.manifest} (not let through)",))
    assert stuck == stack.gaps()

    stack.now = NOON - timedelta(hours=1)
    stack.bring(other)
    held = (holding(other.set_id(VERSION), others, others),)
    assert (stuck if is_missed else Gaps()) == stack.gaps(held=held)


def test_a_set_that_should_hold_its_day_is_named_although_it_would_lose_it(stack: Stack) -> None:
    """Loaded with 820 rows by an earlier transform, cleaned to 30 by this one and held at a gate: somebody must see."""
    stack.bring(KEY, OTHER_VERSION)
    stack.clean(KEY, rows=30)
    stack.bring(LATER_EXTRACTION)
    fuller = KEY.set_id(OTHER_VERSION)
    held = (
        holding(fuller, 0, 820, "not_at_hand", should_hold=fuller),
        holding(LATER_EXTRACTION.set_id(VERSION), should_hold=fuller),
    )
    assert Gaps(not_sensed=(KEY,)) == stack.gaps(held=held)

    stack.now = SIX_HOURS_BEFORE - timedelta(hours=1)
    stack.resend(KEY)
    assert Gaps(stuck=(f"{KEY.manifest} (not let through, and should hold its day)",)) == stack.gaps(held=held)


def test_a_new_transform_begins_with_all_its_patience(stack: Stack) -> None:
    """What was sent again for the sake of another version is not stuck before this one."""
    stack.now = NOON - timedelta(days=5)
    stack.land(KEY)
    stack.copy(KEY)
    stack.resend(KEY, version=OTHER_VERSION)

    assert Gaps(not_clean=(KEY,)) == stack.gaps()


def test_what_is_stuck_can_be_sent_again(stack: Stack) -> None:
    """Where nothing was sent long enough ago to be stuck, all sets are found where they stopped."""
    stack.now = NOON - timedelta(days=6)
    stack.land(KEY)
    stack.resend(KEY)

    assert Gaps(stuck=(f"{KEY.manifest} (not copied)",)) == stack.gaps()
    assert Gaps(not_copied=(KEY,)) == stack.gaps(stuck_before=datetime(1, 1, 1, tzinfo=UTC))


def test_later_progress_does_not_renew_the_patience(stack: Stack) -> None:
    """Patience counts from the first sending, not from how far the set came since."""
    stack.now = SIX_HOURS_BEFORE - timedelta(hours=1)
    stack.land(KEY)
    stack.resend(KEY)
    stack.now = NOON - timedelta(hours=1)
    stack.copy(KEY)

    assert Gaps(stuck=(f"{KEY.manifest} (not clean)",)) == stack.gaps()


@pytest.mark.parametrize(
    "stray",
    [
        "listings/source=zillow56/market=houston-tx/date=2026-11-22/_manifest.json",
        "listings/source=zillow56/market=houston-tx/date=2026-11-22/extract=a copy/_manifest.json",
        "listings/source=zillow56/market=houston-tx/date=2026-11-22-old/extract=x/_manifest.json",
        f"listings/source=zillow56/market=houston-tx/date=2026-11-22/transform={VERSION}/_SUCCESS.json",
        "listings/source=Old/market=houston-tx/date=2026-11-22/extract=x/_manifest.json",
        "listings/notes/of somebody/date=2026-11-22/_manifest.json",
    ],
)
@pytest.mark.parametrize("bucket", ["landing", "raw", "clean"])
def test_what_somebody_else_put_there_is_ignored(stack: Stack, bucket: str, stray: str) -> None:
    """An object of another form is no set, and keeps no set from being found."""
    stack.put(bucket, stray)
    stack.land(KEY)

    assert Gaps(not_copied=(KEY,)) == stack.gaps()
    assert [KEY] == stack.ledger.landed("zillow56", "houston-tx", "2026-11-22")
    assert [KEY] == stack.ledger.unsensed("zillow56", "houston-tx", "2026-11-22")


def test_nothing_landed_is_no_gap(stack: Stack) -> None:
    """An empty stack has no gaps."""
    assert Gaps() == stack.gaps()


def test_pages_without_a_manifest_are_half_an_extraction(stack: Stack) -> None:
    """A set whose newest page is older than an hour is named with its number of pages; a younger one is under way."""
    other = replace(KEY, market="austin-tx")
    stack.now = NOON - timedelta(hours=2)
    stack.page(KEY, 1)
    stack.page(other, 1)
    stack.now = NOON - timedelta(hours=1, microseconds=1)
    stack.page(KEY, 2)
    stack.now = NOON - timedelta(hours=1)
    stack.page(other, 2)

    assert Gaps(half_extracted=(KEY,), pages=(2,)) == stack.gaps()


def test_a_later_extraction_makes_good_for_half_of_one(stack: Stack) -> None:
    """Half an extraction is no gap once a later one of its partition is complete; an earlier one changes nothing."""
    last = replace(KEY, extract_id="20261122T110003Z-cccccc")
    stack.now = NOON - timedelta(hours=2)
    stack.page(KEY)
    stack.page(last)
    stack.land(replace(LATER_EXTRACTION, market="austin-tx"))
    assert (KEY, last) == stack.gaps().half_extracted

    stack.land(LATER_EXTRACTION)
    assert (last,) == stack.gaps().half_extracted


def test_a_later_extraction_with_fewer_pages_makes_good_for_nothing(stack: Stack) -> None:
    """Seven pages landed, then an empty list was complete: the seven are still to be completed."""
    stack.now = NOON - timedelta(hours=2)
    for number in range(1, 8):
        stack.page(KEY, number)
    stack.land(LATER_EXTRACTION)

    assert Gaps(not_copied=(LATER_EXTRACTION,), half_extracted=(KEY,), pages=(7,)) == stack.gaps()


def test_a_withdrawn_set_makes_good_for_nothing(stack: Stack) -> None:
    """Half an extraction beside a later one that does not count is still to be completed."""
    stack.now = NOON - timedelta(hours=2)
    stack.page(KEY)
    stack.land(LATER_EXTRACTION)
    stack.copy(LATER_EXTRACTION)
    stack.withdraw(LATER_EXTRACTION)

    assert Gaps(half_extracted=(KEY,), pages=(1,)) == stack.gaps()


def test_a_hundred_markets_for_a_week_cost_some_three_hundred_calls(stack: Stack) -> None:
    """A listing per market and bucket and two per date; what nobody looks back on costs nothing."""
    sets = [
        replace(KEY, market=f"market-{market}", date=f"2026-11-{day}") for market in range(100) for day in range(13, 23)
    ]
    for key in sets:
        stack.bring(key)
    recent = [key for key in sets if key.date >= "2026-11-15"]
    stack.s3.calls.clear()

    assert Gaps() == stack.gaps(loaded=tuple(turn(key) for key in recent))
    assert {"list_objects_v2": 3 * (1 + 1 + 100) + 2 * 8} == Counter(name for name, _ in stack.s3.calls)


def test_what_landed_just_now_is_left_alone(stack: Stack) -> None:
    """A set younger than ten minutes may still arrive by itself; at ten minutes it is no longer left alone."""
    stack.now = NOON - timedelta(minutes=10)
    stack.land(KEY)
    assert Gaps() == stack.gaps()

    stack.now -= timedelta(microseconds=1)
    stack.land(KEY)
    assert Gaps(not_copied=(KEY,)) == stack.gaps()


def test_what_is_ready_since_a_moment_is_left_alone(stack: Stack) -> None:
    """A set that landed long ago and got ready just now is on its way to the load, and not announced once more."""
    stack.land(KEY)
    stack.copy(KEY)
    stack.clean(KEY)
    stack.now = NOON - timedelta(minutes=1)
    stack.sense(KEY)

    assert Gaps() == stack.gaps()


def test_older_dates_are_left_alone(stack: Stack) -> None:
    """Dates before the first one looked at are not listed; that first one is."""
    first, before = replace(KEY, date="2026-11-15"), replace(KEY, date="2026-11-14")
    stack.land(before, first)

    assert Gaps(not_copied=(first,)) == stack.gaps()


def test_cleaned_by_another_version_only_is_not_clean(stack: Stack) -> None:
    """A set in raw that only another transform cleaned, and that never got ready, is cleaned again."""
    stack.land(KEY)
    stack.copy(KEY)
    stack.clean(KEY, version=OTHER_VERSION)

    assert Gaps(not_clean=(KEY,)) == stack.gaps()


def test_loaded_as_another_version_cleaned_it_is_arrived(stack: Stack) -> None:
    """A new transform does not make every loaded set a gap."""
    stack.land(KEY)
    stack.copy(KEY)
    stack.clean(KEY, version=OTHER_VERSION)
    stack.sense(KEY, version=OTHER_VERSION)

    assert Gaps() == stack.gaps(loaded=(turn(KEY, OTHER_VERSION),))


def test_what_is_ready_needs_no_copy_any_more(stack: Stack) -> None:
    """A set that was loaded without a row is no gap because its raw copy or its clean files are gone."""
    stack.land(KEY)
    stack.sense(KEY)

    assert Gaps() == stack.gaps(held=(holding(KEY.set_id(VERSION), 0, 0),))


def test_of_two_cleanings_only_the_one_that_counts_must_be_loaded(stack: Stack) -> None:
    """A cleaning that the load passes over is no gap, or its partition would be announced for ever."""
    counts, unused = VERSION, OTHER_VERSION
    stack.land(KEY)
    stack.copy(KEY)
    for version in (unused, counts):
        stack.clean(KEY, version=version)
        stack.sense(KEY, version=version)

    assert Gaps() == stack.gaps(loaded=(turn(KEY, counts),))
    assert Gaps(not_loaded=(KEY.set_id(counts),)) == stack.gaps(loaded=(turn(KEY, unused),))


def test_every_source_and_market_is_looked_at(stack: Stack) -> None:
    """Gaps of other families and of markets whose names begin alike are found."""
    sets = sorted(
        replace(KEY, source=source, market=market)
        for source in ("zillow-com4", "zillow56")
        for market in ("houston-tx", "houston-tx-2", "houston")
    )
    stack.land(*sets)

    assert Gaps(not_copied=tuple(sets)) == stack.gaps()
