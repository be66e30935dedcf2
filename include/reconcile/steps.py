"""The hourly reconciliation: compares the ledgers, sends on what it can, names what only a person can mend."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from include.base.keys import lost_notice, message_notice, partition_of, resent_notice, warehouse_partition
from include.base.settings import resources, tuning
from include.ledger import notices
from include.ledger.queues import peek, send_again
from include.ledger.sets import Ledger
from include.reconcile import open_partitions
from include.reconcile.freshness import Expectation
from include.reconcile.gaps import Gaps, Limits, find
from include.reconcile.message import dead_letter_line, for_a_person
from include.warehouse import batch_load
from include.warehouse.audit import suspicions_since
from include.warehouse.migrations import migrate
from include.warehouse.rows_held import held_by_another, holdings, unbuilt
from include.warehouse.sql_files import Connection

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
else:
    S3Client = SQSClient = Any


STAGING_LIFETIME = timedelta(days=1)
NEVER = datetime(1, 1, 1, tzinfo=UTC)


def find_gaps(
    connection: Connection,
    client: S3Client,
    queues: SQSClient,
    started_at: datetime,
    *,
    days: int,
    retry_stuck: bool,
) -> Gaps:
    """What of the last `days` dates stopped on its way, but for what is still young enough to arrive by itself.

    Of earlier dates: what was open when it was last looked, and what a replay of these days brought and nobody
    loaded. What is found is noted as open for the runs to come.

    `retry_stuck`: those that are stuck are sent again like any other. Also drops what failed loads left in staging.
    """
    migrate(connection)
    batch_load.drop_stale_staging(connection, started_at - STAGING_LIFETIME)
    ledger = Ledger(client, resources())
    limits = _limits(started_at, days, retry_stuck)
    beyond = open_partitions.beyond(ledger, limits.since)
    limits = replace(limits, beyond=beyond)
    # The warehouse first: what is loaded while the buckets are listed was landed and copied before that.
    held = holdings(connection, limits.since, beyond.dates)
    failed = suspicions_since(connection, limits.since, beyond.dates)
    given_up = {turn: suspicion.is_given_up(tuning().suspect_retries) for turn, suspicion in failed.items()}
    gaps, landed = find(ledger, limits, failed=given_up, held=held)
    arrived = frozenset(each.key.partition for each in held if each.accepted is not None)
    gaps = _with_freshness(gaps, limits.since, started_at, arrived, landed)
    open_partitions.note(client, resources().clean_bucket, gaps.partitions())
    older = open_partitions.unsaid(client, resources().clean_bucket, held_by_another(connection, limits.since))
    newest = unbuilt(connection, limits.put_before.astimezone(UTC).replace(tzinfo=None))
    return replace(
        gaps,
        dead_lettered=_dead_letters(queues),
        older=older,
        unbuilt=(warehouse_partition(newest),) if newest else (),
    )


def _limits(started_at: datetime, days: int, retry_stuck: bool) -> Limits:
    return Limits(
        since=(started_at - timedelta(days=days)).date(),
        put_before=started_at - timedelta(seconds=tuning().reconcile_after),
        stuck_before=NEVER if retry_stuck else started_at - timedelta(seconds=tuning().reconcile_patience),
        half_before=started_at - timedelta(seconds=tuning().half_extracted_after),
    )


def _with_freshness(gaps: Gaps, since: date, now: datetime, loaded: frozenset[str], landed: frozenset[str]) -> Gaps:
    """Adds what is overdue or lost; a half extraction that no API can complete any more is lost, not half."""
    expectation = Expectation(
        markets=tuning().expected_markets,
        start=tuning().start_date,
        within=timedelta(hours=tuning().freshness_hours),
        tolerance=tuning().date_tolerance,
    )
    overdue, lost = expectation.late(since=since, now=now, loaded=loaded, landed=landed)
    past = {key.partition for key in gaps.half_extracted if expectation.is_past(date.fromisoformat(key.date), now)}
    kept = [
        (key, pages) for key, pages in zip(gaps.half_extracted, gaps.pages, strict=True) if key.partition not in past
    ]
    return replace(
        gaps,
        half_extracted=tuple(key for key, _ in kept),
        pages=tuple(pages for _, pages in kept),
        overdue=overdue,
        lost=tuple(sorted({*lost, *(past - loaded - landed)})),
    )


def _dead_letters(queues: SQSClient) -> tuple[str, ...]:
    where = resources()
    functions = {"copy_raw": where.copy_dead_letter_url, "transform_listings": where.transform_dead_letter_url}
    found = {name: peek(queues, url) for name, url in functions.items()}
    return tuple(dead_letter_line(name, each) for name, each in found.items() if each.count)


def send_stopped(queues: SQSClient, client: S3Client, gaps: Gaps) -> int:
    """Puts the lost notifications of sets that were not copied or not cleaned back on their queues; counts them.

    Notes of each set that it was sent on for the first time: its patience begins then.
    """
    where = resources()
    for key in gaps.not_copied:
        send_again(queues, where.copy_queue_url, where.landing_bucket, key.manifest)
    for key in gaps.not_clean:
        send_again(queues, where.transform_queue_url, where.raw_bucket, key.manifest)
    for key in (*gaps.not_copied, *gaps.not_clean, *gaps.not_sensed):
        name = resent_notice(key, where.transform_version)
        notices.first_time(client, where.clean_bucket, key.date, name, asdict(key))
    return len(gaps.not_copied) + len(gaps.not_clean)


def landed_partitions(gaps: Gaps) -> list[str]:
    """Partitions whose `landed_listings` must be emitted again: no marker says that their sets were sensed."""
    keys = {*gaps.not_copied, *gaps.not_clean, *gaps.not_sensed}
    return sorted({key.partition for key in keys})


def ready_partitions(gaps: Gaps) -> list[str]:
    """Partitions whose `clean_listings` must be emitted again: a wake of the load would bring or settle something."""
    return sorted({partition_of(set_id) for set_id in (*gaps.not_loaded, *gaps.suspect)} | set(gaps.unsettled))


def report(client: S3Client, gaps: Gaps, day: str, mail: Callable[[str, Iterable[str]], bool]) -> str | None:
    """The message for a person, or None; the same news is mailed once a `day` (YYYY-MM-DD).

    What is lost nobody can mend, and older days can wait, so that they are said once: until the mail went, where
    somebody is to be told.
    """
    bucket = resources().clean_bucket
    lost = {each: notice for each in gaps.lost if not notices.is_given(client, bucket, *(notice := lost_notice(each)))}
    if not (lines := for_a_person(replace(gaps, lost=tuple(lost)))):
        return None
    name = message_notice(_fingerprint(gaps))
    is_mailed = False
    if lost or gaps.older or not notices.is_given(client, bucket, day, name):
        is_mailed = mail("[listings] reconcile_listings needs you", lines)
    if is_mailed:
        notices.first_time(client, bucket, day, name, {"lines": lines})
    if is_mailed or not tuning().alert_to:
        open_partitions.said(client, bucket, gaps.older)
        for partition, notice in lost.items():
            notices.first_time(client, bucket, *notice, {"partition": partition})
    return "\n".join(lines)


def _fingerprint(gaps: Gaps) -> str:
    """The same for the same names of what waits, whatever else the message says.

    Of dead letters the functions count, as their number grows by itself; what is lost is news by its own notices.
    """
    functions = tuple(line.split(":")[0] for line in gaps.dead_lettered)
    waiting = (gaps.given_up, gaps.stuck, functions, gaps.half_extracted, gaps.overdue)
    return sha256(repr((*waiting, gaps.without_set, gaps.to_replay, gaps.broken)).encode()).hexdigest()[:12]
