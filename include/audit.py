"""What `core.load_audit` says of sets: which are loaded, which failed in how many hours; the record of a failure."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from datetime import date
from typing import Any

from include.batches import Batch, Suspicion, Turn
from include.keys import SetKey, set_of
from include.sql_files import Connection, read

ERROR_BYTES = 2000
"""Room for the reason of a failure in `load_audit.error`; VARCHAR counts bytes."""

_INSERT_SUSPECT = """
insert into core.load_audit (
    batch_id, set_id, source, market, snapshot_date, extract_id, transform_version, observed_at, status,
    landed, clean, rejected, duplicates, not_listings, unreadable, error, run_id, replay, recorded_at
) values (%s, %s, %s, %s, %s, %s, %s, %s, 'suspect', %s, %s, %s, %s, %s, %s, %s, %s, %s, getdate())
"""


def record_suspects(connection: Connection, batch: Batch, error: BaseException | str) -> None:
    """Marks every set of a failed batch as suspect, in a transaction of its own.

    To be called after the batch's rollback, so that the record outlives it. `error` is kept with each.
    """
    connection.rollback()
    reason = _fit(error if isinstance(error, str) else "\n".join((str(error), *getattr(error, "__notes__", ()))))
    try:
        with closing(connection.cursor()) as cursor:
            for each in batch.sets:
                identity = (batch.batch_id, each.set_id, each.source, each.market, each.day, each.extract_id)
                counts = (each.landed, each.clean, each.rejected, each.duplicates, each.not_listings, each.unreadable)
                seen = (each.transform_version, each.observed)
                cursor.execute(_INSERT_SUSPECT, (*identity, *seen, *counts, reason, batch.run_id, each.replay))
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def loaded_turns(connection: Connection, snapshot_date: date | str) -> frozenset[Turn]:
    """The turns by which the warehouse took the sets of a date, superseded ones included; one, the last, per set."""
    day = date.fromisoformat(snapshot_date) if isinstance(snapshot_date, str) else snapshot_date
    rows = read(
        connection,
        "select distinct set_id, replay from core.load_audit where status = 'loaded' and snapshot_date = %s",
        (day,),
    )
    return frozenset(_turn(row) for row in rows)


def suspicions(connection: Connection, snapshot_date: date | str) -> dict[Turn, Suspicion]:
    """What is known of each turn of a date that was in a batch that failed; none that was loaded since."""
    day = date.fromisoformat(snapshot_date) if isinstance(snapshot_date, str) else snapshot_date
    return _turns(connection, "snapshot_date = %s", day)[1]


def audit_since(
    connection: Connection, since: date, also: Collection[str] = ()
) -> tuple[frozenset[Turn], dict[Turn, Suspicion]]:
    """For dates from `since` on and of `also`: the turns that are loaded, and what is known of those that failed."""
    which, days = from_on(since, also)
    return _turns(connection, which, *days)


def from_on(since: date, also: Collection[str]) -> tuple[str, tuple[date, ...]]:
    """The SQL condition for dates from `since` on and those of `also` (YYYY-MM-DD), and its values."""
    others = tuple(date.fromisoformat(each) for each in sorted(also))
    listed = f" or snapshot_date in ({', '.join(['%s'] * len(others))})" if others else ""
    return f"(snapshot_date >= %s{listed})", (since, *others)


def held_sets(connection: Connection, first: date, last: date) -> frozenset[SetKey]:
    """Sets of a span of dates that the warehouse has taken, as whatever version cleaned them, and still has whole.

    A set whose snapshots were lost is not among them, although the audit still tells of its load.
    """
    rows = read(
        connection,
        """
        select audit.set_id, audit.accepted, count(snapshots.zpid) as rows_found
        from core.load_audit as audit
        left join core.listing_snapshots as snapshots
            on audit.set_id = snapshots.set_id and audit.snapshot_date = snapshots.snapshot_date
        where audit.status = 'loaded' and audit.snapshot_date between %s and %s
        group by audit.set_id, audit.accepted
        """,
        (first, last),
    )
    loaded = {set_of(row["set_id"]) for row in rows}
    return frozenset(loaded - {set_of(row["set_id"]) for row in rows if row["accepted"] != row["rows_found"]})


def _turns(connection: Connection, which: str, *days: date) -> tuple[frozenset[Turn], dict[Turn, Suspicion]]:
    rows = read(
        connection,
        f"""
        with attempts as (
            select set_id, replay, status, batch_id, recorded_at
            from core.load_audit
            where {which}
        ),
        sizes as (
            select batch_id, count(distinct set_id) as sets
            from attempts
            where status = 'suspect'
            group by batch_id
        ),
        ranked as (
            select attempts.*, sizes.sets,
                row_number() over (
                    partition by attempts.set_id, attempts.replay
                    order by attempts.recorded_at desc, sizes.sets, attempts.batch_id
                ) as place
            from attempts
            left join sizes on attempts.batch_id = sizes.batch_id
        )
        select set_id, replay,
            sum(case when status = 'loaded' then 1 else 0 end) as loads,
            count(distinct case when status = 'suspect' and sets = 1 then date_trunc('hour', recorded_at) end)
                as hours_alone,
            max(case when place = 1 then batch_id end) as batch_id
        from ranked
        group by set_id, replay
        """,  # noqa: S608 - `which` is one of the conditions above
        days,
    )
    loaded = frozenset(_turn(row) for row in rows if int(row["loads"]) > 0)
    failed = {
        _turn(row): Suspicion(str(row["batch_id"]), int(row["hours_alone"])) for row in rows if int(row["loads"]) == 0
    }
    return loaded, failed


def _turn(row: dict[str, Any]) -> Turn:
    return Turn(str(row["set_id"]), row["replay"])


def _fit(text: str) -> str:
    return text.encode()[:ERROR_BYTES].decode(errors="ignore")
