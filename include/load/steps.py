"""What `load_listings` does between its tasks: plans the batches, hands each to the warehouse, records failures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date as Date
from typing import TYPE_CHECKING, Any

from include.base.batches import Batch, InvalidBatch, ReadySet
from include.base.keys import copy_manifest_key, parse_warehouse_partition, partition_of
from include.base.receipts import FAULT
from include.base.settings import resources, tuning
from include.ledger import withdrawals
from include.ledger.sets import Ledger
from include.load.copy_manifests import put_copy_manifests
from include.load.plan import Known, batches
from include.warehouse import audit, batch_load
from include.warehouse.migrations import migrate
from include.warehouse.rows_held import loaded_sets
from include.warehouse.sql_files import Connection

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
else:
    S3Client = Any

NAMED_AT_MOST = 20
LONGEST_FAULT = 2000
_SUMMED = ("staged", "accepted", "superseded", "withdrawn", "staged_rejects")


@dataclass(frozen=True)
class CopySource:
    """Where a batch's COPY manifests lie; empty keys for a batch without sets, which has none."""

    bucket: str
    listings_manifest: str
    rejects_manifest: str


def plan(
    connection: Connection, client: S3Client, *, partition_key: str, run_id: str, retry_suspects: bool
) -> list[dict[str, Any]]:
    """The batches of a date as dicts, none when all is settled; brings the warehouse's tables up to date first.

    Puts each batch's two COPY manifests into the clean bucket.
    """
    migrate(connection)
    where, date = resources(), parse_warehouse_partition(partition_key)
    ledger, day = Ledger(client, where), Date.fromisoformat(date)
    known = Known(
        ready=ledger.ready(date),
        loaded=loaded_sets(connection, day),
        suspects=audit.suspicions(connection, day),
        withdrawn=withdrawals.of_date(client, where.raw_bucket, date),
        has_files=ledger.has_files,
    )
    planned = batches(known, retries=None if retry_suspects else tuning().suspect_retries, run_id=run_id)
    for batch in planned:
        if batch.sets:
            put_copy_manifests(client, where.clean_bucket, batch)
    return [batch.to_dict() for batch in planned]


def create_staging(connection: Connection, batch: Mapping[str, Any]) -> None:
    """The batch's staging tables, empty; InvalidBatch when another transform is deployed than cleaned its sets."""
    planned = Batch.from_dict(batch)
    _refuse_other_transforms(planned)
    batch_load.create_staging(connection, planned)


def load(
    connection: Connection,
    batch: Mapping[str, Any],
    rendered: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """Loads the staged batch and returns its `LoadReceipt` as a dict.

    InvalidBatch when another transform is deployed by now than cleaned its sets; of a batch that is loaded and has no
    staging any more, the receipt of its load is given all the same.
    """
    planned = Batch.from_dict(batch)
    if batch_load.is_staged(connection, planned):
        _refuse_other_transforms(planned)
    return batch_load.load_batch(connection, rendered["load"], rendered["checks"], planned).to_dict()


def _refuse_other_transforms(batch: Batch) -> None:
    """What was planned before a deployment and runs after it would put the old cleaning over the new one's."""
    deployed = resources().transform_version
    if other := next((each for each in batch.sets if each.transform_version != deployed), None):
        raise InvalidBatch(
            f"batch {batch.batch_id} was planned before the deployment of transform {deployed}: {other.set_id} was "
            "cleaned by an earlier one. Nothing was loaded; clear plan_batches, which plans what the new one cleaned"
        )


@contextmanager
def fault_noted(ti: Any) -> Iterator[None]:
    """Leaves the reason of a failure as the XCom `fault`, for whoever records the batch as suspect."""
    try:
        yield
    except BaseException as fault:  # also the time-out of the task
        ti.xcom_push(FAULT, f"{ti.task_id}: {type(fault).__name__}: {fault}"[:LONGEST_FAULT])
        raise


def noted_fault(ti: Any, task_ids: Sequence[str]) -> str | None:
    """The reason that one of the batch's tasks left when it failed."""
    faults = (ti.xcom_pull(task_ids=task_id, key=FAULT, map_indexes=ti.map_index) for task_id in task_ids)
    return next((str(fault) for fault in faults if fault), None)


@dataclass(frozen=True)
class Suspects:
    """What became of a batch that failed: `words` for a person; `partition` to wake its load by, when it has halves."""

    words: str
    partition: str | None = None


def record_suspects(connection: Connection, batch: Mapping[str, Any], fault: str | None) -> Suspects:
    """Marks the batch's sets as suspect.

    A load that was killed after its commit has loaded them: such sets are no suspects.
    """
    planned = Batch.from_dict(batch)
    if not planned.sets:
        return Suspects(f"batch {planned.batch_id} failed, which decides {', '.join(planned.days)} anew: "
                        f"{fault or 'see its log'}. Each wake of the load tries it again")  # fmt: skip
    if not (missing := _not_loaded(connection, planned)):
        words = f"batch {planned.batch_id} failed, but all its sets are loaded: nothing is lost; clear its `load`"
        return Suspects(words)
    failed = replace(planned, sets=missing, days=(), returning=())
    reason = fault or "a task of the batch died without a word: see its log"
    audit.record_suspects(connection, failed, reason)
    names = [each.set_id for each in failed.sets[:NAMED_AT_MOST]]
    more = len(failed.sets) - len(names)
    more_than_one = len(failed.sets) > 1
    words = (
        f"batch {failed.batch_id} is not in core: {reason}. Recorded as suspect, "
        + ("to be loaded in halves at once" if more_than_one else "to be tried again by each wake of the load")
        + ": "
        + ", ".join(names)
        + (f" and {more} more" if more else "")
        + ". reconcile_listings wakes the load within the hour; for a date that it does not look back on, or at once: "
        + "trigger load_listings with the partition key "
        + " or ".join(sorted({f"all|{each.snapshot_date}" for each in failed.sets}))
    )
    return Suspects(words, partition_of(failed.sets[0].set_id) if more_than_one else None)


def _not_loaded(connection: Connection, batch: Batch) -> tuple[ReadySet, ...]:
    """The batch's suspects that the warehouse has taken neither by their own turn nor by a later one.

    A set that returns has been loaded by its turn before: what counts is whether this batch did it.
    """
    dates = {Date.fromisoformat(each.snapshot_date) for each in batch.sets}
    there = {each.set_id: each for day in dates for each in loaded_sets(connection, day)}

    def is_loaded(each: ReadySet) -> bool:
        loaded = there.get(each.set_id)
        if loaded is None or loaded.batch_id == batch.batch_id:
            return loaded is not None
        turns = loaded.replay or "", each.replay or ""
        return turns[0] > turns[1] or (turns[0] == turns[1] and each.set_id not in batch.returning)

    return tuple(each for each in batch.suspects if not is_loaded(each))


def summary(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """The receipt of a load, short enough for an asset event whatever the number of markets."""
    sets = receipt["sets"]
    return {
        "batch_id": receipt["batch_id"],
        "sets": len(sets),
        **{name: sum(each[name] for each in sets) for name in _SUMMED},
    }


def templates(names: Sequence[str]) -> list[str]:
    """Templates that include the SQL files `names` with the task's own batch in sight."""
    return [f"{{% set batch = batch_of(ti) %}}{{% include '{name}' %}}" for name in names]


# The instance that this process runs, and its batch.
_batch: dict[Any, Batch] = {}


def batch_of(ti: Any) -> Batch:
    """The batch of a task inside the mapped group. Each of its templates asks; the plan is pulled for the first."""
    if ti.id not in _batch:
        _batch.clear()
        _batch[ti.id] = Batch.from_dict(ti.xcom_pull(task_ids="plan_batches")[ti.map_index])
    return _batch[ti.id]


def copy_of(ti: Any) -> CopySource:
    """Where the batch of a task inside the mapped group has its COPY manifests."""
    batch = batch_of(ti)
    names = [copy_manifest_key(batch.batch_id, table) if batch.sets else "" for table in ("listings", "rejects")]
    return CopySource(resources().clean_bucket, *names)
