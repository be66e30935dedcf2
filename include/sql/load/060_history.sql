-- load/060_history.sql
-- What: builds the history of the touched listings anew from all their snapshots, so that a day that comes
--       late, or again, lands where it belongs. Stretches begin where a watched column differs from the day
--       observed before; a null differs from a value and not from a null.
-- Grain: as core.listing_history: source, listing, zpid and stretch of observed days.
-- Keys: (source, listing, zpid, valid_from).

delete from core.listing_history
using {{ batch.staging_touched }} as touched
where
    listing_history.source = touched.source
    and listing_history.listing = touched.listing
    and listing_history.zpid = touched.zpid;

insert into core.listing_history (
    source,
    zpid,
    valid_from,
    valid_to,
    price,
    home_status,
    home_type,
    bedrooms,
    bathrooms,
    living_area_sqft,
    last_seen_on,
    days_seen,
    listing
)
with ranked as (
    select
        snapshots.source,
        snapshots.listing,
        snapshots.zpid,
        snapshots.snapshot_date,
        snapshots.price,
        snapshots.home_status,
        snapshots.home_type,
        snapshots.bedrooms,
        snapshots.bathrooms,
        snapshots.living_area_sqft,
        row_number() over (
            partition by snapshots.source, snapshots.listing, snapshots.zpid, snapshots.snapshot_date
            order by snapshots.observed_at desc, snapshots.extract_id desc, snapshots.market asc
        ) as place
    from core.listing_snapshots as snapshots
    inner join {{ batch.staging_touched }} as touched
        on
            snapshots.source = touched.source
            and snapshots.listing = touched.listing
            and snapshots.zpid = touched.zpid
),

-- One text for all watched columns: quoting keeps 'a', null apart from null, 'a' and from 'null'.
days as (
    select
        source,
        listing,
        zpid,
        snapshot_date,
        price,
        home_status,
        home_type,
        bedrooms,
        bathrooms,
        living_area_sqft,
        cast(price as varchar(32))
        || ' ' || coalesce(quote_literal(home_status), 'null')
        || ' ' || coalesce(quote_literal(home_type), 'null')
        || ' ' || coalesce(cast(bedrooms as varchar(32)), 'null')
        || ' ' || coalesce(cast(bathrooms as varchar(32)), 'null')
        || ' ' || coalesce(cast(living_area_sqft as varchar(32)), 'null') as watched
    from ranked
    where place = 1
),

compared as (
    select
        source,
        listing,
        zpid,
        snapshot_date,
        price,
        home_status,
        home_type,
        bedrooms,
        bathrooms,
        living_area_sqft,
        watched,
        lag(watched) over (
            partition by source, listing, zpid
            order by snapshot_date
        ) as watched_before
    from days
),

numbered as (
    select
        source,
        listing,
        zpid,
        snapshot_date,
        price,
        home_status,
        home_type,
        bedrooms,
        bathrooms,
        living_area_sqft,
        sum(case when watched = watched_before then 0 else 1 end) over (
            partition by source, listing, zpid
            order by snapshot_date
            rows unbounded preceding
        ) as stretch
    from compared
),

stretches as (
    select
        source,
        listing,
        zpid,
        stretch,
        price,
        home_status,
        home_type,
        bedrooms,
        bathrooms,
        living_area_sqft,
        min(snapshot_date) as valid_from,
        max(snapshot_date) as last_seen_on,
        count(*) as days_seen
    from numbered
    group by
        source, listing, zpid, stretch, price, home_status, home_type, bedrooms, bathrooms, living_area_sqft
)

select
    source,
    zpid,
    valid_from,
    lead(valid_from) over (
        partition by source, listing, zpid
        order by valid_from
    ) as valid_to,
    price,
    home_status,
    home_type,
    bedrooms,
    bathrooms,
    living_area_sqft,
    last_seen_on,
    days_seen,
    listing
from stretches;

-- For the checks.
analyze core.listing_history;
