"""The quota ledger on the stand-in's S3, with many writers at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from include.extract.quota_account import Limits, QuotaRefused
from include.extract.quota_ledger import QuotaLedger
from tests.support.ministack import RunningMiniStack

WRITERS = 8


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The S3 of a MiniStack, with a landing bucket."""
    with RunningMiniStack(tmp_path_factory.mktemp("ministack")) as aws:
        client = aws.client("s3")
        client.create_bucket(Bucket="landing")
        yield client


def test_runs_planned_at_once_never_take_the_same_requests(s3: Any) -> None:
    """Eight plans of 30 start together with 100 left: three get theirs, five are refused, and nobody errs."""
    together = threading.Barrier(WRITERS)

    def plan(number: int) -> str:
        ledger = QuotaLedger(s3, "landing", "two-at-once", Limits(100, 0))
        together.wait()
        try:
            ledger.plan(f"run-{number}", {"houston-tx": 20, "austin-tx": 10})
        except QuotaRefused as refused:
            return str(refused)
        return "planned"

    with ThreadPoolExecutor(WRITERS) as writers:
        outcomes = list(writers.map(plan, range(WRITERS)))

    assert 3 == outcomes.count("planned"), outcomes
    assert WRITERS - 3 == sum("and 10 are left, 20 too few" in words for words in outcomes), outcomes


def test_no_settlement_is_lost(s3: Any) -> None:
    """Eight markets settle together, five times each: every request is counted once."""
    together = threading.Barrier(WRITERS)

    def settle(number: int) -> None:
        ledger = QuotaLedger(s3, "landing", "all-settle", Limits(0, 0))
        together.wait()
        for _ in range(5):
            ledger.settle("run", f"market-{number}", number, 0, None)

    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(settle, range(WRITERS)))

    # 5 x (1 + 2 + ... + 7); the market that spent nothing leaves no entry.
    assert 140 == QuotaLedger(s3, "landing", "all-settle", Limits(0, 0)).account().spent
    this_month = f"quota/source=all-settle/month={datetime.now(UTC):%Y-%m}/"
    assert 35 == s3.list_objects_v2(Bucket="landing", Prefix=this_month)["KeyCount"]
