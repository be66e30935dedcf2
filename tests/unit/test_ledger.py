"""What the ledgers say of sets on their way."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from include.batches import Turn
from include.gaps import Gaps, stopped
from include.keys import SetKey
from include.ledger import Ledger
from tests.unit.examples import KEY, OTHER_VERSION, RESOURCES, VERSION, buckets, ready_set
from tests.unit.memory_s3 import MemoryS3

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SIX_HOURS_BEFORE = NOON - timedelta(hours=6)
SINCE = date(2026, 11, 15)
FIRST_REPLAY, LAST_REPLAY = "20261123T080000Z-ffffff", "20261123T080001Z-000000"
LATER_EXTRACTION = replace(KEY, extract_id="20261122T100003Z-aaaaaa")


class Stack:
    """Buckets on which sets go their way, and the ledger over them; `now` is when the next object is put."""

    def __init__(self) -> None:
        self.now = NOON - timedelta(hours=1)
        self.s3: MemoryS3 = buckets(clock=lambda: self.now)
        self.ledger = Ledger(self.s3, RESOURCES)

    def put(self, bucket: str, key: str, body: bytes = b"{}") -> None:
        """Puts any object."""
        self.s3.put_object(Bucket=bucket, Key=key, Body=body)

    def land(self, *sets: SetKey) -> None:
        """Lands complete sets of two pages."""
        for key in sets:
            for name in ("page-0001.json", "page-0002.json", "_manifest.json"):
                self.put("landing", key.prefix + name)

    def copy(self, *sets: SetKey) -> None:
        """Copies sets to raw."""
        for key in sets:
            self.put("raw", key.manifest)

    def clean(self, *sets: SetKey, version: str = VERSION) -> None:
        """Cleans sets."""
        for key in sets:
            self.put("clean", key.success(version))

    def sense(self, *sets: SetKey, version: str = VERSION, replay: str | None = None) -> None:
        """Puts the ready markers of sets."""
        for key in sets:
            body = json.dumps(ready_set(key, version, replay=replay).to_dict()).encode()
            self.put("clean", key.ready(version, replay), body)

    def stopped(
        self, loaded: tuple[Turn, ...] = (), given_up: tuple[Turn, ...] = (), stuck_before: datetime = SIX_HOURS_BEFORE
    ) -> Gaps:
        """The gaps at noon, but for what was put in the ten minutes before."""
        before = NOON - timedelta(minutes=10)
        return stopped(
            self.ledger, since=SINCE, put_before=before, stuck_before=stuck_before, loaded=loaded, given_up=given_up
        )


def turn(key: SetKey, version: str = VERSION, replay: str | None = None) -> Turn:
    """The turn of a set as the audit has it."""
    return Turn(key.set_id(version), replay)


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


def test_each_gap_is_found_where_it_is(stack: Stack) -> None:
    """A set is named once, at the place where it stopped; one that is loaded is not named."""
    sets = [replace(KEY, market=f"market-{name}") for name in ("a", "b", "c", "d", "e", "f")]
    stack.land(*sets)
    stack.copy(*sets[1:])
    stack.clean(*sets[2:])
    stack.sense(*sets[3:])
    loaded, given_up = (turn(sets[5]),), (turn(sets[4]),)

    assert Gaps(
        not_copied=(sets[0],),
        not_clean=(sets[1],),
        not_sensed=(sets[2],),
        not_loaded=(sets[3].set_id(VERSION),),
        given_up=(sets[4].set_id(VERSION),),
    ) == stack.stopped(loaded, given_up)


def test_what_was_sent_for_hours_is_stuck(stack: Stack) -> None:
    """Sets complete for more than six hours and not ready are named with their places, and not sent again."""
    stack.now = SIX_HOURS_BEFORE - timedelta(microseconds=1)
    old = [replace(KEY, market=f"market-{name}") for name in ("a", "b", "c", "d", "e")]
    stack.land(*old)
    stack.copy(*old[1:])
    stack.clean(*old[2:])
    stack.sense(*old[3:])
    stack.now = SIX_HOURS_BEFORE
    stack.land(KEY)

    assert Gaps(
        not_copied=(KEY,),
        not_loaded=(old[3].set_id(VERSION),),
        given_up=(old[4].set_id(VERSION),),
        stuck=(
            f"{old[0].manifest} (not copied)",
            f"{old[1].manifest} (not clean)",
            f"{old[2].manifest} (not let through)",
        ),
    ) == stack.stopped(given_up=(turn(old[4]),))


def test_what_is_stuck_can_be_sent_again(stack: Stack) -> None:
    """Where nothing is old enough to be stuck, sets of any age are found where they stopped."""
    stack.now = NOON - timedelta(days=6)
    stack.land(KEY)

    assert Gaps(not_copied=(KEY,)) == stack.stopped(stuck_before=datetime(1, 1, 1, tzinfo=UTC))


def test_later_progress_does_not_make_a_set_young(stack: Stack) -> None:
    """The age of a set counts from its landing, not from how far it came since."""
    stack.now = SIX_HOURS_BEFORE - timedelta(hours=1)
    stack.land(KEY)
    stack.now = NOON - timedelta(hours=1)
    stack.copy(KEY)

    assert Gaps(stuck=(f"{KEY.manifest} (not clean)",)) == stack.stopped()


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

    assert Gaps(not_copied=(KEY,)) == stack.stopped()
    assert [KEY] == stack.ledger.landed("zillow56", "houston-tx", "2026-11-22")
    assert [KEY] == stack.ledger.unsensed("zillow56", "houston-tx", "2026-11-22")


def test_nothing_landed_is_no_gap(stack: Stack) -> None:
    """An empty stack has no gaps."""
    assert Gaps() == stack.stopped()


def test_an_incomplete_set_is_no_gap(stack: Stack) -> None:
    """Pages without a manifest are an extraction that failed: its own task says so."""
    stack.put("landing", KEY.prefix + "page-0001.json")

    assert Gaps() == stack.stopped()


def test_what_landed_just_now_is_left_alone(stack: Stack) -> None:
    """A set younger than ten minutes may still arrive by itself; at ten minutes it is no longer left alone."""
    stack.now = NOON - timedelta(minutes=10)
    stack.land(KEY)
    assert Gaps() == stack.stopped()

    stack.now -= timedelta(microseconds=1)
    stack.land(KEY)
    assert Gaps(not_copied=(KEY,)) == stack.stopped()


def test_what_is_ready_since_a_moment_is_left_alone(stack: Stack) -> None:
    """A set that landed long ago and got ready just now is on its way to the load, and not announced once more."""
    stack.land(KEY)
    stack.copy(KEY)
    stack.clean(KEY)
    stack.now = NOON - timedelta(minutes=1)
    stack.sense(KEY)

    assert Gaps() == stack.stopped()


def test_older_dates_are_left_alone(stack: Stack) -> None:
    """Dates before the first one looked at are not listed; that first one is."""
    first, before = replace(KEY, date="2026-11-15"), replace(KEY, date="2026-11-14")
    stack.land(before, first)

    assert Gaps(not_copied=(first,)) == stack.stopped()


def test_cleaned_by_another_version_only_is_not_clean(stack: Stack) -> None:
    """A set in raw that only another transform cleaned, and that never got ready, is cleaned again."""
    stack.land(KEY)
    stack.copy(KEY)
    stack.clean(KEY, version=OTHER_VERSION)

    assert Gaps(not_clean=(KEY,)) == stack.stopped()


def test_loaded_as_another_version_cleaned_it_is_arrived(stack: Stack) -> None:
    """A new transform does not make every loaded set a gap."""
    stack.land(KEY)
    stack.copy(KEY)
    stack.clean(KEY, version=OTHER_VERSION)
    stack.sense(KEY, version=OTHER_VERSION)

    assert Gaps() == stack.stopped(loaded=(turn(KEY, OTHER_VERSION),))


def test_what_is_ready_needs_no_copy_any_more(stack: Stack) -> None:
    """A ready set is no gap because its raw copy or its clean files are gone."""
    stack.land(KEY)
    stack.sense(KEY)

    assert Gaps() == stack.stopped(loaded=(turn(KEY),))


def test_of_two_cleanings_only_the_one_that_counts_must_be_loaded(stack: Stack) -> None:
    """A cleaning that the load passes over is no gap, or its partition would be announced for ever."""
    counts, unused = VERSION, OTHER_VERSION
    stack.land(KEY)
    stack.copy(KEY)
    for version in (unused, counts):
        stack.clean(KEY, version=version)
        stack.sense(KEY, version=version)

    assert Gaps() == stack.stopped(loaded=(turn(KEY, counts),))
    assert Gaps(not_loaded=(KEY.set_id(counts),)) == stack.stopped(loaded=(turn(KEY, unused),))


def test_every_source_and_market_is_looked_at(stack: Stack) -> None:
    """Gaps of other families and of markets whose names begin alike are found."""
    sets = sorted(
        replace(KEY, source=source, market=market)
        for source in ("zillow-com4", "zillow56")
        for market in ("houston-tx", "houston-tx-2", "houston")
    )
    stack.land(*sets)

    assert Gaps(not_copied=tuple(sets)) == stack.stopped()
