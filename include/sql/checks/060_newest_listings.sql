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
        listings.snapshot_date as listed_as_of,
        listings.set_id as listed_from_set,
        max(snapshots.snapshot_date) as last_date,
        sum(
            case
                when
                    snapshots.snapshot_date = listings.snapshot_date
                    and snapshots.observed_at > listings.observed_at
                    then 1
                else 0
            end
        ) as seen_later_that_date,
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
    group by touched.source, touched.listing, touched.zpid, listings.snapshot_date, listings.set_id
)

select
    source,
    listing,
    zpid,
    last_date,
    listed_as_of,
    listed_from_set,
    seen_later_that_date
from observed
where
    (last_date is null and listed_as_of is not null)
    or (last_date is not null and listed_as_of is null)
    or last_date <> listed_as_of
    or seen_later_that_date > 0
    or (listed_from_set is not null and snapshots_in_that_set = 0)
order by source, listing, zpid
limit 20;
