"""What one task spends: nothing that is not reserved, and all of it is settled, however the task ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import requests
from botocore.exceptions import ClientError

from include.extract.quota_account import LIFE, LONGEST_TASK, Limits, QuotaRefused
from include.extract.quota_ledger import QuotaLedger
from include.extract.quota_spending import Spending
from tests.support.memory_s3 import MemoryS3

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
RUN = "20261122T060003Z-1f3a9c"


class Book:
    """A ledger with a budget of 100, a clock that a test sets, and one market's tasks."""

    def __init__(self) -> None:
        self.now = NOW
        self.s3 = MemoryS3("landing")
        self.ledger = QuotaLedger(self.s3, "landing", "zillow56", Limits(100, 0), lambda: self.now)

    def task(self, landed: int = 0) -> Spending:
        """A try of Houston's task that finds so many pages landed."""
        return Spending(self.ledger, RUN, "houston-tx", landed)

    def spent_and_held(self) -> tuple[int, int]:
        """Requests settled, and requests that count as reserved."""
        account = self.ledger.account()
        return account.spent, sum(each.requests for each in account.held(self.now))


def answer(remaining: int | None) -> requests.Response:
    """An answer whose headers say that so many requests remain."""
    made = requests.Response()
    if remaining is not None:
        made.headers.update({"x-ratelimit-requests-remaining": str(remaining), "x-ratelimit-requests-reset": "60"})
    return made


def spend_one(book: Book, fault: Exception | None, *, s3_is_gone: bool = False) -> None:
    """A task that sends one request, and then meets the fault."""
    with book.task() as spending:
        spending.reserve(20)
        spending.permit()
        if s3_is_gone:
            book.s3.buckets.clear()
        if fault:
            raise fault


def test_what_was_planned_is_spent_without_another_entry() -> None:
    """A task whose plan reserved for it writes once, at its end."""
    book = Book()
    book.ledger.plan(RUN, {"houston-tx": 20})
    with book.task() as spending:
        spending.reserve(20)
        for left in (9, 8, 7):
            spending.permit()
            spending.answered(answer(left))

    assert ((3, 0), 2) == (book.spent_and_held(), len(book.s3.keys("landing")))
    reading = book.ledger.account().reading
    assert reading is not None
    assert (7, {"remaining": 7, "reset": 60}) == (reading.remaining, spending.quota)


def test_a_fault_settles_too() -> None:
    """Whatever ends the task, what it spent is counted and the rest given back; the fault is what is raised."""
    book = Book()
    book.ledger.plan(RUN, {"houston-tx": 20})
    with pytest.raises(ZeroDivisionError):
        spend_one(book, ZeroDivisionError())

    assert (1, 0) == book.spent_and_held()


def test_a_settlement_that_fails_hides_no_fault() -> None:
    """Where S3 is gone as well, the first fault is raised; without one, the settlement's own is."""
    with pytest.raises(ZeroDivisionError):
        spend_one(Book(), ZeroDivisionError(), s3_is_gone=True)
    with pytest.raises(ClientError, match="NoSuchBucket"):
        spend_one(Book(), None, s3_is_gone=True)


def test_a_cleared_task_reserves_what_it_lacks() -> None:
    """After a settled try, the next one holds only what it lacks while it runs, and both are counted."""
    book = Book()
    book.ledger.plan(RUN, {"houston-tx": 20})
    with book.task() as spending:
        for _ in range(7):
            spending.permit()
    with book.task(landed=6) as spending:
        spending.reserve(14)
        assert (7, 14) == book.spent_and_held()
        spending.permit()

    assert (8, 0) == book.spent_and_held()


def test_a_cleared_task_that_does_not_fit_sends_nothing() -> None:
    """What others took meanwhile is not taken from them: the task is refused, and its reservation is not made."""
    book = Book()
    book.ledger.plan("another-run", {"austin-tx": 90})
    with pytest.raises(QuotaRefused, match=r"14 requests of zillow56 are wanted and 10 are left"), book.task(6) as task:
        task.reserve(14)

    assert (0, 90) == book.spent_and_held()


def test_a_killed_task_is_found_out_by_its_pages() -> None:
    """A try was killed after five pages: the next one counts them, and goes on with what is left of the reservation."""
    book = Book()
    book.ledger.plan(RUN, {"houston-tx": 20})
    killed = book.task()
    killed.__enter__()
    for _ in range(5):
        killed.permit()

    with book.task(landed=5) as spending:
        spending.reserve(15)
        assert 1 == len(book.s3.keys("landing"))
        spending.permit()

    assert (6, 0) == book.spent_and_held()


def test_a_reservation_that_ran_out_is_made_anew() -> None:
    """Six hours later another may have it: the task reserves again, and is refused where that does not fit."""
    book = Book()
    book.ledger.plan(RUN, {"houston-tx": 20})
    book.now += LIFE
    with book.task(landed=5) as spending:
        spending.reserve(15)
        assert (5, 15) == book.spent_and_held()

    book = Book()
    book.ledger.plan(RUN, {"houston-tx": 20})
    book.now += LIFE
    book.ledger.plan("another-run", {"austin-tx": 90})
    with pytest.raises(QuotaRefused, match="and 5 are left"), book.task(landed=5) as spending:
        spending.reserve(15)


def test_a_reservation_does_not_run_out_under_its_task() -> None:
    """Begun late in the life of its plan, a task holds a new reservation in one entry, and nobody takes what it has."""
    book = Book()
    book.ledger.plan(RUN, {"houston-tx": 60})
    book.now += LIFE - LONGEST_TASK
    with book.task() as spending:
        spending.reserve(60)
        assert ((0, 60), 2) == (book.spent_and_held(), len(book.s3.keys("landing")))
        book.now += LONGEST_TASK
        with pytest.raises(QuotaRefused, match="and 40 are left"):
            book.ledger.plan("another-run", {"austin-tx": 60})


def test_a_repeated_request_is_reserved_before_it_goes_out() -> None:
    """Beyond the reservation each request is asked for, and none goes out when the quota has no more."""
    book = Book()
    book.ledger.plan(RUN, {"houston-tx": 3})
    book.ledger.plan("another-run", {"austin-tx": 96})
    with book.task() as spending:
        spending.reserve(3)
        for _ in range(4):
            spending.permit()
        with pytest.raises(QuotaRefused, match="5 requests of zillow56 are wanted and 4 are left"):
            spending.permit()

    assert (4, 96) == book.spent_and_held()


def test_requests_after_the_last_header_are_told() -> None:
    """Two time-outs after the last answer are settled as not seen by it, so that they are subtracted from it."""
    book = Book()
    with book.task() as spending:
        spending.reserve(5)
        spending.permit()
        spending.answered(answer(40))
        book.now += timedelta(seconds=9)
        spending.permit()
        spending.permit()
        spending.answered(answer(None))

    account = book.ledger.account()
    assert (3, 2) == (account.spent, account.unread)


def test_a_task_that_asks_for_nothing_writes_nothing() -> None:
    """Where no page lacks and nothing was reserved, the ledger stays as it is."""
    book = Book()
    with book.task(landed=20):
        pass

    assert [] == book.s3.keys("landing")
