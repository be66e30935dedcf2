-- checks/060_newest_listings.sql
-- What: each touched listing that has snapshots stands in core.listings as the newest of them has it, and one
--       that has none does not stand there.
-- Grain: one row per source, listing and zpid for which it does not hold.
-- Keys: (source, listing, zpid).

with observed as (
    select
        touched.source,
        touched.listing,
        touched.zpid,
        listings.observed_at as listed_as_of,
        listings.set_id as listed_from_set,
        max(snapshots.observed_at) as last_observed_at,
        sum(case when snapshots.set_id = listings.set_id then 1 else 0 end) as snapshots_in_that_set
    from {{ batch.staging_touched }} as touched
    left join core.listings as listings
        on
            touched.source = listings.source
            and touched.listing = listings.listing
            and touched.zpid = listings.zpid
    left join core.listing_snapshots as snapshots
        on
            touched.source = snapshots.source
            and touched.listing = snapshots.listing
            and touched.zpid = snapshots.zpid
    group by touched.source, touched.listing, touched.zpid, listings.observed_at, listings.set_id
)

select
    source,
    listing,
    zpid,
    last_observed_at,
    listed_as_of,
    listed_from_set
from observed
where
    (last_observed_at is null and listed_as_of is not null)
    or (last_observed_at is not null and listed_as_of is null)
    or last_observed_at <> listed_as_of
    or (listed_from_set is not null and snapshots_in_that_set = 0)
order by source, listing, zpid
limit 20;
