-- load/020_winners.sql
-- What: which set holds each day of a market after this load. Candidates are the batch's sets, the sets
--       loaded before, and what core.listing_snapshots holds (also when its audit row is gone). The newest
--       by observed_at wins, then by extract_id; of two cleanings of one extraction the one loaded later.
-- Grain: one row per source, market and snapshot_date of the batch; is_new: the winner comes with the batch.
-- Keys: (source, market, snapshot_date).

create table {{ batch.staging_winners }} as
with slots as (
    select distinct
        source,
        market,
        snapshot_date
    from {{ batch.staging_sets }}
),

held as (
    select distinct
        snapshots.source,
        snapshots.market,
        snapshots.snapshot_date,
        snapshots.extract_id,
        snapshots.observed_at,
        snapshots.set_id
    from core.listing_snapshots as snapshots
    inner join slots
        on
            snapshots.source = slots.source
            and snapshots.market = slots.market
            and snapshots.snapshot_date = slots.snapshot_date
),

candidates as (
    select
        source,
        market,
        snapshot_date,
        extract_id,
        observed_at,
        set_id,
        true as is_new,
        cast(null as bigint) as load_number
    from {{ batch.staging_sets }}
    union all
    select
        audit.source,
        audit.market,
        audit.snapshot_date,
        audit.extract_id,
        audit.observed_at,
        audit.set_id,
        false as is_new,
        audit.load_number
    from core.load_audit as audit
    inner join slots
        on
            audit.source = slots.source
            and audit.market = slots.market
            and audit.snapshot_date = slots.snapshot_date
    where audit.status = 'loaded'
    union all
    select
        source,
        market,
        snapshot_date,
        extract_id,
        observed_at,
        set_id,
        false as is_new,
        cast(0 as bigint) as load_number
    from held
),

ranked as (
    select
        source,
        market,
        snapshot_date,
        extract_id,
        set_id,
        is_new,
        row_number() over (
            partition by source, market, snapshot_date
            order by observed_at desc, extract_id desc, is_new desc, load_number desc, set_id desc
        ) as place
    from candidates
)

select
    source,
    market,
    snapshot_date,
    extract_id,
    set_id,
    is_new
from ranked
where place = 1;
