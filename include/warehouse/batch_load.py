"""Loads a batch of ready sets into `core`: staging first, then one transaction of load files and check files.

The order of a load: `migrate`, `create_staging`, COPY into the two staging tables, `load_batch`; when that
raises, `record_suspects`. Each of them may be run again: a batch that is already loaded is not loaded twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

from include.base.batches import Batch, InvalidBatch, ReadySet, StagingNames
from include.base.keys import SetKey, parse_partition, partition_of
from include.base.refusals import Refused
from include.base.verdicts import HOLDS
from include.contract.listing import load_contract
from include.warehouse.sql_files import (
    STAGING_FILES,
    Connection,
    Cursor,
    query,
    read,
    refuse_failed,
    render,
    run,
    transaction,
)


class StagingMissing(Refused):
    """The batch's staging tables are not there, and the batch is not loaded either."""


@dataclass(frozen=True)
class SetLoad:
    """What a load did with one set: rows staged, accepted into core, superseded by another set, or withdrawn.

    `verdict` says why it holds its day or does not, as `include/warehouse/days.py` has it.
    """

    set_id: str
    staged: int
    staged_rejects: int
    accepted: int
    superseded: int
    superseded_by: str | None
    withdrawn: int
    verdict: str


@dataclass(frozen=True)
class DayLoad:
    """Who holds a day after a load, with how many listings; None: nobody. `should_hold`: who should in its place.

    `verdicts` has of every loaded set of the day why it holds it or does not.
    """

    partition: str
    holder: str | None
    listings: int
    should_hold: str | None
    verdicts: dict[str, str]


@dataclass(frozen=True)
class LoadReceipt:
    """What a load did: set by set in the order of their ids, and with which days."""

    batch_id: str
    sets: tuple[SetLoad, ...]
    days: tuple[DayLoad, ...] = ()

    @property
    def accepted(self) -> int:
        """Rows of `core.listing_snapshots` that carry an id of the batch's sets."""
        return sum(each.accepted for each in self.sets)

    def to_dict(self) -> dict[str, Any]:
        """The receipt as plain JSON types."""
        sets, days = ([asdict(each) for each in found] for found in (self.sets, self.days))
        return {"batch_id": self.batch_id, "sets": sets, "days": days}


def create_staging(connection: Connection, batch: Batch) -> None:
    """Creates the batch's staging tables anew, empty, and states its sets; in a transaction of its own.

    Raises InvalidBatch for a set that was cleaned under another contract than the tables are made for: COPY goes
    by position.
    """
    _refuse_other_contracts(batch)
    with transaction(connection) as cursor:
        for name in STAGING_FILES:
            run(cursor, render(name, batch))
        for each in batch.sets:
            _state(cursor, batch, each)
        days = f"select distinct source, market, snapshot_date from {batch.staging_sets}"  # noqa: S608
        cursor.execute(f"insert into {batch.staging_days} {days}")
        for partition in batch.days:
            _insert(cursor, batch.staging_days, _day(SetKey(*parse_partition(partition), "")))
        for key, reason in batch.exclusions:
            values = {**_day(key), "extract_id": key.extract_id, "reason": reason}
            _insert(cursor, batch.staging_exclusions, values)


def _refuse_other_contracts(batch: Batch) -> None:
    version = load_contract().version
    if other := [each for each in batch.sets if each.contract_version != version]:
        raise InvalidBatch(
            f"set {other[0].set_id} was cleaned under contract {other[0].contract_version or 'before its marker said'}"
            f", the tables have contract {version}: replay its date, so that it is cleaned again"
        )


def _state(cursor: Cursor, batch: Batch, ready: ReadySet) -> None:
    values = {
        "set_id": ready.set_id,
        "source": ready.source,
        "market": ready.market,
        "snapshot_date": ready.day,
        "extract_id": ready.extract_id,
        "transform_version": ready.transform_version,
        "observed_at": ready.observed,
        "landed": ready.landed,
        "clean": ready.clean,
        "rejected": ready.rejected,
        "duplicates": ready.duplicates,
        "unreadable": ready.unreadable,
        "pages_unreadable": ready.pages_unreadable,
        "batch_id": batch.batch_id,
        "run_id": batch.run_id,
        "replay": ready.replay,
        "market_name": ready.market_name,
        "pages_read": ready.pages_read,
        "pages_claimed": ready.pages_claimed,
        "listings_claimed": ready.listings_claimed,
        "not_listings": ready.not_listings,
        "reached_end": ready.reached_end,
        "listing": ready.listing,
    }
    _insert(cursor, batch.staging_sets, values)


def _day(key: SetKey) -> dict[str, Any]:
    return {"source": key.source, "market": key.market, "snapshot_date": date.fromisoformat(key.date)}


def _insert(cursor: Cursor, table: str, values: Mapping[str, Any]) -> None:
    places = ", ".join(["%s"] * len(values))
    into = f"insert into {table} ({', '.join(values)}) values ({places})"  # noqa: S608 - names of ours
    cursor.execute(into, tuple(values.values()))


def load_batch(connection: Connection, load_sql: Sequence[str], check_sql: Sequence[str], batch: Batch) -> LoadReceipt:
    """Takes the staged batch into `core`: load files, then check files, in one transaction.

    `load_sql` and `check_sql` are the rendered texts of LOAD_FILES and CHECK_FILES. A check is a query whose
    every row is a complaint; any row rolls all back and raises ChecksFailed. A database error is raised as it
    is, also after a rollback. A batch found loaded, its staging gone, yields the receipt of that load.
    """
    if not is_staged(connection, batch):
        return _earlier_receipt(connection, batch)
    with transaction(connection) as cursor:
        for sql in load_sql:
            run(cursor, sql)
        refuse_failed(cursor, check_sql)
        receipt = _receipt(cursor, batch)
        run(cursor, render("staging/010_drop.sql", batch))
    return receipt


def _receipt(cursor: Cursor, batch: Batch) -> LoadReceipt:
    rows = query(
        cursor,
        """
        select set_id, staged, staged_rejects, accepted, superseded, superseded_by, withdrawn, verdict
        from core.load_audit
        where batch_id = %s and status = 'loaded'
        order by set_id
        """,
        (batch.batch_id,),
    )
    return LoadReceipt(batch.batch_id, tuple(SetLoad(**row) for row in rows), _day_loads(cursor, batch))


def _day_loads(cursor: Cursor, batch: Batch) -> tuple[DayLoad, ...]:
    dates = sorted({parse_partition(each)[2] for each in batch.decided})
    rows = query(
        cursor,
        f"""
        select set_id, accepted, verdict, should_hold
        from core.load_audit
        where status = 'loaded' and snapshot_date in ({", ".join(["%s"] * len(dates))})
        order by set_id
        """,  # noqa: S608 - places alone
        tuple(date.fromisoformat(each) for each in dates),
    )
    found: dict[str, list[dict[str, Any]]] = {partition: [] for partition in batch.decided}
    for row in rows:
        if (partition := partition_of(row["set_id"])) in found:
            found[partition].append(row)
    return tuple(
        DayLoad(
            partition,
            next((row["set_id"] for row in its if row["verdict"] == HOLDS), None),
            sum(int(row["accepted"]) for row in its),
            next((row["should_hold"] for row in its if row["should_hold"]), None),
            {row["set_id"]: row["verdict"] for row in its},
        )
        for partition, its in found.items()
    )


def is_staged(connection: Connection, batch: Batch) -> bool:
    """Whether the batch has staging tables, filled or not; its load takes them down in the transaction that commits."""
    schema, table = batch.staging_sets.split(".")
    sql = "select table_name from information_schema.tables where table_schema = %s and table_name = %s"
    return bool(read(connection, sql, (schema, table)))


def _earlier_receipt(connection: Connection, batch: Batch) -> LoadReceipt:
    with closing(connection.cursor()) as cursor:
        receipt = _receipt(cursor, batch)
    connection.rollback()
    if {each.set_id for each in receipt.sets} != {each.set_id for each in batch.sets}:
        raise StagingMissing(
            f"{batch.staging_sets} is not there and batch {batch.batch_id} is not loaded: "
            f"create its staging tables and COPY into them first"
        )
    return receipt


def drop_stale_staging(connection: Connection, older_than: datetime) -> list[str]:
    """Drops the staging tables of batches staged before `older_than` (aware), and names the batches.

    What a load that died between staging and commit leaves behind; a finished load drops its own.
    """
    before = older_than.astimezone(UTC).replace(tzinfo=None)
    sql = "select batch_id from staging.batches where created_at < %s order by batch_id"
    with transaction(connection) as cursor:
        stale = [row["batch_id"] for row in query(cursor, sql, (before,))]
        for batch_id in stale:
            run(cursor, render("staging/010_drop.sql", StagingNames(batch_id)))
    return stale
