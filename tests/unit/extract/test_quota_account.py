"""What is left of a quota, who may take it, and what a person is told who may not."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from include.base.json_objects import UnreadableObject
from include.base.settings import resources
from include.extract.quota_account import LIFE, LONGEST_TASK, Account, Limits, QuotaRefused, Reading, next_month
from include.extract.quota_ledger import TRIES, LedgerBusy, QuotaLedger, reserve_plan
from include.extract.quota_spending import Spending
from tests.support.examples import ENVIRONMENT, REQUEST
from tests.support.memory_s3 import MemoryS3

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
RUN, OTHER_RUN = "20261122T060003Z-1f3a9c", "20261122T070003Z-2e4b8d"
FOLDER = "quota/source=zillow56/month=2026-11/"


class Time:
    """A clock that stands still until it is set."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def ledger(s3: MemoryS3, budget: int = 100, reserve: int = 0, time: Time | None = None) -> QuotaLedger:
    """The ledger of zillow56 with these limits."""
    return QuotaLedger(s3, "landing", "zillow56", Limits(budget, reserve), time or Time())


def said(remaining: int, read_at: datetime = NOW, reset: int = 86_400) -> Reading:
    """What the API's headers said: so many of 500 remain."""
    found = Reading.of({"limit": 500, "remaining": remaining, "reset": reset}, read_at)
    assert found is not None
    return found


def left(book: QuotaLedger) -> int:
    """How many requests a new run could still reserve, found by asking for too many."""
    with pytest.raises(QuotaRefused) as refused:
        book.plan("a-run-that-asks-for-all", {"houston-tx": 1_000_000})
    found = re.search(r"and (\d+) are left", str(refused.value))
    assert found
    return int(found[1])


def test_a_plan_that_does_not_fit_is_refused_by_how_much() -> None:
    """60 wanted, 100 budgeted, 30 spent, 20 held by another run and 5 kept back: 45 left, 15 too few."""
    s3 = MemoryS3("landing")
    book = ledger(s3, budget=100, reserve=5)
    book.plan(OTHER_RUN, {"austin-tx": 30, "houston-tx": 20})
    book.settle(OTHER_RUN, "austin-tx", 30, 30, None)

    with pytest.raises(QuotaRefused) as refused:
        book.plan(RUN, {"houston-tx": 20, "austin-tx": 20, "phoenix-az": 20})

    assert (
        "60 requests of zillow56 are wanted and 45 are left, 15 too few: of 100 budgeted for 2026-11 "
        "(LISTINGS_QUOTA_BUDGET) 30 are spent, 20 are reserved by tasks not ended yet (free again by 2026-11-22 "
        "12:00 UTC), 5 are kept back (LISTINGS_QUOTA_RESERVE). No request went out for them; name fewer markets, "
        "lower the page limit to 15, raise LISTINGS_QUOTA_BUDGET, or wait until 2026-12-01 00:00 UTC"
    ) == str(refused.value)
    assert 2 == len(s3.keys("landing")), "a refused plan leaves no entry"


def test_the_api_has_the_last_word() -> None:
    """With budget enough, what the newest header says remains is the limit, until its reset."""
    time = Time()
    book = ledger(MemoryS3("landing"), budget=1000, reserve=5, time=time)
    book.plan(OTHER_RUN, {"austin-tx": 20})
    book.settle(OTHER_RUN, "austin-tx", 12, 2, said(40))

    with pytest.raises(QuotaRefused) as refused:
        book.plan(RUN, {"houston-tx": 60})
    assert (
        "60 requests of zillow56 are wanted and 33 are left, 27 too few: the API said at 2026-11-22 06:00 UTC that "
        "40 of 500 remain, 2 were spent since, 5 are kept back (LISTINGS_QUOTA_RESERVE). No request went out for "
        'them; lower the page limit to 33, say why in the param "quota_override" of a run if your plan at the API '
        "was raised since, or wait until 2026-11-23 06:00 UTC"
    ) == str(refused.value)

    time.now += timedelta(days=1)
    book.plan(RUN, {"houston-tx": 60})


def test_a_reason_overrules_the_api_and_not_the_budget() -> None:
    """With a reason the header's last word is not heeded, and the reason stands in the entry; the budget holds."""
    s3 = MemoryS3("landing")
    book = ledger(s3, budget=100)
    book.plan(OTHER_RUN, {"austin-tx": 20})
    book.settle(OTHER_RUN, "austin-tx", 20, 0, said(0))

    with pytest.raises(QuotaRefused, match="and 0 are left, 60 too few: the API said"):
        book.plan(RUN, {"houston-tx": 60})
    with pytest.raises(QuotaRefused, match=r"and 80 are left, 1 too few: of 100 budgeted"):
        book.plan(RUN, {"houston-tx": 81}, "a bigger plan since noon")
    book.plan(RUN, {"houston-tx": 60}, "a bigger plan since noon")
    assert b"a bigger plan since noon" in s3.buckets["landing"][FOLDER + "0000003.json"].body


def test_what_was_overruled_is_not_believed_again() -> None:
    """A request that is repeated within the run, which has no reason to give, goes out too; the next header counts."""
    book = ledger(MemoryS3("landing"), budget=0)
    book.settle(OTHER_RUN, "austin-tx", 20, 0, said(0))
    book.plan(RUN, {"houston-tx": 1}, "a bigger plan since noon")
    with Spending(book, RUN, "houston-tx", 0) as spending:
        spending.reserve(1)
        spending.permit()
        spending.permit()
    book.settle(OTHER_RUN, "phoenix-az", 1, 0, said(7))

    assert 7 == left(book)


def test_without_budget_and_header_nothing_is_refused() -> None:
    """A fresh deployment without settings plans what it likes, and it is written down."""
    s3 = MemoryS3("landing")
    ledger(s3, budget=0, reserve=50).plan(RUN, {"houston-tx": 1_000_000})

    assert [FOLDER + "0000001.json"] == s3.keys("landing")


def test_a_run_planned_again_reserves_once() -> None:
    """Its plan cleared, a run holds what it held, also when some of its markets have settled meanwhile."""
    s3 = MemoryS3("landing")
    book = ledger(s3)
    book.plan(RUN, {"houston-tx": 20, "austin-tx": 20})
    book.plan(RUN, {"houston-tx": 20, "austin-tx": 20})
    assert 60 == left(book)
    book.settle(RUN, "houston-tx", 20, 0, None)
    book.plan(RUN, {"houston-tx": 20, "austin-tx": 20})

    assert (60, 2) == (left(book), len(s3.keys("landing")))


def test_what_a_market_did_not_spend_is_given_back() -> None:
    """20 reserved and 3 spent leave 97 of 100."""
    book = ledger(MemoryS3("landing"))
    book.plan(RUN, {"houston-tx": 20})
    assert 80 == left(book)
    book.settle(RUN, "houston-tx", 3, 0, None)

    assert 97 == left(book)


def test_a_reservation_that_nobody_settles_runs_out() -> None:
    """A killed task's reservation counts for six hours to the microsecond, then no more."""
    time = Time()
    book = ledger(MemoryS3("landing"), time=time)
    book.plan(RUN, {"houston-tx": 20})

    time.now = NOW + LIFE - timedelta(microseconds=1)
    assert 80 == left(book)
    time.now = NOW + LIFE
    assert 100 == left(book)


TURN = datetime(2026, 12, 1, tzinfo=UTC)


class Turning(MemoryS3):
    """A bucket in which somebody else writes just before a put of ours."""

    def __init__(self, bucket: str) -> None:
        super().__init__(bucket)
        self.before_put: Callable[[], None] | None = None

    def put_object(self, **what: Any) -> Any:
        """Puts, after what is to come before."""
        before, self.before_put = self.before_put, None
        if before:
            before()
        return super().put_object(**what)


@pytest.mark.parametrize("between", [False, True], ids=["one after the other", "between reading and writing"])
@pytest.mark.parametrize("used", [False, True], ids=["unused month", "used month"])
@pytest.mark.parametrize("order", [(-1, 1), (1, -1), (-1, -1), (1, 1)], ids=str)
def test_no_clock_gets_past_the_turn_of_the_month(order: tuple[int, int], used: bool, between: bool) -> None:
    """Of two runs of 60 under a budget of 100, by clocks a second before and after the turn, one is refused."""
    s3, granted = Turning("landing"), []
    if used:
        ledger(s3, time=Time(TURN - timedelta(days=3))).settle(RUN, "houston-tx", 5, 5, None)
    books = [ledger(s3, time=Time(TURN + timedelta(seconds=each))) for each in order]

    def plan(number: int) -> None:
        with contextlib.suppress(QuotaRefused):
            books[number].plan(f"2026113{number}T000000Z-aaaaaa", {"houston-tx": 60})
            granted.append(number)

    if between:
        s3.before_put = lambda: plan(1)
        plan(0)
    else:
        plan(0)
        plan(1)

    assert 1 == len(granted)
    late = ledger(s3, time=Time(TURN + timedelta(minutes=5)))
    assert 60 == sum(each.requests for each in late.account().held(TURN + timedelta(minutes=5)))


def test_a_new_month_has_the_whole_budget_but_not_what_is_under_way() -> None:
    """What was spent stays in the old month; what is reserved, and what the API said, goes over."""
    time, s3 = Time(datetime(2026, 11, 30, 23, 59, tzinfo=UTC)), MemoryS3("landing")
    book = ledger(s3, time=time)
    book.plan(OTHER_RUN, {"austin-tx": 30, "houston-tx": 20})
    book.settle(OTHER_RUN, "austin-tx", 30, 0, said(90, time.now))
    assert 50 == left(book)

    time.now += timedelta(minutes=2)
    with pytest.raises(QuotaRefused, match=r"and 70 are left, .*the API said at 2026-11-30 23:59 UTC that 90 of 500"):
        book.plan(RUN, {"houston-tx": 71})
    book.settle(OTHER_RUN, "houston-tx", 20, 20, None)
    assert "quota/source=zillow56/month=2026-12/0000001.json" == s3.keys("landing")[-1]
    with pytest.raises(QuotaRefused, match=r"of 100 budgeted for 2026-12 .* 20 are spent"):
        book.plan(RUN, {"houston-tx": 81}, "why not")


def test_an_older_header_changes_nothing() -> None:
    """A market that settles late with an older header neither replaces the newer one nor is counted twice."""
    book = ledger(MemoryS3("landing"), budget=0)
    book.plan(RUN, {"houston-tx": 20, "austin-tx": 20})
    book.settle(RUN, "houston-tx", 20, 0, said(60, NOW + timedelta(seconds=9)))
    book.settle(RUN, "austin-tx", 20, 0, said(75, NOW + timedelta(seconds=5)))

    assert 60 == left(book)


def test_requests_that_no_header_has_seen_are_subtracted_until_one_has() -> None:
    """Three time-outs after the last header count against it, and no more when a newer header comes."""
    time = Time()
    book = ledger(MemoryS3("landing"), budget=0, time=time)
    book.plan(RUN, {"houston-tx": 20})
    book.settle(RUN, "houston-tx", 8, 3, said(60, NOW - timedelta(seconds=30)))
    assert 57 == left(book)

    time.now += timedelta(minutes=1)
    book.settle(OTHER_RUN, "houston-tx", 1, 0, said(55, time.now))
    assert 55 == left(book)


@pytest.mark.parametrize("headers", [None, {}, {"limit": 500}, {"limit": 500, "reset": 60}])
def test_headers_without_what_remains_are_no_reading(headers: dict[str, int] | None) -> None:
    """A limit alone says nothing of what is left."""
    assert Reading.of(headers, NOW) is None


@pytest.mark.parametrize("reset", [-1, -86_400, 32 * 86_400 + 1, 1_795_000_000, 1_795_000_000_000, 999_999_999_999])
def test_a_header_without_a_usable_reset_holds_until_the_month_ends(reset: int) -> None:
    """Where the API names no reset, or a point in time as if it were seconds, the calendar's month is taken."""
    found = Reading.of({"remaining": 3}, NOW)

    assert Reading(3, None, datetime(2026, 12, 1, tzinfo=UTC), NOW) == found
    assert found == Reading.of({"remaining": 3, "reset": reset}, NOW)
    assert datetime(2027, 1, 1, tzinfo=UTC) == next_month(datetime(2026, 12, 31, 23, 59, tzinfo=UTC))


class BusyS3(MemoryS3):
    """An S3 where somebody else writes the same ledger just before each of the first `times` puts."""

    def __init__(self, times: int, lost: int = 0) -> None:
        super().__init__("landing")
        self.times, self.lost = times, lost

    def put_object(self, **what: Any) -> dict[str, Any]:
        """Puts, after somebody else did."""
        if self.times:
            self.times -= 1
            rival, self.times = self.times, 0
            ledger(self, budget=0).plan(f"rival-{rival}", {"austin-tx": 30})
            self.times = rival
        if self.lost:
            # S3 took it, but its answer is lost: botocore sends it again, and hears that it is there.
            self.lost -= 1
            super().put_object(**what)
        return super().put_object(**what)


def test_who_comes_second_judges_anew() -> None:
    """40 of 100 fit; but a rival takes 30 and one more 30 at the last moment, and then they do not fit any more."""
    s3 = BusyS3(times=2)

    ledger(s3).plan(RUN, {"houston-tx": 40})
    assert 0 == left(ledger(s3))
    with pytest.raises(QuotaRefused, match="1 too few"):
        ledger(s3).plan(OTHER_RUN, {"houston-tx": 1})

    s3 = BusyS3(times=2)
    with pytest.raises(QuotaRefused, match="and 40 are left, 1 too few"):
        ledger(s3).plan(RUN, {"houston-tx": 41})


def test_an_entry_whose_answer_was_lost_is_not_put_twice() -> None:
    """Told that its number is taken, the writer finds its own entry there, and all is well."""
    s3 = BusyS3(times=0, lost=1)
    ledger(s3).settle(RUN, "houston-tx", 20, 0, None)

    assert (80, 1) == (left(ledger(s3)), len(s3.keys("landing")))


def test_a_ledger_that_others_always_write_first_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many tries the error names the ledger and what to do."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    s3 = BusyS3(times=10 * TRIES)

    with pytest.raises(LedgerBusy, match=rf"{FOLDER} in landing could not be written in {TRIES} tries.*clear the task"):
        QuotaLedger(s3, "landing", "zillow56", Limits(0, 0), Time()).plan(RUN, {"houston-tx": 1})


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id": "x"}', b'{"account": {"spent": "many"}}'])
def test_an_entry_that_is_none_of_ours_is_named(body: bytes) -> None:
    """A ledger that somebody wrote by hand stops the plan with the object's address."""
    s3 = MemoryS3("landing")
    s3.put_object(Bucket="landing", Key=FOLDER + "0000007.json", Body=body)

    with pytest.raises(UnreadableObject, match=f"s3://landing/{FOLDER}0000007.json is no entry"):
        ledger(s3).plan(RUN, {"houston-tx": 1})


def test_reading_the_ledger_costs_one_listing_and_one_entry() -> None:
    """After 300 entries a plan still reads one of them and lists one folder."""
    s3 = MemoryS3("landing")
    for number in range(100):
        book = ledger(s3, budget=0)
        book.plan(f"run-{number}", {"houston-tx": 20, "austin-tx": 20})
        book.settle(f"run-{number}", "houston-tx", 20, 0, said(60))
        book.settle(f"run-{number}", "austin-tx", 20, 0, said(60))
    s3.calls.clear()

    assert 4000 == ledger(s3).account().spent
    assert [("list_objects_v2", FOLDER), ("get_object", FOLDER + "0000300.json")] == s3.calls


def test_a_reader_that_was_there_before_reads_only_what_is_new() -> None:
    """Asked again a ledger lists from where it was and reads nothing; another's entry it sees all the same."""
    s3 = MemoryS3("landing")
    book = ledger(s3)
    book.plan(OTHER_RUN, {"austin-tx": 20})
    assert 20 == sum(each.requests for each in book.account().reserved.values())
    s3.calls.clear()
    book.account()
    assert [("list_objects_v2", FOLDER)] == s3.calls

    ledger(s3).plan(RUN, {"houston-tx": 30})
    assert 50 == sum(each.requests for each in book.account().reserved.values())


def test_what_is_old_leaves_the_account() -> None:
    """Runs that nobody can clear any more are forgotten, so that an entry does not grow with the month."""
    time, s3 = Time(), MemoryS3("landing")
    for day in range(9):
        time.now = datetime(2026, 11, 1 + day, 6, tzinfo=UTC)
        ledger(s3, budget=0, time=time).plan(f"run-of-{day}", {f"market-{number}": 20 for number in range(30)})

    account = ledger(s3, time=time).account()
    assert ({"run-of-6", "run-of-7", "run-of-8"}, 90) == (set(account.planned), len(account.reserved))


def test_a_plan_reserves_its_page_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each market's reservation is its page limit, in the landing bucket of the settings."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    resources.cache_clear()
    s3 = MemoryS3("landing")
    reserve_plan(s3, [REQUEST])
    resources.cache_clear()

    held = ledger(s3, time=Time(datetime.now(UTC))).account().reserved  # it reserves for the month that it is
    assert {f"{REQUEST.extract_id}/houston-tx": 20} == {name: each.requests for name, each in held.items()}


class Month:
    """A month of runs and their tasks under a budget of 100, none killed; counts each request that goes out."""

    def __init__(self) -> None:
        self.time = Time(datetime(2026, 11, 1, tzinfo=UTC))
        self.book = ledger(MemoryS3("landing"), budget=100, time=self.time)
        self.planned: list[tuple[str, str]] = []
        self.tasks: list[tuple[datetime, Spending]] = []
        self.runs = self.sent = 0

    def plan(self, number: int) -> None:
        """A run of one market that may spend so much."""
        self.runs += 1
        run = f"run-{self.runs}", "houston-tx"
        self.book.plan(run[0], {run[1]: number})
        self.planned.append(run)

    def begin(self, number: int) -> None:
        """The first task that has not begun, which wants so much."""
        if self.planned:
            task = Spending(self.book, *self.planned.pop(0), 0).__enter__()
            self.tasks.append((self.time.now, task))
            task.reserve(number)

    def send(self, number: int) -> None:
        """So many requests of the task that has run longest."""
        for _ in range(number if self.tasks else 0):
            self.tasks[0][1].permit()
            self.sent += 1

    def wait(self, number: int) -> None:
        """So many tenths of an hour, in which tasks that have run too long are ended."""
        until = self.time.now + timedelta(hours=number / 10)
        while self.tasks and self.tasks[0][0] + LONGEST_TASK < until:
            self.time.now = max(self.time.now, self.tasks[0][0] + LONGEST_TASK)
            self.end(0)
        self.time.now = until

    def end(self, _: int) -> None:
        """The task that has run longest."""
        if self.tasks:
            self.tasks.pop(0)[1].__exit__(None, None, None)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["plan", "begin", "send", "end", "wait", "wait"]), st.integers(0, 60)), max_size=40
    )
)
@example(
    [
        ("plan", 60),
        ("wait", 59),
        ("begin", 60),
        ("wait", 2),
        ("plan", 60),
        ("begin", 60),
        *[("send", 60), ("end", 0)] * 2,
    ]
)
def test_promises_and_requests_never_exceed_the_budget(steps: list[tuple[str, int]]) -> None:
    """However late tasks begin and whatever they send: spent and held stay within the budget, and so does what is sent.

    Tasks are not killed; each ends within the time that it may run.
    """
    month = Month()
    for step, number in steps:
        with contextlib.suppress(QuotaRefused):
            getattr(month, step)(number)
        account = month.book.account()
        assert account.spent + sum(each.requests for each in account.held(month.time.now)) <= 100
        assert month.sent <= 100
    while month.tasks:
        month.end(0)
    assert month.sent == month.book.account().spent <= 100


def test_an_account_is_read_as_it_was_written() -> None:
    """Times, readings and reservations come back from JSON as they were."""
    account = Account().reserve(RUN, {"houston-tx": 20}, 3, NOW).settle("x/y", 4, 1, said(60), NOW)

    assert account == Account.from_dict(account.to_dict())
