"""Clock, quota and faults: what is kept over a restart, and what is refused when it is set."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.listing_api.clock import Clock, parse_moment
from local.listing_api.faults import Answer, Fault, Faults
from local.listing_api.state_file import BadState
from local.listing_api.subscription import Subscriptions

KEY = "example-key-not-real"
NOW = datetime(2026, 11, 30, 23, 0, tzinfo=UTC)


def test_the_clock_ticks_on_from_what_was_set(tmp_path: Path) -> None:
    """A second clock on the same state goes on from the time that the first one was set to."""
    Clock(tmp_path).set(NOW)
    assert timedelta(0) <= Clock(tmp_path).now() - NOW < timedelta(seconds=10)


def test_the_clock_is_real_until_it_is_set_and_after_it_is_unset(tmp_path: Path) -> None:
    """Without a set time the clock tells the real one."""
    clock = Clock(tmp_path)
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
    clock.set(NOW)
    clock.unset()
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
    assert not clock.is_set


@pytest.mark.parametrize("given", ["2026-11-20", "2026-11-20T06:00:00", "tomorrow", 7, None, "0001-01-01T00:00:00Z"])
def test_a_time_without_a_zone_is_refused(given: object) -> None:
    """What is not an ISO time with a zone is refused, and the message says so."""
    with pytest.raises(ValueError, match="an ISO time with a time zone"):
        parse_moment(given)


def test_used_quota_outlives_a_restart_and_ends_with_the_month(tmp_path: Path) -> None:
    """Two requests of three leave one after a restart, the fourth is refused, and December brings all back."""
    first = Subscriptions([KEY], tmp_path, quota=3, rate=0)
    assert [None, None] == [first.admit(KEY, NOW) for _ in range(2)]
    second = Subscriptions([KEY], tmp_path, quota=3, rate=0)
    assert "1" == second.headers(KEY, NOW)["x-ratelimit-requests-remaining"]
    assert second.admit(KEY, NOW) is None
    refusal = second.admit(KEY, NOW)
    assert refusal is not None
    assert 429 == refusal.status
    assert "MONTHLY quota" in refusal.message
    assert "Retry-After" not in refusal.headers
    assert "3600" == second.headers(KEY, NOW)["x-ratelimit-requests-reset"]
    assert second.admit(KEY, NOW + timedelta(hours=2)) is None


def test_the_state_file_holds_no_key(tmp_path: Path) -> None:
    """Used quota is kept under a fingerprint of the key."""
    Subscriptions([KEY], tmp_path, quota=3, rate=0).admit(KEY, NOW)
    assert KEY not in (tmp_path / "quota.json").read_text()


@pytest.mark.parametrize("content", ["{", "[1]", '{"2026-11 x": "many"}'])
def test_a_broken_state_file_is_named(tmp_path: Path, content: str) -> None:
    """A state file that cannot be read is named, with what to do about it."""
    (tmp_path / "quota.json").write_text(content)
    with pytest.raises(BadState, match=r"quota\.json: expected .*Delete it to start anew"):
        Subscriptions([KEY], tmp_path, quota=3, rate=0)


@pytest.mark.parametrize(
    ("scripts", "message"),
    [
        ({"status": 429}, "Expected a list of faults, got dict"),
        (["reset"], "Fault 1: expected an object"),
        ([{"status": 500}, {"stauts": 429}], "Fault 2: 'stauts' is not known"),
        ([{"page": "3"}], "Fault 1: expected page to be int, got '3'"),
        ([{"times": True}], "Fault 1: expected times to be int or NoneType, got True"),
        ([{"truncate_at": -1}], "Fault 1: expected truncate_at to be 0 or more"),
        ([{"search": "rental"}], "Fault 1: expected search to be sale, rent, sold, got 'rental'"),
        ([{"body": "<html>", "merge": {}}], "Fault 1: expected merge to change an object, and body is none"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(scripts: object, message: str) -> None:
    """A misspelt or mistyped fault is refused by its number instead of never striking."""
    with pytest.raises(ValueError, match=message):
        Faults().put(scripts)


def test_a_fault_strikes_where_and_as_often_as_it_is_told() -> None:
    """A fault for page 3 of Austin that skips one strikes at the second and third request for it only."""
    faults = Faults()
    faults.put([{"location": "Austin, TX", "page": 3, "skip": 1, "times": 2, "status": 500}])
    asked = [("austin, tx", 2), ("houston, tx", 3), *[("austin, tx", 3)] * 4]
    struck = [faults.strike("zillow56", location, "sale", page) is not None for location, page in asked]
    assert [False, False, False, True, True, False] == struck


@pytest.mark.parametrize(
    ("page", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"a": "b"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_page_is_changed_as_the_standard_says(page: object, patch: object, expected: object) -> None:
    """The cases are those of the standard's own appendix (RFC 7396)."""
    faults = Faults()
    faults.put([{"merge": patch}])
    [fault] = faults_struck(faults, 1)
    assert expected == json.loads(fault.spoil(Answer(200, json.dumps(page).encode())).body)


def test_a_gzip_fault_unpacks_to_what_was_asked_for() -> None:
    """A small gzip is sent and said to be one; beyond 16 MB it is rounded up to whole members of that size."""
    faults = Faults()
    faults.put([{"gzip_bytes": 1000}, {"gzip_bytes": 16_000_001}])
    small, great = (fault.spoil(Answer(200, b"{}")) for fault in faults_struck(faults, 2))

    assert ("gzip", b" " * 1000) == (small.headers["content-encoding"], gzip.decompress(small.body))
    assert 32_000_000 == len(gzip.decompress(great.body))
    assert len(great.body) < 100_000


def faults_struck(faults: Faults, times: int) -> list[Fault]:
    """The faults that strike so many requests for one page."""
    return [fault for _ in range(times) if (fault := faults.strike("zillow56", "houston, tx", "sale", 1))]
