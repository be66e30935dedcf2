-- report/020_newest_days.sql
-- What: the newest observed day of each market within the span.
-- Grain of newest_days: source, market.
-- Keys: the same.

create temp table newest_days as
select
    days.source,
    days.market,
    max(days.snapshot_date) as snapshot_date
from marts.market_by_day as days
inner join report_span
    on
        days.snapshot_date > report_span.after_date
        and days.snapshot_date <= report_span.up_to_date
group by days.source, days.market;
