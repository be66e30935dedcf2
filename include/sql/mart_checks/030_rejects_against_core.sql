-- mart_checks/030_rejects_against_core.sql
-- What: days of which marts.rejects_by_day counts other rejects than the audit of the day's set does.
-- Grain: one row per source, market and snapshot_date that differs.
-- Keys: the same.

with counted as (
    select
        source,
        market,
        snapshot_date,
        sum(case when reason = 'page_unreadable' then 0 else rejects end) as rejects
    from marts.rejects_by_day
    group by source, market, snapshot_date
)

select
    coverage.source,
    coverage.market,
    coverage.snapshot_date,
    coverage.rejected,
    coalesce(counted.rejects, 0) as by_reason
from marts.coverage as coverage
inner join stale_days
    on
        coverage.source = stale_days.source
        and coverage.market = stale_days.market
        and coverage.snapshot_date = stale_days.snapshot_date
left join counted
    on
        coverage.source = counted.source
        and coverage.market = counted.market
        and coverage.snapshot_date = counted.snapshot_date
where coalesce(counted.rejects, 0) <> coverage.rejected;
