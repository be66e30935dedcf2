"""
### Loads every ready set of a date into Redshift

**Wakes** on `clean_listings` and `suspect_listings`; the sets of a date share the key `all|date`, one run at a time.

**Reads** the ready markers that the deployed transform's sets of the date have, of each the newest replay's, and
subtracts what `core.load_audit` has: the ledger decides, not the events. A set whose day is its own again, as a fuller
one came or one was withdrawn, is loaded once more. Unsuspected sets make one batch; a batch that failed comes in
halves, until the bad set stands alone. Nothing to load: the run ends at once.
**Writes**, per batch, one transaction: snapshots, listings, history, rejects, audit. The check files run before the
commit. Emits `warehouse_listings`, `all|date`; where a batch failed, `suspect_listings`.

**Runs again** safely: the fuller look holds the day. After a deployment of the transform clear `plan_batches`.

**When a batch fails**, nothing of it is in `core`; its sets are recorded as suspect, and the load wakes itself for its
halves, so that the bad one names itself and the others arrive. A set that failed alone in more than two hours of the
clock waits for a person: find its reason in `core.load_audit`, mend it, then trigger this DAG by hand with the
partition key and `retry_suspects`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from airflow.providers.amazon.aws.hooks.redshift_sql import RedshiftSQLHook
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk import (
    FixedKeyMapper,
    IdentityMapper,
    PartitionedAssetTimetable,
    ProductMapper,
    TriggerRule,
    dag,
    task,
    task_group,
)
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from include.assets import CLEAN_LISTINGS, SUSPECT_LISTINGS, WAREHOUSE_LISTINGS
from include.dag_defaults import AWS_CONN_ID, DEFAULT_ARGS, LOOK_AGAIN, REDSHIFT_CONN_ID, START_DATE, TAGS
from include.load import steps
from include.load.operator import CopyToStagingOperator
from include.load.params import PARAMS
from include.warehouse.sql_files import CHECK_FILES, LOAD_FILES, SQL_DIR


@task(**LOOK_AGAIN)
def plan_batches(partition_key: str | None = None, dag_run: Any = None, params: Any = None) -> list[dict[str, Any]]:
    """Migrates the warehouse, then says what to load; each batch's COPY manifests lie in the clean bucket."""
    if partition_key is None:
        raise AirflowFailException("no partition key: trigger with one like all|2026-11-22")
    client, again = S3Hook(AWS_CONN_ID).get_conn(), params["retry_suspects"]
    with RedshiftSQLHook(REDSHIFT_CONN_ID).get_conn() as connection:
        return steps.plan(connection, client, partition_key=partition_key, run_id=dag_run.run_id, retry_suspects=again)


@task(on_failure_callback=None)
def create_staging(batch: dict[str, Any], ti: Any = None) -> None:
    """Empty staging tables of the batch's own."""
    with steps.fault_noted(ti), RedshiftSQLHook(REDSHIFT_CONN_ID).get_conn() as connection:
        steps.create_staging(connection, batch)


@task(
    on_failure_callback=None,
    outlets=[WAREHOUSE_LISTINGS],
    templates_dict={"load": steps.templates(LOAD_FILES), "checks": steps.templates(CHECK_FILES)},
)
def load(batch: dict[str, Any], templates_dict: Any = None, ti: Any = None, outlet_events: Any = None) -> Any:
    """Load files, check files, commit: one transaction over one connection. Returns the `LoadReceipt`."""
    with steps.fault_noted(ti), RedshiftSQLHook(REDSHIFT_CONN_ID).get_conn() as connection:
        receipt = steps.load(connection, batch, templates_dict)
    outlet_events[WAREHOUSE_LISTINGS].extra = steps.summary(receipt)
    return receipt


@task(trigger_rule=TriggerRule.ONE_FAILED)
def record_suspects(batch: dict[str, Any], ti: Any = None) -> dict[str, Any]:
    """Marks the sets of a failed batch as suspect; returns the `Suspects` as a dict."""
    fault = steps.noted_fault(ti, sorted(ti.task.upstream_task_ids))
    with RedshiftSQLHook(REDSHIFT_CONN_ID).get_conn() as connection:
        return asdict(steps.record_suspects(connection, batch, fault))


@task(outlets=[SUSPECT_LISTINGS])
def wake_for_halves(suspects: dict[str, Any], outlet_events: Any = None) -> None:
    """Emits for a partition of the batch, which wakes the load of its date; skipped when the batch was one set."""
    if not suspects["partition"]:
        raise AirflowSkipException("the batch was one set: nothing to halve")
    outlet_events[SUSPECT_LISTINGS].add_partitions(suspects["partition"])


@task
def name_suspects(suspects: dict[str, Any]) -> None:
    """Fails with the names and the reason, so that the run does; of a batch that fails only this mail tells."""
    raise AirflowFailException(suspects["words"])


@task_group
def load_batch(batch: dict[str, Any]) -> None:
    copies = [CopyToStagingOperator.of(table) for table in ("listings", "rejects")]
    staged, loaded = create_staging(batch), load(batch)
    staged >> copies[0] >> copies[1] >> loaded
    [staged, *copies, loaded] >> (suspects := record_suspects(batch))
    wake_for_halves(suspects)
    name_suspects(suspects)


@dag(
    dag_display_name="3 · load_listings",
    doc_md=__doc__,
    schedule=PartitionedAssetTimetable(
        assets=CLEAN_LISTINGS | SUSPECT_LISTINGS,
        default_partition_mapper=ProductMapper(FixedKeyMapper("all"), IdentityMapper()),
    ),
    start_date=START_DATE,
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=TAGS,
    template_searchpath=[str(SQL_DIR)],
    user_defined_macros={"batch_of": steps.batch_of, "copy_of": steps.copy_of},
    params=PARAMS,
)
def load_listings() -> None:
    load_batch.expand(batch=plan_batches())


load_listings()
