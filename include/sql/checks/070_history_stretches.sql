-- checks/070_history_stretches.sql
-- What: the history of each touched listing is one unbroken line: one open stretch, the last; each stretch
--       ends where the next begins and holds the days it claims; together
--       they have as many days as the listing has in core.listing_snapshots.
-- Grain: one row per source, listing, zpid and broken rule.
-- Keys: (source, listing, zpid, broken_rule, valid_from).

with lined_up as (
    select
        history.source,
        history.listing,
        history.zpid,
        history.valid_from,
        history.valid_to,
        history.last_seen_on,
        history.days_seen,
        lead(history.valid_from) over (
            partition by history.source, history.listing, history.zpid
            order by history.valid_from
        ) as next_valid_from
    from core.listing_history as history
    inner join {{ batch.staging_touched }} as touched
        on
            history.source = touched.source
            and history.listing = touched.listing
            and history.zpid = touched.zpid
),

counted as (
    select
        source,
        listing,
        zpid,
        sum(days_seen) as days_in_history,
        sum(case when valid_to is null then 1 else 0 end) as open_stretches
    from lined_up
    group by source, listing, zpid
),

observed as (
    select
        touched.source,
        touched.listing,
        touched.zpid,
        count(distinct snapshots.snapshot_date) as days_observed
    from {{ batch.staging_touched }} as touched
    left join core.listing_snapshots as snapshots
        on
            touched.source = snapshots.source
            and touched.listing = snapshots.listing
            and touched.zpid = snapshots.zpid
    group by touched.source, touched.listing, touched.zpid
),

broken as (
    select
        source,
        listing,
        zpid,
        valid_from,
        valid_to,
        'valid_to = the next valid_from' as broken_rule
    from lined_up
    where
        coalesce(valid_to, date '9999-12-31') <> coalesce(next_valid_from, date '9999-12-31')
        or valid_from >= next_valid_from
    union all
    select
        source,
        listing,
        zpid,
        valid_from,
        valid_to,
        'the days seen lie within the stretch' as broken_rule
    from lined_up
    where
        last_seen_on < valid_from
        or last_seen_on >= coalesce(valid_to, date '9999-12-31')
        or days_seen < 1
        or days_seen > last_seen_on - valid_from + 1
    union all
    select
        observed.source,
        observed.listing,
        observed.zpid,
        cast(null as date) as valid_from,
        cast(null as date) as valid_to,
        'one open stretch, and as many days as there are snapshots' as broken_rule
    from observed
    left join counted
        on
            observed.source = counted.source
            and observed.listing = counted.listing
            and observed.zpid = counted.zpid
    where
        coalesce(counted.days_in_history, 0) <> observed.days_observed
        or coalesce(counted.open_stretches, 0) <> case when observed.days_observed > 0 then 1 else 0 end
)

select
    source,
    listing,
    zpid,
    broken_rule,
    valid_from,
    valid_to
from broken
order by source, listing, zpid, broken_rule, valid_from
limit 20;
