"""What should be in the warehouse by now and is not."""

from datetime import UTC, date, datetime, timedelta

import pytest

from include.reconcile.freshness import Expectation

MARKETS = ("zillow56/houston-tx", "zillow56/austin-tx")
EXPECTED = Expectation(MARKETS, datetime(2026, 11, 1, tzinfo=UTC), timedelta(hours=12), timedelta(hours=36))
TODAY = [f"{market}|2026-11-22" for market in MARKETS]
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SINCE = date(2026, 11, 22)


def late(
    now: datetime = NOON, since: date = SINCE, loaded: tuple[str, ...] = (), landed: tuple[str, ...] = ()
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is overdue and what is lost at `now`."""
    return EXPECTED.late(since=since, now=now, loaded=loaded, landed=landed)


def test_a_partition_is_overdue_when_its_time_is_up() -> None:
    """At twelve hours after its date began it is, a moment before it is not."""
    assert (tuple(TODAY), ()) == late()
    assert ((), ()) == late(NOON - timedelta(microseconds=1))


def test_what_is_loaded_is_not_overdue() -> None:
    """Only the market that is missing is named; landing alone does not make it fresh."""
    assert ((TODAY[1],), ()) == late(loaded=(TODAY[0], "zillow56/austin-tx|2026-11-21"), landed=tuple(TODAY))


def test_nothing_is_expected_where_nothing_is_said() -> None:
    """Without markets nothing is overdue, however long nothing ran."""
    nothing = Expectation((), EXPECTED.start, EXPECTED.within, EXPECTED.tolerance)

    assert ((), ()) == nothing.late(since=date(2026, 11, 1), now=NOON, loaded=(), landed=())


def test_a_date_that_no_api_serves_is_lost() -> None:
    """36 hours after its end a date that never landed cannot be made good; one that landed still can be loaded."""
    week = date(2026, 11, 15)
    overdue, lost = late(now=NOON, since=week, landed=("zillow56/houston-tx|2026-11-16",))

    dates = [15, 16, 17, 18, 19, 20]
    assert (
        tuple(f"{market}|2026-11-{day}" for day in dates for market in MARKETS if (day, market) != (16, MARKETS[0]))
        == lost
    )
    assert ("zillow56/houston-tx|2026-11-16", *(f"{m}|2026-11-{day}" for day in (21, 22) for m in MARKETS)) == overdue


@pytest.mark.parametrize(("hour", "is_lost"), [(11, False), (12, True)])
def test_the_last_moment_is_the_end_of_the_tolerance(hour: int, is_lost: bool) -> None:
    """The 20th is served until noon of the 22nd."""
    assert is_lost is EXPECTED.is_past(date(2026, 11, 20), NOON.replace(hour=hour))


def test_nothing_is_expected_from_before_the_start() -> None:
    """The first date is that of the start, and it is due after as many hours."""
    started = Expectation(MARKETS, datetime(2026, 11, 22, 3, tzinfo=UTC), EXPECTED.within, EXPECTED.tolerance)

    def found(hour: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return started.late(since=date(2026, 11, 1), now=NOON.replace(hour=hour), loaded=(), landed=())

    assert (((), ()), (tuple(TODAY), ())) == (found(14), found(15))
