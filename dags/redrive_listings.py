"""
### Puts dead-lettered messages back on their queues

**Wakes** by hand only, after the cause was mended: a function that failed five times over a set gave it up.

**Reads** both dead-letter queues. **Writes** each message back to its source queue, unchanged, and emits
`landed_listings` for the sets that wait to be let through. A message is deleted only after it was sent.

**Runs again** safely: what is sent twice is copied and cleaned twice, into the same bytes.

**When `move_back` fails**, what was not sent is still among the dead letters: clear it. What comes back to the dead
letters was not mended: the function's log says what is wrong with it.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.hooks.sqs import SqsHook
from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

from include.assets import LANDED_LISTINGS
from include.base.settings import resources
from include.dag_defaults import AWS_CONN_ID, DEFAULT_ARGS, START_DATE, TAGS
from include.ledger import queues
from include.ledger.sets import Ledger


@task
def move_back(function: str) -> dict[str, Any]:
    """How many messages went back to the queue of a function, and the partitions with sets to be let through."""
    where = resources()
    moved = queues.move_back(SqsHook(aws_conn_id=AWS_CONN_ID).get_conn(), *queues.queues(where)[function])
    ledger = Ledger(S3Hook(AWS_CONN_ID).get_conn(), where)
    return {"messages": moved.messages, "partitions": queues.waiting_partitions(ledger, moved.manifests)}


@task(outlets=[LANDED_LISTINGS])
def announce(moved: list[dict[str, Any]], outlet_events: Any = None) -> int:
    """The number of partitions that are to be sensed; skipped when there is none."""
    partitions = sorted({partition for each in moved for partition in each["partitions"]})
    if not partitions:
        raise AirflowSkipException("no set waits to be let through")
    outlet_events[LANDED_LISTINGS].add_partitions(partitions)
    outlet_events[LANDED_LISTINGS].extra = {"by": "redrive_listings"}
    return len(partitions)


@dag(
    dag_display_name="redrive_listings",
    doc_md=__doc__,
    schedule=None,
    start_date=START_DATE,
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=TAGS,
)
def redrive_listings() -> None:
    announce(move_back.expand(function=["copy_raw", "transform_listings"]))


redrive_listings()
