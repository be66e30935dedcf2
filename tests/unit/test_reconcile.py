"""What reconciliation does about each kind of gap, and what it leaves to a person."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from include import reconcile
from include.gaps import Gaps
from include.keys import SetKey
from include.settings import resources, tuning
from tests.unit.examples import ENVIRONMENT, KEY, VERSION
from tests.unit.test_resend import Queue

COPYING = KEY
CLEANING = replace(KEY, market="austin-tx")
SENSING = replace(KEY, market="miami-fl")
READY = replace(KEY, market="tampa-fl").set_id(VERSION)
GIVEN_UP = replace(KEY, market="dallas-tx").set_id(VERSION)
STUCK = f"{replace(KEY, market='waco-tx').manifest} (not clean)"
GAPS = Gaps((COPYING,), (CLEANING,), (SENSING,), (READY,), (GIVEN_UP,), (STUCK,))


@pytest.fixture(autouse=True)
def _deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in ("SUSPECT_RETRIES", "RECONCILE_PATIENCE"):
        monkeypatch.delenv(f"LISTINGS_{name}", raising=False)
    resources.cache_clear()
    tuning.cache_clear()
    yield
    resources.cache_clear()
    tuning.cache_clear()


def test_each_notification_goes_back_on_the_queue_that_lost_it() -> None:
    """What was not copied goes to copy-raw from landing, what is not clean to the transform from raw; nothing else."""
    queue = Queue()

    assert 2 == reconcile.send_stopped(queue, GAPS)
    sent = [(url, json.loads(body)["Records"][0]["s3"]) for url, body in queue.messages]
    assert [
        ("http://queues/copy-raw", "landing"),
        ("http://queues/transform-listings", "raw"),
    ] == [(url, what["bucket"]["name"]) for url, what in sent]
    assert ["houston-tx", "austin-tx"] == [what["object"]["key"].split("/")[2].split("%3D")[1] for _, what in sent]


def test_nothing_stopped_sends_nothing() -> None:
    """Without gaps no message goes out and nobody is woken or told."""
    queue = Queue()

    assert (0, [], [], [], None) == (
        reconcile.send_stopped(queue, Gaps()),
        queue.messages,
        reconcile.landed_partitions(Gaps()),
        reconcile.ready_partitions(Gaps()),
        reconcile.for_a_person(Gaps()),
    )


def test_every_set_not_sensed_is_announced_again() -> None:
    """Sets not copied, not clean or not sensed have their landed partition emitted again; ready and stuck ones not."""
    assert [
        "zillow56/austin-tx|2026-11-22",
        "zillow56/houston-tx|2026-11-22",
        "zillow56/miami-fl|2026-11-22",
    ] == reconcile.landed_partitions(GAPS)


def test_two_sets_of_a_partition_are_one_announcement() -> None:
    """A partition is emitted once, however many of its sets stopped."""
    later = replace(KEY, extract_id="20261122T100003Z-aaaaaa")

    assert [KEY.partition] == reconcile.landed_partitions(Gaps(not_copied=(KEY,), not_sensed=(later,)))
    assert [KEY.partition] == reconcile.ready_partitions(Gaps(not_loaded=(KEY.set_id(VERSION), later.set_id(VERSION))))


def test_what_is_ready_wakes_the_load() -> None:
    """Sets ready and not loaded have their clean partition emitted again; those given up don't."""
    assert ["zillow56/tampa-fl|2026-11-22"] == reconcile.ready_partitions(GAPS)


def test_a_person_is_told_which_sets_and_what_to_do() -> None:
    """The message names the sets given up, where their reasons are, and how to load them after mending."""
    message = reconcile.for_a_person(replace(GAPS, stuck=()))

    assert message is not None
    assert "retry_stuck" not in message
    assert GIVEN_UP in message
    assert READY not in message
    assert [
        "1 set(s)",
        "2 times",
        "core.load_audit",
        "retry_suspects",
    ] == [words for words in ("1 set(s)", "2 times", "core.load_audit", "retry_suspects") if words in message]


def test_a_person_is_told_what_is_stuck_and_where() -> None:
    """The message names the stuck manifests with their places, for how long they were sent, and how to send again."""
    message = reconcile.for_a_person(replace(GAPS, given_up=()))

    assert message is not None
    assert message.startswith(f"1 set(s) are stuck although they were sent again for 6 hours: {STUCK}. ")
    assert ("dead-letter queue" in message, "reconcile_listings with retry_stuck" in message) == (True, True)
    assert ("core.load_audit" in message, COPYING.manifest in message) == (False, False)


def test_both_kinds_are_told_at_once() -> None:
    """What failed to load and what is stuck stand in one message."""
    message = reconcile.for_a_person(GAPS)

    assert message is not None
    assert [GIVEN_UP, STUCK] == [each for each in (GIVEN_UP, STUCK) if each in message]


def test_nobody_is_called_for_what_mends_itself() -> None:
    """Sets that are sent or announced again are no matter for a person."""
    assert reconcile.for_a_person(replace(GAPS, given_up=(), stuck=())) is None


def test_gaps_travel_as_json() -> None:
    """Gaps survive XCom, with their sets as typed as before."""
    back = Gaps.from_dict(json.loads(json.dumps(GAPS.to_dict())))

    assert GAPS == back
    assert isinstance(back.not_copied[0], SetKey)
