"""What a replay is asked for, what it waits for, and what it lets through."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from include.base.keys import SetKey, extract_id
from include.ledger.sets import Ledger
from include.replay import steps
from include.replay.steps import DateReplay, Missing, Outcome, ReplayRefused, Wanted, plan
from include.sense.gates import Gatekeeper
from tests.support.examples import (
    KEY,
    MANIFEST_TEXT,
    OTHER_VERSION,
    RESOURCES,
    VERSION,
    buckets,
    put_clean_set,
    ready_set,
)

REPLAY = "20261123T080000Z-aaaaaa"
AUSTIN = replace(KEY, market="austin-tx")
OLD = replace(KEY, date="2026-08-01", extract_id="20260801T060003Z-bbbbbb")
OTHER_FAMILY = replace(KEY, source="zillow-com4")
PARAMS = {"from_date": "2026-11-22", "to_date": "2026-11-22", "markets": [], "source": None, "only_missing": False}
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Stack:
    """Buckets whose clock the test sets, and a queue that keeps what is sent."""

    def __init__(self) -> None:
        self.now = NOON
        self.s3 = buckets(clock=lambda: self.now)
        self.ledger = Ledger(self.s3, RESOURCES)
        self.gates = Gatekeeper(self.s3, RESOURCES, 0.05)
        self.sent: list[tuple[str, str]] = []

    def keep(self, *sets: SetKey) -> None:
        """Puts the manifests of sets into raw, nowhere else."""
        for key in sets:
            self.s3.put_object(Bucket="raw", Key=key.manifest, Body=MANIFEST_TEXT)

    def clean(self, key: SetKey, **changes: Any) -> None:
        """Cleans a set now; it is in raw, not in landing."""
        put_clean_set(self.s3, key, **changes)
        del self.s3.buckets["landing"][key.manifest]

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> dict[str, Any]:  # noqa: N803
        """Takes a message, as SQS does."""
        self.sent.append((QueueUrl, json.loads(MessageBody)["Records"][0]["s3"]["bucket"]["name"]))
        return {"MessageId": str(len(self.sent))}

    def of(self, day: str = KEY.date, name: str = REPLAY) -> DateReplay:
        """One date of a replay."""
        return DateReplay(self.s3, RESOURCES, name, day)

    def plan(self, held: tuple[SetKey, ...] = (), **params: Any) -> list[str]:
        """The dates of a replay with these params."""
        return plan(
            self.ledger, wanted(**params), lambda first, last, kept: [each for each in kept if each not in held]
        )


def but_for(held: tuple[SetKey, ...]) -> Missing:
    """What a warehouse lacks that has these sets."""
    return lambda first, last, kept: [each for each in kept if each not in held]


@pytest.fixture
def stack() -> Stack:
    """Raw with two markets, two families and an old date."""
    stack = Stack()
    stack.keep(KEY, AUSTIN, OLD, OTHER_FAMILY)
    stack.s3.put_object(Bucket="raw", Key=replace(KEY, date="2026-11-21").prefix + "page-0001.json", Body=b"{}")
    return stack


def wanted(**params: Any) -> Wanted:
    """What these params ask for."""
    return Wanted.from_params(PARAMS | params)


@pytest.mark.parametrize("later", [NOON, NOON - timedelta(hours=1), NOON - timedelta(days=400)], ids=str)
def test_a_replay_comes_after_all_that_were_before_it_whatever_the_clock_says(stack: Stack, later: datetime) -> None:
    """Of two in one second, or after the clock went back, the later counts; its tasks find its name again."""
    runs = [SimpleNamespace(run_after=NOON, run_id="first"), *(
        SimpleNamespace(run_after=later, run_id=f"later {number}") for number in range(5)
    )]  # fmt: skip
    names = []
    for run in runs:
        its = DateReplay.of(stack.s3, RESOURCES, run, KEY.date)
        its.ask(stack, [KEY])  # type: ignore[arg-type]
        names.append(its.replay)
        assert its == DateReplay.of(stack.s3, RESOURCES, run, KEY.date)
        put_clean_set(stack.s3, KEY)
        stack.gates.let_through(KEY, its.replay)
        assert [its.replay] == [each.replay for each in stack.ledger.ready(KEY.date)]
    assert sorted(set(names)) == names
    assert all(extract_id(run.run_after, run.run_id)[-7:] == name[-7:] for run, name in zip(runs, names, strict=True))


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"from_date": "22.11.2026"}, "from_date '22.11.2026': expected a date like 2026-11-22"),
        ({"to_date": "2026-11-31"}, "to_date '2026-11-31': expected a date"),
        ({"to_date": "20261122"}, "to_date '20261122': expected a date"),
        ({"from_date": None}, "from_date 'None': expected a date"),
        ({"from_date": "2026-11-23"}, "from_date 2026-11-23 is after to_date 2026-11-22: exchange them"),
        ({"from_date": "2025-11-22"}, "are 366 dates"),
        ({"from_date": "2025-11-21"}, "2025-11-21 to 2026-11-22 are 367 dates; a run takes 366"),
        ({"markets": ["x" * 10_000]}, "market 'x{60}': expected 1 to 120 printable characters"),
        ({"markets": ["houston\ntx"]}, "expected 1 to 120 printable characters"),
        ({"markets": [""]}, "expected 1 to 120 printable characters"),
    ],
)
def test_params_that_cannot_be_meant_are_refused(params: dict[str, Any], words: str) -> None:
    """The error says which param, what came and what was expected; a year is taken."""
    if words == "are 366 dates":
        assert date(2025, 11, 22) == wanted(**params).first
        return
    with pytest.raises(ReplayRefused, match=words):
        wanted(**params)


@pytest.mark.parametrize(
    ("given", "slug"),
    [
        ("houston-tx", "houston-tx"),
        (" Houston, TX ", "houston-tx"),
        ("../../ready", "ready-"),
        ("'; drop table core.listings; --", "drop-table-core-listings-"),
        ('"}|{{ 7*7 }}', "7-7-"),
    ],
)
def test_a_market_is_named_as_in_the_keys_or_as_extracted(given: str, slug: str) -> None:
    """Whatever is given becomes a name of a-z, 0-9 and dashes; a plain location becomes its market's."""
    [found] = wanted(markets=[given]).markets
    assert found.startswith(slug)
    assert set(found) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, [OTHER_FAMILY, AUSTIN, KEY]),
        ({"markets": ["austin, tx"]}, [AUSTIN]),
        ({"source": "zillow-com4"}, [OTHER_FAMILY]),
        ({"from_date": "2026-08-01"}, [OTHER_FAMILY, AUSTIN, OLD, KEY]),
        ({"from_date": "2026-08-01", "to_date": "2026-11-21"}, [OLD]),
    ],
)
def test_the_sets_of_a_span_are_those_in_raw(stack: Stack, params: dict[str, Any], expected: list[SetKey]) -> None:
    """Dates, markets and source narrow it down; an incomplete set is none."""
    assert expected == wanted(**params).sets(stack.ledger, but_for(()))
    assert sorted({key.date for key in expected}) == stack.plan(**params)


def test_a_backfill_leaves_out_what_the_warehouse_has(stack: Stack) -> None:
    """Dates of which all is there are not planned, and of the others only what lacks is asked for."""
    params = {"from_date": "2026-08-01", "only_missing": True}
    assert ["2026-11-22"] == stack.plan((OLD, KEY), **params)
    assert [OTHER_FAMILY, AUSTIN] == wanted(**params).sets(stack.ledger, but_for((KEY, OLD)), "2026-11-22")
    assert [] == stack.plan((OLD, KEY, AUSTIN, OTHER_FAMILY), **params)
    assert ["2026-08-01", "2026-11-22"] == stack.plan((OLD, KEY), **params | {"only_missing": False})


@pytest.mark.parametrize(
    ("params", "words"),
    [
        (
            {"to_date": "2026-11-23", "from_date": "2026-11-23"},
            "for 2026-11-23 to 2026-11-23, source any, markets any. ",
        ),
        ({"markets": ["houston-tx", "huston-tx"]}, "nothing of huston-tx. Of these dates it has austin-tx, houston-tx"),
        ({"source": "zillow-com1"}, "no set lies in raw for 2026-11-22 to 2026-11-22, source zillow-com1"),
    ],
)
def test_nothing_found_says_what_was_looked_for(stack: Stack, params: dict[str, Any], words: str) -> None:
    """No set at all, or none of a market that was named, is refused with what there is."""
    with pytest.raises(ReplayRefused, match=words):
        stack.plan(**params)


def test_more_sets_than_a_run_can_wait_for_are_refused(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal says how many sets there are, how many are taken and how many runs to make; the limit passes."""
    monkeypatch.setattr(steps, "MOST_SETS", 2)
    with pytest.raises(ReplayRefused, match=r"any: 4 sets, and a run takes 2: make 2 or more of it, with fewer dates"):
        stack.plan(from_date="2026-08-01")
    with pytest.raises(ReplayRefused, match=r"any: 3 sets, and a run takes 2: make 2 or more"):
        stack.plan()
    assert ["2026-11-22"] == stack.plan((KEY,), only_missing=True)


def test_a_set_is_waited_for_until_it_is_cleaned_anew(stack: Stack) -> None:
    """What was clean before the request, or by another version, is missing; cleaned in the same second it came."""
    stack.clean(KEY)
    stack.now += timedelta(hours=1)
    its = stack.of()
    assert 2 == its.ask(stack, [KEY, AUSTIN])
    assert [("http://queues/transform-listings", "raw")] * 2 == stack.sent
    stack.s3.put_object(Bucket="clean", Key=AUSTIN.success(OTHER_VERSION), Body=b"{}")
    assert [KEY, AUSTIN] == its.missing()

    stack.clean(KEY)
    assert [AUSTIN] == its.missing()
    stack.now += timedelta(hours=1)
    stack.clean(AUSTIN)
    assert [] == its.missing()


def test_what_came_is_let_through_although_others_did_not(stack: Stack) -> None:
    """A set in raw alone gets a marker of the replay; one whose gate is closed and one not cleaned are named."""
    its = stack.of()
    late = replace(KEY, market="waco-tx")
    its.ask(stack, [KEY, AUSTIN, late])
    stack.clean(KEY)
    stack.clean(AUSTIN, counts={"landed": 41, "clean": 0, "rejected": 41, "duplicates": 0, "unreadable": 0})

    seen: list[str] = []
    outcome = its.let_through(stack.gates, lambda key: seen.append(key.market))

    assert {KEY.market, AUSTIN.market} == set(seen)
    assert outcome == its.outcome()
    assert (3, (KEY.set_id(VERSION),)) == (outcome.asked, outcome.let_through)
    assert {AUSTIN.manifest, late.manifest} == set(outcome.refused)
    assert "41 of 41 listings were rejected" in outcome.refused[AUSTIN.manifest]
    assert "stuck before transform_listings" in outcome.refused[late.manifest]
    assert "2 of 3 set(s) did not come. " in str(outcome.in_words)
    assert [ready_set(KEY, replay=REPLAY)] == stack.ledger.ready(KEY.date)


@pytest.mark.parametrize(
    "fault",
    [
        ClientError({"Error": {"Code": "503", "Message": "Slow down"}}, "PutObject"),
        EndpointConnectionError(endpoint_url="http://s3"),
    ],
)
def test_a_blip_at_one_set_does_not_lose_the_rest(stack: Stack, fault: Exception) -> None:
    """A set that could not be looked at is named with the reason, the others go on, and the outcome stands."""
    its = stack.of()
    its.ask(stack, [KEY, AUSTIN])
    for key in (KEY, AUSTIN):
        stack.clean(key)

    def look_at(key: SetKey) -> None:
        if key == AUSTIN:
            raise fault

    outcome = its.let_through(stack.gates, look_at)

    assert ((KEY.set_id(VERSION),), {AUSTIN.manifest: str(fault)}) == (outcome.let_through, outcome.refused)
    assert outcome == its.outcome()


def test_an_outcome_is_of_its_own_request(stack: Stack) -> None:
    """What an earlier request came to is not told of the next one, although both are of the same second."""
    its = stack.of()
    its.ask(stack, [KEY])
    stack.clean(KEY)
    first = its.let_through(stack.gates)
    assert first == its.outcome()

    its.ask(stack, [KEY])
    assert its.outcome() is None
    assert "not let through since" in str(its.rest())
    assert first == its.let_through(stack.gates) == its.outcome()


def test_a_wait_in_vain_says_how_many_and_that_the_queue_may_be_long(stack: Stack) -> None:
    """Sets missing and asked for, the queue that all dates share, and names; where none is missing there is nothing."""
    its = stack.of()
    its.ask(stack, [KEY, AUSTIN])
    stack.clean(KEY)

    words = its.waited_in_vain(7200.0)
    assert words is not None
    assert "1 of 2 set(s) of 2026-11-22 did not come in 7200 s. Perhaps only the queue is long, http://queues/" in words
    assert (True, False) == (AUSTIN.manifest in words, KEY.manifest in words)
    stack.clean(AUSTIN)
    assert its.waited_in_vain(7200.0) is None


def test_the_gates_of_a_replay_look_at_raw(stack: Stack) -> None:
    """A set cleaned from another manifest than the one in raw is held back."""
    its = stack.of()
    its.ask(stack, [KEY])
    stack.clean(KEY, manifest_sha256=sha256(b"another manifest").hexdigest())

    assert "the one in raw has" in its.let_through(stack.gates).refused[KEY.manifest]


def test_nothing_asked_has_no_outcome(stack: Stack) -> None:
    """Before the request there is nothing to wait for: an error, not an empty success."""
    assert stack.of().outcome() is None
    with pytest.raises(LookupError, match="nothing was asked for"):
        stack.of().missing()


def test_a_long_outcome_is_told_in_ten_names() -> None:
    """The words name ten sets and count the rest; where all came there are none."""
    words = Outcome(40, (), {f"manifest {number}": "why" for number in range(12)}).in_words

    assert words is not None
    assert ("manifest 9: why", "and 2 more") == tuple(words.split(" | ")[-2:])
    assert Outcome(1, ("a",), {}).in_words is None
