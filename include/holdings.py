"""What the warehouse holds of each set, and what its audit says that it should."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from include.audit import from_on
from include.sql_files import Connection, read

# One statement: what a load commits between two would look like a difference.
_HOLDINGS = """
with held as (
    select set_id, count(*) as found
    from core.listing_snapshots
    where {which}
    group by set_id
),

taken as (
    select set_id, accepted, superseded_by
    from core.load_audit
    where status = 'loaded' and {which}
)

select
    coalesce(taken.set_id, held.set_id) as set_id,
    coalesce(held.found, 0) as found,
    taken.accepted,
    taken.superseded_by
from taken
full outer join held on taken.set_id = held.set_id
order by 1
"""


@dataclass(frozen=True)
class Holding:
    """One set: its rows in core.listing_snapshots, and those that the audit counts; None when it is not there.

    `superseded_by` is the set that holds the day in its place by the audit, None for one that holds it itself.
    """

    set_id: str
    rows: int
    accepted: int | None
    superseded_by: str | None = None


def holdings(connection: Connection, since: date, also: Collection[str] = ()) -> list[Holding]:
    """Every set of dates from `since` on and of `also` that has rows or is loaded by the audit, by their ids."""
    which, days = from_on(since, also)
    rows = read(connection, _HOLDINGS.format(which=which), (*days, *days))
    return [
        Holding(
            str(row["set_id"]),
            int(row["found"]),
            None if row["accepted"] is None else int(row["accepted"]),
            row["superseded_by"],
        )
        for row in rows
    ]
