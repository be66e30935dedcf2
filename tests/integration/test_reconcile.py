"""The search for gaps over a real warehouse, a real S3 and real queues."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from include.base.keys import (
    LISTINGS_FILE,
    MANIFEST,
    REJECTS_FILE,
    extract_id,
    page_name,
    partition_of,
    replay_key,
    set_of,
)
from include.base.settings import resources, tuning
from include.ledger.queues import send_again
from include.reconcile import steps
from include.reconcile.gaps import Gaps
from include.report import marts
from include.warehouse.audit import record_suspects
from include.warehouse.rows_held import missing
from include.warehouse.sql_files import Connection
from tests.support.examples import ENVIRONMENT, KEY, VERSION
from tests.support.staged_sets import Seen, as_the_newest_won, batch_of, empty_marts, load, rows, seen, settle, stage
from tests.support.warehouse_fixture import Warehouse

NOW = datetime.now(UTC)
LANDED = replace(KEY, date=NOW.date().isoformat())
BUCKETS = ("landing", "raw", "clean")
DEAD = ("copy-raw-dead", "transform-listings-dead")
SETTINGS = ("RECONCILE_AFTER", "RECONCILE_PATIENCE", "SUSPECT_RETRIES", "EXPECTED_MARKETS", "FRESHNESS_HOURS")


@dataclass(frozen=True)
class Stack:
    """A stack's empty buckets and dead-letter queues, and its warehouse."""

    connection: Connection
    s3: Any
    sqs: Any
    dead_letters: tuple[str, ...]

    def gaps(self, hours: float = 1, days: int = 7, retry_stuck: bool = False) -> Gaps:
        """What a reconciliation finds that starts so many hours from now; that nobody builds marts here is left out."""
        started_at = datetime.now(UTC) + timedelta(hours=hours)
        found = steps.find_gaps(self.connection, self.s3, self.sqs, started_at, days=days, retry_stuck=retry_stuck)
        return replace(found, unbuilt=())

    def put(self, bucket: str, key: str, body: str = "{}") -> None:
        """Puts an object."""
        self.s3.put_object(Bucket=bucket, Key=key, Body=body.encode())

    def bring(self, *sets: Seen) -> None:
        """Puts what the buckets have of sets that are ready."""
        for each in sets:
            key, version = set_of(each.set_id), each.ready.transform_version
            for bucket, name in product(("landing", "raw"), (page_name(1), MANIFEST)):
                self.put(bucket, key.prefix + name)
            uris = [uri.removeprefix("s3://clean/") for uri in (each.ready.listings_uri, each.ready.rejects_uri)]
            for name in (*uris, *(key.clean_prefix(version) + name for name in (LISTINGS_FILE, REJECTS_FILE))):
                self.put("clean", name, "x" * 100)
            self.put("clean", key.success(version))
            self.put("clean", key.ready(version, each.ready.replay), json.dumps(each.ready.to_dict()))

    def run(self, sql: str, *values: Any) -> None:
        """Changes the warehouse behind the pipeline's back."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, values)
        self.connection.commit()


@pytest.fixture
def stack(core_tables: Connection, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """A stack on which nothing ever ran."""
    s3, sqs = warehouse.ministack.client("s3"), warehouse.ministack.client("sqs")
    urls = [sqs.create_queue(QueueName=name)["QueueUrl"] for name in DEAD]
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name, url in zip(("COPY", "TRANSFORM"), urls, strict=True):
        monkeypatch.setenv(f"LISTINGS_{name}_DEAD_LETTER_URL", url)
    for name in SETTINGS:
        monkeypatch.delenv(f"LISTINGS_{name}", raising=False)
    monkeypatch.setenv("LISTINGS_START_DATE", (NOW - timedelta(days=1)).isoformat())
    resources.cache_clear()
    tuning.cache_clear()
    for bucket in BUCKETS:
        s3.create_bucket(Bucket=bucket)
    yield Stack(core_tables, s3, sqs, tuple(urls))
    for bucket in BUCKETS:
        for each in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=each["Key"])
        s3.delete_bucket(Bucket=bucket)
    for url in urls:
        sqs.delete_queue(QueueUrl=url)
    resources.cache_clear()
    tuning.cache_clear()


class Queue:
    """Takes what is sent again; that it is what S3 sends is proven elsewhere."""

    def send_message(self, **message: str) -> dict[str, str]:
        """Takes a message."""
        return {"MessageId": "1"}


def test_patience_begins_with_the_first_sending(stack: Stack) -> None:
    """A set is left alone, sent after ten minutes however old, stuck six hours after that but for a retry; for good."""
    stack.put("landing", LANDED.manifest)
    waiting, stuck = Gaps(not_copied=(LANDED,)), Gaps(stuck=(f"{LANDED.manifest} (not copied)",))

    assert (Gaps(), waiting, waiting) == (stack.gaps(hours=0), stack.gaps(hours=1), stack.gaps(hours=100))
    assert 1 == steps.send_stopped(Queue(), stack.s3, waiting)  # type: ignore[arg-type]
    assert (waiting, stuck) == (stack.gaps(hours=5.9), stack.gaps(hours=6.1))
    assert (waiting, stuck) == (stack.gaps(hours=7, retry_stuck=True), stack.gaps(hours=8 * 24 + 1))
    assert stuck == stack.gaps(hours=8 * 24 + 1, days=9)


@pytest.mark.parametrize(("hours", "left"), [(23, [("failed",)]), (25, [])])
def test_staging_of_a_day_ago_is_dropped(stack: Stack, hours: int, left: list[tuple[str, ...]]) -> None:
    """What a failed load left in staging is kept for a day, and gone with its tables after it."""
    stage(stack.connection, "failed", seen({1: 100}))

    stack.gaps(hours)

    assert left == rows(stack.connection, "select batch_id from staging.batches")
    tables = "select count(*) from information_schema.tables where table_schema = 'staging' and table_name like %s"
    assert bool(left) is (rows(stack.connection, tables, "%_failed")[0][0] > 0)


def test_lost_rows_are_loaded_again_by_the_next_wake(stack: Stack) -> None:
    """Rows that somebody deleted are missed by the count, wake the load, and are there again."""
    whole, torn = seen({1: 100, 2: 200}, version=VERSION), seen({3: 300, 4: 400}, market="humble-tx", version=VERSION)
    stack.bring(whole, torn)
    load(stack.connection, "first", whole, torn)
    assert Gaps() == stack.gaps(days=400)

    stack.run("delete from core.listing_snapshots where zpid = 3")
    assert Gaps(unsettled=(partition_of(torn.set_id),)) == stack.gaps(days=400)

    assert 1 == settle(stack.connection, [whole, torn])
    assert Gaps() == stack.gaps(days=400)
    assert 4 == len(rows(stack.connection, "select zpid from core.listings"))


def test_what_is_open_is_named_until_it_is_mended_however_old_it_gets(stack: Stack) -> None:
    """A set given up is named a year later, with the shortest window; once loaded no more. So are lost rows."""
    bad = seen({1: 100}, version=VERSION)
    stack.bring(bad)
    given_up = Gaps(given_up=(bad.set_id,))
    for hour in range(3):
        record_suspects(stack.connection, batch_of(f"b{hour}", bad), "by hand")
        stack.run("update core.load_audit set recorded_at = dateadd(hour, -1, recorded_at)")

    assert given_up == stack.gaps(days=400)
    assert given_up == stack.gaps(hours=10 * 24, days=1)
    assert given_up == stack.gaps(hours=365 * 24, days=1)
    load(stack.connection, "mended", bad)
    assert (Gaps(), Gaps()) == (stack.gaps(hours=366 * 24, days=1), stack.gaps(hours=366 * 24, days=1))

    stack.run("delete from core.listing_snapshots")
    unsettled = Gaps(unsettled=(partition_of(bad.set_id),))
    assert (Gaps(), unsettled) == (stack.gaps(hours=366 * 24, days=1), stack.gaps(days=400))
    assert unsettled == stack.gaps(hours=366 * 24, days=1)


def test_a_replay_of_an_old_date_is_watched(stack: Stack) -> None:
    """A set of years ago that a replay brought, and nobody loaded, wakes the load; its pages in landing are gone."""
    old = seen({1: 100}, version=VERSION)
    stack.bring(old)
    stack.s3.delete_object(Bucket="landing", Key=set_of(old.set_id).manifest)
    load(stack.connection, "first", old)
    moment = datetime.now(UTC) + timedelta(days=400)
    replay = extract_id(moment, "manual__replay")
    again = replace(old, ready=replace(old.ready, replay=replay))
    stack.put("clean", set_of(old.set_id).ready(VERSION, replay), json.dumps(again.ready.to_dict()))
    assert Gaps() == stack.gaps(hours=400 * 24 + 2)

    stack.put("clean", replay_key(replay, again.ready.snapshot_date, "request"))
    assert Gaps(not_loaded=(old.set_id,)) == stack.gaps(hours=400 * 24 + 2)
    assert Gaps(not_loaded=(old.set_id,)) == stack.gaps(hours=500 * 24)
    load(stack.connection, "second", again)
    assert Gaps() == stack.gaps(hours=400 * 24 + 2)


def test_stray_rows_of_an_older_set_go_with_the_next_wake(stack: Stack) -> None:
    """Rows that carry the id of a superseded set: the holder lacks them, and is loaded again."""
    early, late = seen({1: 100}, version=VERSION), seen({1: 110, 2: 220}, hour=9, version=VERSION)
    stack.bring(early, late)
    load(stack.connection, "first", early, late)
    assert Gaps() == stack.gaps(days=400)
    stack.run("update core.listing_snapshots set set_id = %s where zpid = 2", early.set_id)

    assert Gaps(unsettled=(partition_of(late.set_id),)) == stack.gaps(days=400)
    assert 1 == settle(stack.connection, [early, late])
    assert Gaps() == stack.gaps(days=400)


def test_after_an_upgrade_the_rightful_holder_is_sent_for(stack: Stack) -> None:
    """A day that the newest held, as the rule was before: the fuller set is cleaned again, and returns.

    Before the window the day is named once, and a backfill would bring the set.
    """
    fuller, newest = seen(dict.fromkeys(range(1, 11), 100)), seen({1: 110}, hour=9)
    key = set_of(fuller.set_id)
    stack.bring(fuller, newest)
    load(stack.connection, "first", newest)
    as_the_newest_won(stack.connection, fuller, newest)

    older = stack.gaps(hours=400 * 24)
    assert Gaps(older=(key.partition,)) == older == stack.gaps(hours=400 * 24)
    steps.report(stack.s3, older, "2027-12-31", lambda *_: False)
    assert Gaps() == stack.gaps(hours=400 * 24)
    assert [key] == missing(stack.connection, date(2026, 11, 22), date(2026, 11, 22), [key, set_of(newest.set_id)])

    assert Gaps(not_clean=(key,)) == stack.gaps(days=400)
    again = seen(dict.fromkeys(range(1, 11), 100), version=VERSION)
    for name in (LISTINGS_FILE, REJECTS_FILE):
        stack.put("clean", key.clean_prefix(VERSION) + name, "x" * 100)
    stack.put("clean", key.success(VERSION))
    assert Gaps(not_sensed=(key,)) == stack.gaps(days=400)
    stack.put("clean", key.ready(VERSION), json.dumps(again.ready.to_dict()))
    assert Gaps(not_loaded=(again.set_id,)) == stack.gaps(days=400)
    settle(stack.connection, [again])
    assert (Gaps(), 10) == (stack.gaps(days=400), len(rows(stack.connection, "select zpid from core.listings")))


def test_rows_without_their_set_are_named(stack: Stack) -> None:
    """Rows whose pages are gone have no source; those of an earlier transform that the audit lost are cleaned again."""
    early, gone = seen({1: 100}), seen({2: 200}, market="humble-tx")
    stack.bring(early)
    load(stack.connection, "first", early, gone)
    stack.run("delete from core.load_audit where set_id = %s", early.set_id)

    assert Gaps(without_set=(gone.set_id,), not_clean=(set_of(early.set_id),)) == stack.gaps(days=400)
    for name in (page_name(1), MANIFEST):
        stack.s3.delete_object(Bucket="landing", Key=set_of(early.set_id).prefix + name)
    assert Gaps(without_set=(gone.set_id,), to_replay=(early.set_id,)) == stack.gaps(days=400)


def test_dead_letters_are_named_and_stay(stack: Stack) -> None:
    """Each queue that is not empty is a line with its count and manifests, however often one looks."""
    send_again(stack.sqs, stack.dead_letters[1], "raw", KEY.manifest)
    stack.sqs.send_message(QueueUrl=stack.dead_letters[1], MessageBody="no notification")
    expected = Gaps(dead_lettered=(f"transform_listings: 2 message(s): {KEY.manifest} and 1 more",))

    assert (expected, expected) == (stack.gaps(), stack.gaps())


def test_what_never_ran_is_overdue(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a market expected within no time, its dates since the stack's start are overdue until they are loaded."""
    monkeypatch.setenv("LISTINGS_EXPECTED_MARKETS", "zillow56/houston-tx")
    monkeypatch.setenv("LISTINGS_FRESHNESS_HOURS", "0")
    tuning.cache_clear()
    dates = [(NOW - timedelta(days=1)).date(), NOW.date()]

    assert Gaps(overdue=tuple(f"zillow56/houston-tx|{date}" for date in dates)) == stack.gaps(hours=0)


def test_half_an_extraction_is_named_while_it_can_be_completed(stack: Stack) -> None:
    """Pages without a manifest are half an extraction after an hour, and lost once no API serves their date."""
    for number in (1, 2):
        stack.put("landing", f"{LANDED.prefix}page-{number:04d}.json")

    assert (Gaps(), Gaps(half_extracted=(LANDED,), pages=(2,))) == (stack.gaps(hours=0.9), stack.gaps(hours=1.1))
    assert Gaps(lost=(LANDED.partition,)) == stack.gaps(hours=24 + 36)


@pytest.mark.parametrize("dropped", ["table marts.price_cuts", "schema marts cascade"])
def test_marts_that_were_dropped_wake_the_report(stack: Stack, dropped: str) -> None:
    """After the patience of any set the newest date is named, until the report has built them; before that, and where
    nothing is loaded, the report is on its way by itself."""
    empty_marts(stack.connection)

    def unbuilt(minutes: float) -> tuple[str, ...]:
        started_at = datetime.now(UTC) + timedelta(minutes=minutes)
        return steps.find_gaps(stack.connection, stack.s3, stack.sqs, started_at, days=7, retry_stuck=False).unbuilt

    assert () == unbuilt(60)
    for day in (21, 22):
        load(stack.connection, f"b{day}", seen({1: 200_000}, day=day))
    assert ((), ("all|2026-11-22",)) == (unbuilt(5), unbuilt(15))
    marts.build(stack.connection, run_id="test")
    assert () == unbuilt(15)
    with closing(stack.connection.cursor()) as cursor:
        cursor.execute(f"drop {dropped}")
    stack.connection.commit()
    assert ("all|2026-11-22",) == unbuilt(15)
    marts.build(stack.connection, run_id="test")
    assert () == unbuilt(15)
