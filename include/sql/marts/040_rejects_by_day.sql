-- marts/040_rejects_by_day.sql
-- What: builds the stale days of marts.rejects_by_day: the rejects of the set that holds the day.
-- Grain: as marts.rejects_by_day: source, market, snapshot_date, reason.
-- Keys: the same.

delete from marts.rejects_by_day
using stale_days
where
    rejects_by_day.source = stale_days.source
    and rejects_by_day.market = stale_days.market
    and rejects_by_day.snapshot_date = stale_days.snapshot_date;

insert into marts.rejects_by_day (
    source,
    market,
    snapshot_date,
    reason,
    rejects
)
select
    rejects.source,
    rejects.market,
    rejects.snapshot_date,
    rejects.reason,
    count(*) as rejects
from core.listing_rejects as rejects
inner join held_days as held
    on
        rejects.source = held.source
        and rejects.market = held.market
        and rejects.snapshot_date = held.snapshot_date
        and rejects.extract_id = held.extract_id
inner join stale_days
    on
        held.source = stale_days.source
        and held.market = stale_days.market
        and held.snapshot_date = stale_days.snapshot_date
group by rejects.source, rejects.market, rejects.snapshot_date, rejects.reason;
