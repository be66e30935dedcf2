-- load/030_touched.sql
-- What: the listings that this load changes: those of the sets that take their day, and those of the rows
--       that leave it. All that follows from the snapshots is built anew for them and only them.
-- Grain: one row per source, listing and zpid.
-- Keys: (source, listing, zpid).

create table {{ batch.staging_touched }} as
with changed as (
    select
        staged.source,
        batch_sets.listing,
        staged.zpid
    from {{ batch.staging_listings }} as staged
    inner join {{ batch.staging_winners }} as winners
        on
            staged.source = winners.source
            and staged.market = winners.market
            and staged.snapshot_date = winners.snapshot_date
            and staged.extract_id = winners.extract_id
    inner join {{ batch.staging_sets }} as batch_sets
        on winners.set_id = batch_sets.set_id
    where winners.is_new
    union all
    select
        snapshots.source,
        snapshots.listing,
        snapshots.zpid
    from core.listing_snapshots as snapshots
    inner join {{ batch.staging_winners }} as winners
        on
            snapshots.source = winners.source
            and snapshots.market = winners.market
            and snapshots.snapshot_date = winners.snapshot_date
    where winners.is_new or snapshots.set_id <> coalesce(winners.set_id, '')
)

select distinct
    source,
    listing,
    zpid
from changed;

-- What follows joins on these tables: without statistics a planner may compare every row with every other.
analyze {{ batch.staging_touched }};
