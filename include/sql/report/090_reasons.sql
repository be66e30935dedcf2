-- report/090_reasons.sql
-- What: why listings were rejected on each market's newest day within the span.
-- Grain: source, market, reason.
-- Keys: the same.

select
    newest.source,
    newest.market,
    rejects.reason,
    rejects.rejects
from newest_days as newest
inner join marts.rejects_by_day as rejects
    on
        newest.source = rejects.source
        and newest.market = rejects.market
        and newest.snapshot_date = rejects.snapshot_date
order by newest.source asc, newest.market asc, rejects.rejects desc, rejects.reason asc;
