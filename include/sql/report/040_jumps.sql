-- report/040_jumps.sql
-- What: the jumps within the span.
-- Grain: as marts.jumps: source, market, snapshot_date, measure.
-- Keys: the same.

select
    jumps.source,
    jumps.market,
    jumps.snapshot_date,
    jumps.measure,
    jumps.previous_date,
    jumps.value_before,
    jumps.value_after,
    jumps.change_share,
    jumps.explanation
from marts.jumps as jumps
inner join report_span
    on
        jumps.snapshot_date > report_span.after_date
        and jumps.snapshot_date <= report_span.up_to_date
order by jumps.source, jumps.market, jumps.snapshot_date, jumps.measure;
