"""The mapped extraction under a quota and under answers without end, against the real listing API and a real S3."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from include.base.settings import tuning
from include.extract.quota_account import Account, Reading
from include.extract.quota_ledger import QuotaLedger
from tests.support.backends import DATE, EXTRACT_ID, Extraction

SIX_PAGES = [f"page-{number:04d}.json" for number in range(1, 7)]
MONTHLY = {"message": "You have exceeded the MONTHLY quota for Requests on your current plan, BASIC."}
OTHER_RUN = "20261122T070003Z-2e4b8d"


def ledger(extraction: Extraction) -> QuotaLedger:
    """The quota ledger beside the extraction's pages."""
    return QuotaLedger.of(extraction.s3, "zillow56")


def account(extraction: Extraction) -> Account:
    """What the ledger says."""
    return ledger(extraction).account()


def settings(monkeypatch: pytest.MonkeyPatch, **values: object) -> None:
    """Turns settings from here on."""
    for name, value in values.items():
        monkeypatch.setenv(f"LISTINGS_{name.upper()}", str(value))
    tuning.cache_clear()


def asked(*pages: int) -> dict[str, int]:
    """Houston's pages, each asked for once."""
    return {f"zillow56/houston-tx/{page}": 1 for page in pages}


def test_a_quota_that_runs_out_on_page_7_keeps_six_and_goes_on_from_there(extraction: Extraction) -> None:
    """The market fails in the API's words and emits nothing; cleared after the reset it asks for 7 to 9 only."""
    extraction.fault(
        {
            "page": 7,
            "status": 429,
            "body": MONTHLY,
            "headers": {"x-ratelimit-requests-remaining": "0", "x-ratelimit-requests-reset": "86400"},
        }
    )
    with pytest.raises(
        AirflowFailException, match=r"page 7: HTTP 429: You have exceeded the MONTHLY quota.*1 to 6 are"
    ):
        extraction.run(page_limit=9)
    assert (SIX_PAGES, set()) == (extraction.names(), extraction.announced()[0])
    assert (asked(1, 2, 3, 4, 5, 6, 7), 7) == (extraction.asked(), account(extraction).spent)

    with pytest.raises(
        AirflowFailException, match=r"page 7: 3 requests of zillow56 are wanted and 0 are left, 3 too few: the API said"
    ):
        extraction.run(page_limit=9)
    assert ({}, SIX_PAGES) == (extraction.asked(), extraction.names())

    # Nobody waits a day here: the newest word of the API is now that its reset is over.
    now = datetime.now(UTC)
    ledger(extraction).settle(OTHER_RUN, "austin-tx", 1, 0, Reading(0, 500, reset_at=now, read_at=now))
    assert 9 == extraction.run(page_limit=9)["pages"]
    assert (asked(7, 8, 9), 11) == (extraction.asked(), account(extraction).spent)
    assert {f"zillow56/houston-tx|{DATE}"} == extraction.announced()[0]


def test_a_bigger_plan_at_the_api_is_heard_of_by_one_request(extraction: Extraction) -> None:
    """Used up for the month and raised at once: a run of one page with a reason lets the failed market go on."""
    extraction.quota(6)
    with pytest.raises(AirflowFailException, match="page 7: HTTP 429: You have exceeded the MONTHLY quota"):
        extraction.run(page_limit=9)
    extraction.quota(10_000)
    extraction.asked()
    with pytest.raises(AirflowFailException, match=r"the API said .* that 0 of 6 remain"):
        extraction.run(page_limit=9)
    assert {} == extraction.asked()

    ledger(extraction).plan(OTHER_RUN, {"austin-tx": 1}, "a bigger plan")
    extraction.run("austin, tx", page_limit=1, extract_id=OTHER_RUN)
    assert 9 == extraction.run(page_limit=9)["pages"]
    assert {**asked(7, 8, 9), "zillow56/austin-tx/1": 1} == extraction.asked()


def test_every_request_is_counted(extraction: Extraction) -> None:
    """Three pages, of which one had to be asked for twice, are four requests; what the header said is kept."""
    extraction.fault({"page": 2, "status": 429, "headers": {"Retry-After": "1"}, "body": {"message": "Too many"}})
    ledger(extraction).plan(EXTRACT_ID, {"houston-tx": 3})
    extraction.run()

    found = account(extraction)
    assert (4, {}, 0) == (found.spent, dict(found.reserved), found.unread)
    assert found.reading is not None
    assert (10_000, 9_996) == (found.reading.limit, found.reading.remaining)


def test_no_repeated_request_goes_out_beyond_the_budget(
    extraction: Extraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With three budgeted, a repeated request takes the last one: page 3 is not asked for, and pages 1 and 2 stay."""
    settings(monkeypatch, quota_budget=3)
    extraction.fault({"page": 2, "status": 503})
    with pytest.raises(AirflowFailException, match=r"page 3: 4 requests .* and 3 are left, 1 too few: of 3 budgeted"):
        extraction.run()

    assert ({**asked(1, 2), "zillow56/houston-tx/2": 2}, 3) == (extraction.asked(), account(extraction).spent)
    assert ["page-0001.json", "page-0002.json"] == extraction.names()


def test_a_complete_set_leaves_the_ledger_alone(extraction: Extraction) -> None:
    """Announced again, a set costs no request and no entry."""
    extraction.run()
    entries = extraction.entries()
    extraction.run()

    assert (2, entries) == (len(entries), extraction.entries())


BIG: list[Any] = [
    pytest.param({"raw_body_bytes": 200_000_000}, "200000000 bytes are announced", id="200 MB"),
    pytest.param({"gzip_bytes": 4_000_000_000}, "more than 25000000 bytes came", id="gzip bomb"),
]


@pytest.mark.parametrize(("fault", "size"), BIG)
def test_a_page_beyond_the_bound_is_refused_with_its_size(
    extraction: Extraction, fault: dict[str, object], size: str
) -> None:
    """It fails the market for good in clear words, after one request; a megabyte of it is kept for a look."""
    extraction.fault({**fault, "page": 2, "times": None})
    with pytest.raises(AirflowFailException) as failed:
        extraction.run()

    assert f"page 2: {size}, and a page may have 25000000 after unpacking (LISTINGS_PAGE_BYTES_LIMIT). " in str(
        failed.value
    )
    assert (["page-0001.json"], asked(1, 2)) == (extraction.names(), extraction.asked())
    [kept] = extraction.landed("errors/")
    assert 1_000_000 == len(extraction.body(kept))


def test_the_bound_is_a_setting(extraction: Extraction, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of some kilobytes is too big where 1,000 bytes are allowed."""
    settings(monkeypatch, page_bytes_limit=1000)
    with pytest.raises(AirflowFailException, match=r"page 1: \d+ bytes are announced, and a page may have 1000"):
        extraction.run()


def test_an_error_of_any_size_is_still_that_error(extraction: Extraction, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 503 of 200 MB is repeated like any other; a megabyte of it is kept."""
    extraction.fault({"page": 2, "status": 503, "raw_body_bytes": 200_000_000})
    assert 3 == extraction.run()["pages"]

    assert {**asked(1, 2, 3), "zillow56/houston-tx/2": 2} == extraction.asked()
    [kept] = extraction.landed("errors/")
    assert 1_000_000 == len(extraction.body(kept))


def test_a_page_that_drips_is_given_up_and_asked_for_again(
    extraction: Extraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then, for ever: after the time that one answer may take, the page is repeated."""
    settings(monkeypatch, response_timeout=1)
    extraction.fault({"page": 2, "drip_seconds": 0.1})
    assert 3 == extraction.run()["pages"]

    assert {**asked(1, 2, 3), "zillow56/houston-tx/2": 2} == extraction.asked()


def test_a_time_out_names_its_market(extraction: Extraction, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the patience ends in a time-out, the error says which market and page, and that nothing is lost."""
    settings(monkeypatch, response_timeout=0.5, api_patience=0.5)
    extraction.fault({"page": 2, "drip_seconds": 0.1, "times": None})
    with pytest.raises(
        AirflowException, match=r"^houston, tx \(zillow56\), page 2: ReadTimeout: .*Pages 1 to 1 are kept"
    ):
        extraction.run()

    assert (2, {}) == (account(extraction).spent, dict(account(extraction).reserved))


@pytest.mark.parametrize("given", [{}, {"limit": "many"}, {"limit": -1}, {"limit": True}, 7])
def test_the_local_api_takes_only_a_number_as_its_quota(extraction: Extraction, given: object) -> None:
    """What is no number of requests is refused, and the quota stays."""
    answer = extraction.api.put("/_control/quota", json=given)

    assert (400, {"limit": 10_000}) == (answer.status_code, extraction.api.get("/_control/quota").json())
    assert "Expected" in answer.json()["message"]
