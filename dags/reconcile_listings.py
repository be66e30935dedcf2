"""
### Finds sets that stopped on their way and sends them on

**Wakes** hourly; safe at any time and as often as you like.

**Reads** the ledgers of the last seven days: manifests in landing and raw, `_SUCCESS.json` and ready markers in
clean, `core.load_audit` in Redshift. What is younger than ten minutes may still arrive by itself and is left alone.
**Mends**: landed but not copied or not clean: the notification goes back on the Lambda's queue, and
`landed_listings` is emitted again. Clean but never sensed (a paused consumer loses its event for good): the same
event. Ready but not loaded: `clean_listings` is emitted again. Whatever arrives twice changes nothing.
Staging tables that failed loads left a day ago are dropped.

**When `report_the_rest` fails**, its error names the sets that only a person can mend, and how: those that failed
to load alone, and those that six hours of sending again did not bring through.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.amazon.aws.hooks.redshift_sql import RedshiftSQLHook
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.hooks.sqs import SqsHook
from airflow.sdk import CronTriggerTimetable, Param, dag, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from include import reconcile
from include.assets import CLEAN_LISTINGS, LANDED_LISTINGS
from include.dag_defaults import AWS_CONN_ID, DEFAULT_ARGS, REDSHIFT_CONN_ID, START_DATE, TAGS
from include.gaps import Gaps


@task
def find_gaps(ti: Any = None, params: dict[str, Any] | None = None) -> dict[str, Any]:
    """The sets that stopped, by the place where they did."""
    assert params is not None
    with RedshiftSQLHook(REDSHIFT_CONN_ID).get_conn() as connection:
        return reconcile.find_gaps(
            connection, S3Hook(AWS_CONN_ID).get_conn(), ti.start_date, retry_stuck=params["retry_stuck"]
        ).to_dict()


@task
def send_again(gaps: dict[str, Any]) -> int:
    """The number of notifications put back on the Lambdas' queues."""
    return reconcile.send_stopped(SqsHook(aws_conn_id=AWS_CONN_ID).get_conn(), Gaps.from_dict(gaps))


@task(outlets=[LANDED_LISTINGS])
def announce_landed(gaps: dict[str, Any], outlet_events: Any = None) -> list[str]:
    """Emits for every partition that was never sensed; skipped when there is none."""
    return _announce(outlet_events[LANDED_LISTINGS], reconcile.landed_partitions(Gaps.from_dict(gaps)))


@task(outlets=[CLEAN_LISTINGS])
def announce_ready(gaps: dict[str, Any], outlet_events: Any = None) -> list[str]:
    """Emits for every partition that is ready and not loaded; skipped when there is none."""
    return _announce(outlet_events[CLEAN_LISTINGS], reconcile.ready_partitions(Gaps.from_dict(gaps)))


@task
def report_the_rest(gaps: dict[str, Any]) -> None:
    """Fails with the message that a person needs, when there is anything left to do."""
    if message := reconcile.for_a_person(Gaps.from_dict(gaps)):
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
    params={
        "retry_stuck": Param(
            False,
            type="boolean",
            title="Retry what is stuck",
            description="Send also the sets again that were sent for hours and wait for a person.",
        )
    },
)
def reconcile_listings() -> None:
    gaps = find_gaps()
    send_again(gaps) >> announce_landed(gaps)
    announce_ready(gaps)
    report_the_rest(gaps)


reconcile_listings()
