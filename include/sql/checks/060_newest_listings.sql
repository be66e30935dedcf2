-- checks/060_newest_listings.sql
-- What: each touched listing that has snapshots stands in core.listings as the newest of them has it, and one
--       that has none does not stand there.
-- Grain: one row per source and zpid for which it does not hold.
-- Keys: (source, zpid).

with seen as (
    select
        touched.source,
        touched.zpid,
        max(snapshots.observed_at) as last_observed_at
    from {{ batch.staging_touched }} as touched
    left join core.listing_snapshots as snapshots
        on
            touched.source = snapshots.source
            and touched.zpid = snapshots.zpid
    group by touched.source, touched.zpid
),

compared as (
    select
        seen.source,
        seen.zpid,
        seen.last_observed_at,
        listings.observed_at as listed_as_of,
        listings.set_id as listed_from_set
    from seen
    left join core.listings as listings
        on
            seen.source = listings.source
            and seen.zpid = listings.zpid
)

select
    compared.source,
    compared.zpid,
    compared.last_observed_at,
    compared.listed_as_of,
    compared.listed_from_set
from compared
left join core.listing_snapshots as snapshots
    on
        compared.source = snapshots.source
        and compared.zpid = snapshots.zpid
        and compared.listed_from_set = snapshots.set_id
where
    coalesce(compared.last_observed_at, timestamp '1900-01-01 00:00:00')
    <> coalesce(compared.listed_as_of, timestamp '1900-01-01 00:00:00')
    or (compared.listed_from_set is not null and snapshots.set_id is null)
order by compared.source, compared.zpid
limit 20;
