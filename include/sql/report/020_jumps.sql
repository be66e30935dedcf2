-- report/020_jumps.sql
-- What: the jumps after the first bound date and up to the second.
-- Grain: as marts.jumps: source, market, snapshot_date, measure.
-- Keys: the same.

select
    source,
    market,
    snapshot_date,
    measure,
    previous_date,
    value_before,
    value_after,
    change_share,
    explanation
from marts.jumps
where snapshot_date > %s and snapshot_date <= %s
order by source, market, snapshot_date, measure;
