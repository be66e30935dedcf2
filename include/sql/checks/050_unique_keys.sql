-- checks/050_unique_keys.sql
-- What: no business key stands twice, since Redshift does not enforce keys: in what was staged, in the days
--       the batch has to do with, and among the touched listings.
-- Grain: one row per table and key that stands more than once.
-- Keys: (in_table, source, market, snapshot_date, extract_id, listing, zpid, raw_key, raw_position), as far as the
--       table has them.

with doubled as (
    select
        'staging.listings' as in_table,
        source,
        market,
        snapshot_date,
        extract_id,
        cast(null as varchar(8)) as listing,
        zpid,
        cast(null as varchar(1024)) as raw_key,
        cast(null as integer) as raw_position,
        count(*) as rows_found
    from {{ batch.staging_listings }}
    group by source, market, snapshot_date, extract_id, zpid
    having count(*) > 1
    union all
    select
        'staging.rejects' as in_table,
        source,
        market,
        snapshot_date,
        extract_id,
        cast(null as varchar(8)) as listing,
        cast(null as bigint) as zpid,
        raw_key,
        raw_position,
        count(*) as rows_found
    from {{ batch.staging_rejects }}
    group by source, market, snapshot_date, extract_id, raw_key, raw_position
    having count(*) > 1
    union all
    select
        'core.listing_snapshots' as in_table,
        snapshots.source,
        snapshots.market,
        snapshots.snapshot_date,
        cast(null as varchar(64)) as extract_id,
        cast(null as varchar(8)) as listing,
        snapshots.zpid,
        cast(null as varchar(1024)) as raw_key,
        cast(null as integer) as raw_position,
        count(*) as rows_found
    from core.listing_snapshots as snapshots
    inner join {{ batch.staging_winners }} as winners
        on
            snapshots.source = winners.source
            and snapshots.market = winners.market
            and snapshots.snapshot_date = winners.snapshot_date
    group by snapshots.source, snapshots.market, snapshots.snapshot_date, snapshots.zpid
    having count(*) > 1
    union all
    select
        'core.listings' as in_table,
        listings.source,
        cast(null as varchar(128)) as market,
        cast(null as date) as snapshot_date,
        cast(null as varchar(64)) as extract_id,
        listings.listing,
        listings.zpid,
        cast(null as varchar(1024)) as raw_key,
        cast(null as integer) as raw_position,
        count(*) as rows_found
    from core.listings as listings
    inner join {{ batch.staging_touched }} as touched
        on
            listings.source = touched.source
            and listings.listing = touched.listing
            and listings.zpid = touched.zpid
    group by listings.source, listings.listing, listings.zpid
    having count(*) > 1
)

select
    batch_sets.set_id,
    doubled.in_table,
    doubled.source,
    doubled.market,
    doubled.snapshot_date,
    doubled.extract_id,
    doubled.listing,
    doubled.zpid,
    doubled.raw_key,
    doubled.raw_position,
    doubled.rows_found
from doubled
left join {{ batch.staging_sets }} as batch_sets
    on
        doubled.source = batch_sets.source
        and doubled.market = batch_sets.market
        and doubled.snapshot_date = batch_sets.snapshot_date
        and doubled.extract_id = batch_sets.extract_id
order by doubled.in_table, doubled.source, doubled.market, doubled.zpid, doubled.raw_key
limit 20;
