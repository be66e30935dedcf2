"""What `core.load_audit` says of failures: which sets failed in how many hours; the record of a failure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from include.base.batches import Batch, Suspicion, Turn
from include.warehouse.rows_held import from_on
from include.warehouse.sql_files import Connection, read, transaction

ERROR_BYTES = 2000
"""Room for the reason of a failure in `load_audit.error`; VARCHAR counts bytes."""

_INSERT_SUSPECT = """
insert into core.load_audit (
    batch_id, set_id, source, market, snapshot_date, extract_id, transform_version, observed_at, status,
    landed, clean, rejected, duplicates, not_listings, unreadable, error, run_id, replay, listing, recorded_at
) values (%s, %s, %s, %s, %s, %s, %s, %s, 'suspect', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, getdate())
"""


def record_suspects(connection: Connection, batch: Batch, error: BaseException | str) -> None:
    """Marks the sets of a failed batch as suspect, in a transaction of its own.

    To be called after the batch's rollback, so that the record outlives it. `error` is kept with each.
    """
    reason = _fit(error if isinstance(error, str) else "\n".join((str(error), *getattr(error, "__notes__", ()))))
    with transaction(connection) as cursor:
        for each in batch.suspects:
            identity = (batch.batch_id, each.set_id, each.source, each.market, each.day, each.extract_id)
            counts = (each.landed, each.clean, each.rejected, each.duplicates, each.not_listings, each.unreadable)
            seen = (each.transform_version, each.observed)
            cursor.execute(
                _INSERT_SUSPECT, (*identity, *seen, *counts, reason, batch.run_id, each.replay, each.listing)
            )


def suspicions_since(connection: Connection, since: date, also: Collection[str] = ()) -> dict[Turn, Suspicion]:
    """What is known of each turn, of dates from `since` on and of `also`, whose batch failed since it was loaded."""
    return _suspicions(connection, *from_on(since, tuple(date.fromisoformat(each) for each in sorted(also))))


def suspicions(connection: Connection, day: date) -> dict[Turn, Suspicion]:
    """The same of a date."""
    return _suspicions(connection, "snapshot_date = %s", (day,))


def _suspicions(connection: Connection, which: str, days: tuple[date, ...]) -> dict[Turn, Suspicion]:
    rows = read(
        connection,
        f"""
        with attempts as (
            select set_id, coalesce(replay, '') as replay, status, batch_id, recorded_at
            from core.load_audit
            where {which}
        ),
        loads as (
            select set_id, replay, max(recorded_at) as loaded_at
            from attempts
            where status = 'loaded'
            group by set_id, replay
        ),
        sizes as (
            select batch_id, count(distinct set_id) as sets
            from attempts
            where status = 'suspect'
            group by batch_id
        ),
        ranked as (
            select attempts.set_id, attempts.replay, attempts.batch_id, attempts.recorded_at, sizes.sets,
                row_number() over (
                    partition by attempts.set_id, attempts.replay
                    order by attempts.recorded_at desc, sizes.sets, attempts.batch_id
                ) as place
            from attempts
            inner join sizes on attempts.batch_id = sizes.batch_id
            left join loads on attempts.set_id = loads.set_id and attempts.replay = loads.replay
            where attempts.status = 'suspect' and coalesce(attempts.recorded_at > loads.loaded_at, true)
        )
        select set_id, replay,
            count(distinct case when sets = 1 then date_trunc('hour', recorded_at) end) as hours_alone,
            max(case when place = 1 then batch_id end) as batch_id
        from ranked
        group by set_id, replay
        """,  # noqa: S608 - `which` is one of the conditions above
        days,
    )
    return {
        Turn(str(row["set_id"]), row["replay"] or None): Suspicion(str(row["batch_id"]), int(row["hours_alone"]))
        for row in rows
    }


def _fit(text: str) -> str:
    return text.encode()[:ERROR_BYTES].decode(errors="ignore")
