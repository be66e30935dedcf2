"""
### Finds what stopped on its way, sends it on, and says what a person must do

**Wakes** hourly; safe at any time and as often as you like.

**Reads** the ledgers of the last seven dates (`days`), of older partitions in which something was open when it last
looked, and what lately replayed dates have ready: pages and manifests in landing and raw, `_SUCCESS.json` and
ready markers in clean, `core.load_audit` and the rows of `core.listing_snapshots`, and both dead-letter queues. What is
younger than ten minutes may still arrive by itself and is left alone.
**Mends**: landed but not copied or not clean: the notification goes back on the Lambda's queue, and `landed_listings`
is emitted again. Clean but never sensed (a paused consumer loses its event for good): the same event. Ready but not
loaded, or suspect, or a day that the warehouse has otherwise than the rule has it: `clean_listings` is emitted again,
and the load brings what is due. A set that should hold its day and that only an earlier transform cleaned is sent to be
cleaned again. Marts that somebody dropped: they are made again, and `warehouse_listings` wakes the report that fills
them. Whatever arrives twice changes nothing. Staging tables of failed loads are dropped after a day.

**When `report_the_rest` fails**, its error is one message, mailed once a day: a heading per kind, the names, what to
do. It tells of partitions that are overdue, extractions that stopped half-way, dead letters, sets stuck for six
hours after they were first sent again, sets that failed alone, rows without a set. See docs/operations.md.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.amazon.aws.hooks.redshift_sql import RedshiftSQLHook
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.hooks.sqs import SqsHook
from airflow.sdk import CronTriggerTimetable, dag, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from include import alerts
from include.assets import CLEAN_LISTINGS, LANDED_LISTINGS, WAREHOUSE_LISTINGS
from include.dag_defaults import AWS_CONN_ID, DEFAULT_ARGS, REDSHIFT_CONN_ID, START_DATE, TAGS
from include.reconcile import steps
from include.reconcile.gaps import Gaps
from include.reconcile.params import PARAMS


@task
def find_gaps(ti: Any = None, params: dict[str, Any] | None = None) -> dict[str, Any]:
    """The sets that stopped, by the place where they did."""
    assert params is not None
    with RedshiftSQLHook(REDSHIFT_CONN_ID).get_conn() as connection:
        return steps.find_gaps(
            connection,
            S3Hook(AWS_CONN_ID).get_conn(),
            SqsHook(aws_conn_id=AWS_CONN_ID).get_conn(),
            ti.start_date,
            days=params["days"],
            retry_stuck=params["retry_stuck"],
        ).to_dict()


@task
def send_again(gaps: dict[str, Any]) -> int:
    """The number of notifications put back on the Lambdas' queues."""
    queues, buckets = SqsHook(aws_conn_id=AWS_CONN_ID).get_conn(), S3Hook(AWS_CONN_ID).get_conn()
    return steps.send_stopped(queues, buckets, Gaps.from_dict(gaps))


@task(outlets=[LANDED_LISTINGS])
def announce_landed(gaps: dict[str, Any], outlet_events: Any = None) -> list[str]:
    """Emits for every partition that was never sensed; skipped when there is none."""
    return _announce(outlet_events[LANDED_LISTINGS], steps.landed_partitions(Gaps.from_dict(gaps)))


@task(outlets=[CLEAN_LISTINGS])
def announce_ready(gaps: dict[str, Any], outlet_events: Any = None) -> list[str]:
    """Emits for every partition that the load is to be woken for; skipped when there is none."""
    return _announce(outlet_events[CLEAN_LISTINGS], steps.ready_partitions(Gaps.from_dict(gaps)))


@task(outlets=[WAREHOUSE_LISTINGS])
def announce_loaded(gaps: dict[str, Any], outlet_events: Any = None) -> list[str]:
    """Emits where the marts were dropped, so that the report builds them; skipped when there is nothing to build."""
    return _announce(outlet_events[WAREHOUSE_LISTINGS], list(Gaps.from_dict(gaps).unbuilt))


@task(on_failure_callback=None, on_retry_callback=None)
def report_the_rest(gaps: dict[str, Any], ti: Any = None) -> None:
    """Fails with the message that a person needs, when there is anything to do, and mails it once a day."""
    day = ti.start_date.date().isoformat()
    if message := steps.report(S3Hook(AWS_CONN_ID).get_conn(), Gaps.from_dict(gaps), day, alerts.send):
        raise AirflowFailException(message)


def _announce(event: Any, partitions: list[str]) -> list[str]:
    if not partitions:
        raise AirflowSkipException("nothing to announce")
    event.add_partitions(partitions)
    event.extra = {"by": "reconcile_listings"}
    return partitions


@dag(
    dag_display_name="reconcile_listings",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("17 * * * *", timezone="UTC"),
    start_date=START_DATE,
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=TAGS,
    params=PARAMS,
)
def reconcile_listings() -> None:
    gaps = find_gaps()
    send_again(gaps) >> announce_landed(gaps)
    announce_ready(gaps)
    announce_loaded(gaps)
    report_the_rest(gaps)


reconcile_listings()
