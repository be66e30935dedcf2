"""
### Waits until a landed set is clean, and lets it through when it is sound

**Wakes** on `landed_listings`, a run per partition (`source/market|date`).

**Reads** the ledger: every complete set of the partition that has no ready marker, whatever the events said. Waits
for the exact `_SUCCESS.json` of each in the clean bucket, then checks origin, counts, columns that no listing fills,
share of rejects, checksums. Fields that the adapter does not know are logged, and mailed once per market and day.
**Writes** a ready marker per set and emits `clean_listings` for the same partition.

**Runs again** safely: clear it, or trigger it by hand with the partition key, as often as you like.

**When the sensor times out**, its error says which set is missing and before which Lambda it stuck: look into that
function's dead-letter queue and log. `reconcile_listings` sends a lost notification again.
**When a gate is closed**, its error names the gate and both figures; nothing of that set is loaded and the
warehouse keeps the market's earlier state. Other sets of the partition go on. What was mended passes when
`pass_gates` is cleared.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk import PartitionedAssetTimetable, dag, task, task_group
from airflow.sdk.exceptions import AirflowFailException

from include import alerts
from include.assets import CLEAN_LISTINGS, LANDED_LISTINGS
from include.base.keys import SetKey, parse_partition
from include.base.settings import resources, tuning
from include.dag_defaults import AWS_CONN_ID, DEFAULT_ARGS, LOOK_AGAIN, START_DATE, TAGS
from include.ledger.sets import Ledger
from include.sense.drift import tell_unknown_fields
from include.sense.gates import Gatekeeper
from include.sense.sensor import CleanSetSensor, refuse_other_transform


@task(**LOOK_AGAIN)
def expect_sets(partition_key: str | None = None) -> list[str]:
    """The URLs of the `_SUCCESS.json` of every complete set of the partition that was not let through before."""
    if partition_key is None:
        raise AirflowFailException("no partition key: trigger with one like zillow56/houston-tx|2026-11-22")
    where = resources()
    ledger, partition = Ledger(S3Hook(AWS_CONN_ID).get_conn(), where), parse_partition(partition_key)
    if not ledger.landed(*partition):
        raise AirflowFailException(
            f"{partition_key}: no complete set lies in {where.landing_bucket}; extract_listings lands them"
        )
    return [f"s3://{where.clean_bucket}/{key.success(where.transform_version)}" for key in ledger.unsensed(*partition)]


@task(outlets=[CLEAN_LISTINGS], **LOOK_AGAIN)
def pass_gates(url: str, outlet_events: Any = None) -> dict[str, Any]:
    """The `CleanReceipt` of the set, which is let through and announced; a closed gate fails with its own words."""
    refuse_other_transform(url)
    client, where, key = S3Hook(AWS_CONN_ID).get_conn(), resources(), SetKey.from_key(S3Hook.parse_s3_url(url)[1])
    # Before the gates: a field with a new name is what a closed one may be about.
    tell_unknown_fields(client, where, key, alerts.send)
    receipt = Gatekeeper(client, where, tuning().reject_share_limit).let_through(key).to_dict()
    outlet_events[CLEAN_LISTINGS].extra = receipt
    return receipt


@task_group
def sense_set(url: str) -> None:
    clean = CleanSetSensor(
        task_id="wait_until_clean",
        bucket_key=url,
        aws_conn_id=AWS_CONN_ID,
        poke_interval=tuning().sense_poke_interval,
        timeout=tuning().sense_timeout,
        **LOOK_AGAIN,
    )
    clean >> pass_gates(url)


@dag(
    dag_display_name="2 · sense_listings",
    doc_md=__doc__,
    schedule=PartitionedAssetTimetable(assets=LANDED_LISTINGS),
    start_date=START_DATE,
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=16,
    default_args=DEFAULT_ARGS,
    tags=TAGS,
)
def sense_listings() -> None:
    sense_set.expand(url=expect_sets())


sense_listings()
