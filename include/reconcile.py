"""The hourly reconciliation: compares the ledgers, re-sends notifications, names what only a person can mend."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from include import warehouse
from include.audit import audit_since
from include.gaps import Gaps, stopped
from include.keys import partition_of
from include.ledger import Ledger, is_given_up
from include.resend import send_again
from include.settings import resources, tuning
from include.sql_files import Connection

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
else:
    S3Client = SQSClient = Any


STAGING_LIFETIME = timedelta(days=1)
NEVER = datetime(1, 1, 1, tzinfo=UTC)


def find_gaps(connection: Connection, client: S3Client, started_at: datetime, *, retry_stuck: bool) -> Gaps:
    """Sets of the last days that stopped on their way, but for those still young enough to arrive by themselves.

    `retry_stuck`: those that are stuck are sent again like any other. Also drops what failed loads left in staging.
    """
    warehouse.migrate(connection)
    warehouse.drop_stale_staging(connection, started_at - STAGING_LIFETIME)
    since = (started_at - timedelta(days=tuning().reconcile_days)).date()
    loaded, failed = audit_since(connection, since)
    return stopped(
        Ledger(client, resources()),
        since=since,
        put_before=started_at - timedelta(seconds=tuning().reconcile_after),
        stuck_before=NEVER if retry_stuck else started_at - timedelta(seconds=tuning().reconcile_patience),
        loaded=loaded,
        given_up={turn for turn, failures in failed.items() if is_given_up(failures, tuning().suspect_retries)},
    )


def send_stopped(client: SQSClient, gaps: Gaps) -> int:
    """Puts the lost notifications of sets that were not copied or not cleaned back on their queues; counts them."""
    where = resources()
    for key in gaps.not_copied:
        send_again(client, where.copy_queue_url, where.landing_bucket, key.manifest)
    for key in gaps.not_clean:
        send_again(client, where.transform_queue_url, where.raw_bucket, key.manifest)
    return len(gaps.not_copied) + len(gaps.not_clean)


def landed_partitions(gaps: Gaps) -> list[str]:
    """Partitions whose `landed_listings` must be emitted again: no marker says that their sets were sensed."""
    keys = {*gaps.not_copied, *gaps.not_clean, *gaps.not_sensed}
    return sorted({key.partition for key in keys})


def ready_partitions(gaps: Gaps) -> list[str]:
    """Partitions whose `clean_listings` must be emitted again: their sets are ready and not loaded."""
    return sorted({partition_of(set_id) for set_id in gaps.not_loaded})


def for_a_person(gaps: Gaps) -> str | None:
    """What only a person can mend, or None."""
    parts = []
    if gaps.given_up:
        parts.append(
            f"{len(gaps.given_up)} set(s) failed to load alone {tuning().suspect_retries} times: "
            f"{', '.join(gaps.given_up)}. Their reasons stand in core.load_audit (status suspect, column error); mend "
            "them, then trigger load_listings with the partition key all|<date> and retry_suspects"
        )
    if gaps.stuck:
        parts.append(
            f"{len(gaps.stuck)} set(s) are stuck although they were sent again for "
            f"{tuning().reconcile_patience / 3600:g} hours: {', '.join(gaps.stuck)}. Not copied, not clean: look into "
            "the function's log and dead-letter queue; not let through: the error of sense_listings names the gate. "
            "Mend the cause, then trigger reconcile_listings with retry_stuck"
        )
    return ". ".join(parts) or None
