"""What the warehouse holds of each set, and what its audit says that it should."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from include.base.batches import Turn
from include.base.keys import SetKey, set_of
from include.warehouse.sql_files import Connection, read

# One statement: what a load commits between two would look like a difference.
_HOLDINGS = """
with held as (
    select set_id, count(*) as found
    from core.listing_snapshots
    where {which}
    group by set_id
),

taken as (
    select set_id, replay, observed_at, clean, accepted, verdict, should_hold, batch_id, load_number
    from core.load_audit
    where status = 'loaded' and {which}
)

select
    coalesce(taken.set_id, held.set_id) as set_id,
    coalesce(held.found, 0) as found,
    taken.replay,
    taken.observed_at,
    taken.clean,
    taken.accepted,
    taken.verdict,
    taken.should_hold,
    taken.batch_id,
    taken.load_number
from taken
full outer join held on taken.set_id = held.set_id
order by 1
"""
_NEVER = datetime(1, 1, 1)  # noqa: DTZ001 - as the TIMESTAMP columns come, in UTC and without an offset


@dataclass(frozen=True)
class Holding:
    """One set: its rows in core.listing_snapshots, and what the audit says of it.

    `accepted` is how many rows the audit counts, None for a set that it does not have: then only `set_id` and `rows`
    say anything. `observed` is in UTC without an offset; `verdict` is why the set holds its day or does not,
    `should_hold` the set that should where another does.
    """

    set_id: str
    rows: int
    accepted: int | None
    replay: str | None = None
    observed: datetime = _NEVER
    clean: int = 0
    verdict: str = ""
    should_hold: str | None = None
    batch_id: str = ""
    load_number: int = 0

    @property
    def turn(self) -> Turn:
        """By which turn it was loaded last."""
        return Turn(self.set_id, self.replay)

    @property
    def key(self) -> SetKey:
        """The set, whatever version cleaned it."""
        return set_of(self.set_id)

    @property
    def extract_id(self) -> str:
        """The extraction that brought it."""
        return self.key.extract_id

    @property
    def is_at_hand(self) -> bool:
        """Whether core has all of its clean rows: it can hold its day without being loaded again."""
        return self.rows == self.clean


def holdings(connection: Connection, since: date, also: Collection[str] = ()) -> list[Holding]:
    """Every set of dates from `since` on and of `also` (YYYY-MM-DD) that has rows or is loaded, by their ids."""
    others = tuple(date.fromisoformat(each) for each in sorted(also))
    return _holdings(connection, *from_on(since, others))


def loaded_sets(connection: Connection, day: date) -> list[Holding]:
    """The sets of a date that the audit has."""
    return [each for each in holdings_of(connection, day) if each.accepted is not None]


def holdings_of(connection: Connection, first: date, last: date | None = None) -> list[Holding]:
    """The same of a date, or of a span of dates."""
    return _holdings(connection, "snapshot_date between %s and %s", (first, last or first))


def missing(connection: Connection, first: date, last: date, kept: Collection[SetKey]) -> list[SetKey]:
    """Of the sets `kept` those that a backfill brings: not loaded, without their rows, or without the day due to them.

    As whatever version cleaned them: a set that is loaded and whole has arrived.
    """
    found = holdings_of(connection, first, last)
    loaded = {each.key for each in found if each.accepted is not None}
    wanting = {each.key for each in found if each.accepted != each.rows}
    wanting |= {set_of(each.should_hold) for each in found if each.should_hold}
    return [key for key in kept if key not in loaded - wanting]


def held_by_another(connection: Connection, before: date) -> list[str]:
    """The partitions of dates before `before` that another set holds, or nobody, than the audit says should."""
    rows = read(
        connection,
        """
        select distinct source, market, snapshot_date
        from core.load_audit
        where status = 'loaded' and should_hold is not null and snapshot_date < %s
        """,
        (before,),
    )
    return sorted(f"{row['source']}/{row['market']}|{row['snapshot_date']}" for row in rows)


def unbuilt(connection: Connection, before: datetime) -> str | None:
    """The newest date (YYYY-MM-DD) loaded before `before` (UTC, naive) while the marts know no day at all, or None.

    So it is after somebody dropped a mart, since its days are to be built anew with all others.
    """
    [row] = read(
        connection,
        """
        select max(snapshot_date) as newest
        from core.load_audit
        where status = 'loaded' and verdict = 'holds' and recorded_at < %s
            and (select count(*) from marts.coverage) = 0
        """,
        (before,),
    )
    return str(row["newest"]) if row["newest"] else None


def from_on(since: date, others: Collection[date]) -> tuple[str, tuple[date, ...]]:
    """The SQL condition for dates from `since` on and for `others`, and its values."""
    listed = f" or snapshot_date in ({', '.join(['%s'] * len(others))})" if others else ""
    return f"(snapshot_date >= %s{listed})", (since, *others)


def _holdings(connection: Connection, which: str, days: tuple[date, ...]) -> list[Holding]:
    rows = read(connection, _HOLDINGS.format(which=which), (*days, *days))
    return [_holding(row) for row in rows]


def _holding(row: dict[str, Any]) -> Holding:
    set_id, rows = str(row["set_id"]), int(row["found"])
    if row["accepted"] is None:
        return Holding(set_id, rows, None)
    return Holding(
        set_id=set_id,
        rows=rows,
        accepted=int(row["accepted"]),
        replay=row["replay"],
        observed=row["observed_at"],
        clean=int(row["clean"]),
        verdict=row["verdict"] or "",
        should_hold=row["should_hold"],
        batch_id=str(row["batch_id"]),
        load_number=int(row["load_number"] or 0),
    )
