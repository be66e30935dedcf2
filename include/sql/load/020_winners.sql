-- load/020_winners.sql
-- What: which set holds each day that this load decides. Candidates are the batch's sets, of every other extraction
--       the set that was loaded last, and what core.listing_snapshots holds without an audit row. The newest by
--       observed_at, then extract_id, whose clean rows are nine tenths of the most of any candidate should hold the
--       day (include/warehouse/days.py has the same rule). Where its rows are neither in the batch nor in core, the
--       same rule picks among those that are not excluded; and if that one came to lack its rows since the batch was
--       planned, among those whose rows are at hand.
-- Grain: one row per source, market and snapshot_date of the batch. set_id is null where nobody is left; should_hold
--       is null where the holder is the rightful one; is_new: the holder comes with the batch.
-- Keys: (source, market, snapshot_date).

create table {{ batch.staging_winners }} as
with held as (
    select
        snapshots.source,
        snapshots.market,
        snapshots.snapshot_date,
        snapshots.extract_id,
        snapshots.observed_at,
        snapshots.set_id,
        count(*) as clean
    from core.listing_snapshots as snapshots
    inner join {{ batch.staging_days }} as decided
        on
            snapshots.source = decided.source
            and snapshots.market = decided.market
            and snapshots.snapshot_date = decided.snapshot_date
    group by
        snapshots.source,
        snapshots.market,
        snapshots.snapshot_date,
        snapshots.extract_id,
        snapshots.observed_at,
        snapshots.set_id
),

loads as (
    select
        audit.source,
        audit.market,
        audit.snapshot_date,
        audit.extract_id,
        audit.observed_at,
        audit.set_id,
        audit.clean,
        row_number() over (
            partition by audit.source, audit.market, audit.snapshot_date, audit.extract_id
            order by audit.load_number desc, audit.set_id desc
        ) as place
    from core.load_audit as audit
    inner join {{ batch.staging_days }} as decided
        on
            audit.source = decided.source
            and audit.market = decided.market
            and audit.snapshot_date = decided.snapshot_date
    where audit.status = 'loaded'
),

-- An extraction counts once, as the batch brings it, else as it was loaded last.
ranked as (
    select
        source,
        market,
        snapshot_date,
        extract_id,
        observed_at,
        set_id,
        clean,
        true as is_new,
        1 as precedence
    from {{ batch.staging_sets }}
    union all
    select
        source,
        market,
        snapshot_date,
        extract_id,
        observed_at,
        set_id,
        clean,
        false as is_new,
        2 as precedence
    from loads
    where place = 1
    union all
    select
        source,
        market,
        snapshot_date,
        extract_id,
        observed_at,
        set_id,
        clean,
        false as is_new,
        3 as precedence
    from held
),

counted as (
    select
        source,
        market,
        snapshot_date,
        extract_id,
        observed_at,
        set_id,
        clean,
        is_new,
        row_number() over (
            partition by source, market, snapshot_date, extract_id
            order by precedence asc, set_id desc
        ) as place
    from ranked
),

candidates as (
    select
        counted.source,
        counted.market,
        counted.snapshot_date,
        counted.extract_id,
        counted.observed_at,
        counted.set_id,
        counted.clean,
        counted.is_new,
        exclusions.extract_id is null as can_hold,
        counted.is_new or coalesce(held.clean, 0) = counted.clean as is_at_hand,
        max(counted.clean) over (
            partition by counted.source, counted.market, counted.snapshot_date
        ) as most
    from counted
    left join {{ batch.staging_exclusions }} as exclusions
        on
            counted.source = exclusions.source
            and counted.market = exclusions.market
            and counted.snapshot_date = exclusions.snapshot_date
            and counted.extract_id = exclusions.extract_id
    left join held
        on
            counted.source = held.source
            and counted.market = held.market
            and counted.snapshot_date = held.snapshot_date
            and counted.set_id = held.set_id
    where
        counted.place = 1
        and exclusions.reason is null
),

among as (
    select
        source,
        market,
        snapshot_date,
        extract_id,
        observed_at,
        set_id,
        clean,
        is_new,
        can_hold,
        is_at_hand,
        most,
        max(case when can_hold then clean else 0 end) over (
            partition by source, market, snapshot_date
        ) as most_of_those_that_can,
        max(case when is_at_hand then clean else 0 end) over (
            partition by source, market, snapshot_date
        ) as most_at_hand
    from candidates
),

placed as (
    select
        source,
        market,
        snapshot_date,
        extract_id,
        observed_at,
        set_id,
        is_new,
        can_hold,
        is_at_hand,
        most,
        most_of_those_that_can,
        most_at_hand,
        row_number() over (
            partition by source, market, snapshot_date
            order by
                case when 10 * clean >= 9 * most then 0 else 1 end asc,
                observed_at desc,
                extract_id desc
        ) as place,
        row_number() over (
            partition by source, market, snapshot_date
            order by
                case when can_hold and 10 * clean >= 9 * most_of_those_that_can then 0 else 1 end asc,
                observed_at desc,
                extract_id desc
        ) as place_of_those_that_can,
        row_number() over (
            partition by source, market, snapshot_date
            order by
                case when is_at_hand and 10 * clean >= 9 * most_at_hand then 0 else 1 end asc,
                observed_at desc,
                extract_id desc
        ) as place_at_hand
    from among
),

-- The first of the three whose rows are at hand.
holders as (
    select
        source,
        market,
        snapshot_date,
        extract_id,
        observed_at,
        set_id,
        is_new,
        row_number() over (
            partition by source, market, snapshot_date
            order by
                case
                    when place = 1 then 1
                    when can_hold and place_of_those_that_can = 1 then 2
                    when place_at_hand = 1 then 3
                    else 4
                end asc
        ) as place,
        case
            when place = 1 then most
            when can_hold and place_of_those_that_can = 1 then most_of_those_that_can
            else most_at_hand
        end as most
    from placed
    where is_at_hand
)

select
    decided.source,
    decided.market,
    decided.snapshot_date,
    holders.extract_id,
    holders.observed_at,
    holders.set_id,
    coalesce(holders.is_new, false) as is_new,
    holders.most,
    case when rightful.set_id <> coalesce(holders.set_id, '') then rightful.set_id end as should_hold
from {{ batch.staging_days }} as decided
left join holders
    on
        decided.source = holders.source
        and decided.market = holders.market
        and decided.snapshot_date = holders.snapshot_date
        and holders.place = 1
left join placed as rightful
    on
        decided.source = rightful.source
        and decided.market = rightful.market
        and decided.snapshot_date = rightful.snapshot_date
        and rightful.place = 1;
