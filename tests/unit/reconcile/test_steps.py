"""What reconciliation does about each kind of gap, and what it leaves to a person."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from include.base.keys import SetKey
from include.base.settings import resources, tuning
from include.reconcile import steps
from include.reconcile.gaps import Gaps
from tests.support.examples import ENVIRONMENT, KEY, VERSION, buckets
from tests.support.memory_queue import Queue

COPYING = KEY
CLEANING = replace(KEY, market="austin-tx")
SENSING = replace(KEY, market="miami-fl")
READY = replace(KEY, market="tampa-fl").set_id(VERSION)
GIVEN_UP = replace(KEY, market="dallas-tx").set_id(VERSION)
STUCK = f"{replace(KEY, market='waco-tx').manifest} (not clean)"
SUSPECT = replace(KEY, market="laredo-tx").set_id(VERSION)
UNSETTLED = replace(KEY, market="abilene-tx").partition
REPLAY = "20261123T080000Z-ffffff"
GAPS = Gaps(
    (COPYING,), (CLEANING,), (SENSING,), (READY,), (SUSPECT,), (UNSETTLED,), given_up=(GIVEN_UP,), stuck=(STUCK,)
)


@pytest.fixture(autouse=True)
def _deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in ("SUSPECT_RETRIES", "RECONCILE_PATIENCE", "ALERT_TO"):
        monkeypatch.delenv(f"LISTINGS_{name}", raising=False)
    resources.cache_clear()
    tuning.cache_clear()
    yield
    resources.cache_clear()
    tuning.cache_clear()


def test_each_notification_goes_back_on_the_queue_that_lost_it() -> None:
    """What was not copied goes to copy-raw from landing, what is not clean to the transform from raw; nothing else."""
    queue = Queue()

    assert 2 == steps.send_stopped(queue, buckets(), GAPS)
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
        steps.send_stopped(queue, buckets(), Gaps()),
        queue.messages,
        steps.landed_partitions(Gaps()),
        steps.ready_partitions(Gaps()),
        steps.report(buckets(), Gaps(), "2026-11-22", Post().send),
    )


def test_every_set_not_sensed_is_announced_again() -> None:
    """Sets not copied, not clean or not sensed have their landed partition emitted again; ready and stuck ones not."""
    assert [
        "zillow56/austin-tx|2026-11-22",
        "zillow56/houston-tx|2026-11-22",
        "zillow56/miami-fl|2026-11-22",
    ] == steps.landed_partitions(GAPS)


def test_two_sets_of_a_partition_are_one_announcement() -> None:
    """A partition is emitted once, however many of its sets stopped."""
    later = replace(KEY, extract_id="20261122T100003Z-aaaaaa")

    assert [KEY.partition] == steps.landed_partitions(Gaps(not_copied=(KEY,), not_sensed=(later,)))
    assert [KEY.partition] == steps.ready_partitions(Gaps(not_loaded=(KEY.set_id(VERSION), later.set_id(VERSION))))


def test_what_is_ready_wakes_the_load() -> None:
    """Sets ready and not loaded, suspect, and days to be settled have their partition emitted; those given up don't."""
    assert [
        "zillow56/abilene-tx|2026-11-22",
        "zillow56/laredo-tx|2026-11-22",
        "zillow56/tampa-fl|2026-11-22",
    ] == steps.ready_partitions(GAPS)


def test_what_is_sent_is_noted_once() -> None:
    """Each set sent on has a notice of the first time; a second run adds none and renews none."""
    s3, queue = buckets(), Queue()
    steps.send_stopped(queue, s3, GAPS)
    first = {key: s3.buckets["clean"][key].put_at for key in s3.keys("clean")}
    steps.send_stopped(queue, s3, GAPS)

    assert [
        f"reports/notices/date=2026-11-22/resent~{VERSION}~zillow56~{market}~20261122t060003z-1f3a9c.json"
        for market in ("austin-tx", "houston-tx", "miami-fl")
    ] == list(first)
    assert first == {key: s3.buckets["clean"][key].put_at for key in s3.keys("clean")}


class Post:
    """Takes mail, or is down."""

    def __init__(self, is_up: bool = True) -> None:
        self.is_up = is_up
        self.mails: list[str] = []

    def send(self, subject: str, lines: Iterable[str]) -> bool:
        """Keeps the lines of a mail if it is up."""
        if self.is_up:
            self.mails.append("\n".join(lines))
        return self.is_up


def test_the_same_news_is_mailed_once_a_day() -> None:
    """Every run says the message; the mail goes out for the first of a day and for other names."""
    s3, post = buckets(), Post()
    said = [steps.report(s3, GAPS, day, post.send) for day in ("2026-11-22", "2026-11-22", "2026-11-23")]
    other = steps.report(s3, Gaps(stuck=("another",)), "2026-11-23", post.send)

    assert [said[0]] * 3 == said
    assert [said[0], said[0], other] == post.mails


def test_a_mail_that_did_not_go_is_tried_again() -> None:
    """While the mail server is down nothing is noted, so that the next run mails."""
    s3, post = buckets(), Post(is_up=False)
    steps.report(s3, GAPS, "2026-11-22", post.send)
    post.is_up = True
    steps.report(s3, GAPS, "2026-11-22", post.send)

    assert 1 == len(post.mails)


def test_what_is_lost_is_said_once() -> None:
    """Nobody can mend it: the first run tells of it, the next one, on whatever day, is content."""
    s3, post, lost = buckets(), Post(), Gaps(lost=("zillow56/houston-tx|2026-11-02",))
    first = steps.report(s3, lost, "2026-11-22", post.send)

    assert "zillow56/houston-tx|2026-11-02" in (first or "")
    assert None is steps.report(s3, lost, "2026-11-23", post.send)
    assert [first] == post.mails


@pytest.fixture
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody is to be told by mail."""
    monkeypatch.setenv("LISTINGS_ALERT_TO", "data@example.com")
    tuning.cache_clear()


@pytest.mark.usefixtures("somebody")
def test_what_is_lost_is_said_until_the_mail_went() -> None:
    """While the mail server is down each run tells of it; the mail is tried until it goes, then it is told no more."""
    s3, post, lost = buckets(), Post(is_up=False), Gaps(lost=("zillow56/houston-tx|2026-11-02",))
    first = steps.report(s3, lost, "2026-11-22", post.send)
    post.is_up = True

    assert first == steps.report(s3, lost, "2026-11-22", post.send)
    assert None is steps.report(s3, lost, "2026-11-23", post.send)
    assert [first] == post.mails


def test_where_nobody_is_to_be_told_what_is_lost_is_said_once() -> None:
    """Without an address no mail goes; the first run says it all the same, the next one does not."""
    s3, lost = buckets(), Gaps(lost=("zillow56/houston-tx|2026-11-02",))

    assert steps.report(s3, lost, "2026-11-22", Post(is_up=False).send)
    assert None is steps.report(s3, lost, "2026-11-22", Post(is_up=False).send)


def test_what_is_lost_does_not_make_the_rest_news() -> None:
    """Each loss is mailed with what is stuck; said once, it leaves the message, which is mailed no second time."""
    s3, post, stuck = buckets(), Post(), Gaps(stuck=("a set",))
    losses = [replace(stuck, lost=(f"zillow56/{market}|2026-11-02",)) for market in ("elko-nv", "reno-nv")]
    said = [steps.report(s3, gaps, "2026-11-22", post.send) for gaps in (losses[0], stuck, losses[1], losses[1])]

    assert [said[0], said[2]] == post.mails
    assert said[1] == said[3]


def test_more_dead_letters_are_no_other_news() -> None:
    """A queue that grows is mailed once a day; a second one that is not empty is news."""
    s3, post = buckets(), Post()
    one = [Gaps(dead_lettered=(f"copy_raw: {count} message(s): a/_manifest.json",)) for count in (1, 2, 30)]
    both = Gaps(dead_lettered=("copy_raw: 30 message(s)", "transform_listings: 1 message(s)"))
    said = [steps.report(s3, gaps, "2026-11-22", post.send) for gaps in (*one, both)]

    assert [said[0], said[3]] == post.mails


def test_nobody_is_called_for_what_mends_itself() -> None:
    """Sets that are sent or announced again are no matter for a person."""
    assert None is steps.report(buckets(), replace(GAPS, given_up=(), stuck=()), "2026-11-22", Post().send)


def test_gaps_travel_as_json() -> None:
    """Gaps survive XCom, with their sets as typed as before."""
    back = Gaps.from_dict(json.loads(json.dumps(GAPS.to_dict())))

    assert GAPS == back
    assert isinstance(back.not_copied[0], SetKey)
