-- report/070_reasons.sql
-- What: why listings were rejected on each market's newest day after the first bound date and up to the second.
-- Grain: source, market, reason.
-- Keys: the same.

with newest as (
    select
        source,
        market,
        max(snapshot_date) as snapshot_date
    from marts.coverage
    where snapshot_date > %s and snapshot_date <= %s
    group by source, market
)

select
    newest.source,
    newest.market,
    rejects.reason,
    rejects.rejects
from newest
inner join marts.rejects_by_day as rejects
    on
        newest.source = rejects.source
        and newest.market = rejects.market
        and newest.snapshot_date = rejects.snapshot_date
order by newest.source, newest.market, rejects.rejects desc, rejects.reason;
