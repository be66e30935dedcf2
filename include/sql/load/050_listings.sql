-- load/050_listings.sql
-- What: builds the touched listings anew from their snapshots. One whose snapshots are all gone goes too.
--       A listing is as its last date has it, whenever that was observed: a run for an old date brings no
--       news. In two markets of a date it is as the newest observation has it; markets that were seen at the
--       same instant are told apart by name, so that the outcome never depends on the order.
-- Grain: as core.listings: source, listing, zpid.
-- Keys: the same.

delete from core.listings
using {{ batch.staging_touched }} as touched
where
    listings.source = touched.source
    and listings.listing = touched.listing
    and listings.zpid = touched.zpid;

insert into core.listings (
    source,
    market,
    snapshot_date,
    zpid,
    home_type,
    home_status,
    price,
    price_change,
    price_changed_at,
    zestimate,
    rent_zestimate,
    tax_assessed_value,
    bedrooms,
    bathrooms,
    living_area_sqft,
    lot_area_sqft,
    lot_area_unit,
    year_built,
    street_address,
    unit,
    city,
    state,
    zipcode,
    latitude,
    longitude,
    days_on_market,
    listed_at,
    is_new_home,
    is_open_house,
    is_foreclosure,
    is_auction,
    oddities,
    extract_id,
    observed_at,
    raw_key,
    raw_position,
    set_id,
    batch_id,
    loaded_at,
    listing,
    sold_at
)
with ranked as (
    select
        snapshots.source,
        snapshots.market,
        snapshots.snapshot_date,
        snapshots.zpid,
        snapshots.home_type,
        snapshots.home_status,
        snapshots.price,
        snapshots.price_change,
        snapshots.price_changed_at,
        snapshots.zestimate,
        snapshots.rent_zestimate,
        snapshots.tax_assessed_value,
        snapshots.bedrooms,
        snapshots.bathrooms,
        snapshots.living_area_sqft,
        snapshots.lot_area_sqft,
        snapshots.lot_area_unit,
        snapshots.year_built,
        snapshots.street_address,
        snapshots.unit,
        snapshots.city,
        snapshots.state,
        snapshots.zipcode,
        snapshots.latitude,
        snapshots.longitude,
        snapshots.days_on_market,
        snapshots.listed_at,
        snapshots.is_new_home,
        snapshots.is_open_house,
        snapshots.is_foreclosure,
        snapshots.is_auction,
        snapshots.oddities,
        snapshots.extract_id,
        snapshots.observed_at,
        snapshots.raw_key,
        snapshots.raw_position,
        snapshots.set_id,
        snapshots.batch_id,
        snapshots.loaded_at,
        snapshots.listing,
        snapshots.sold_at,
        row_number() over (
            partition by snapshots.source, snapshots.listing, snapshots.zpid
            order by
                snapshots.snapshot_date desc,
                snapshots.observed_at desc,
                snapshots.extract_id desc,
                snapshots.market asc
        ) as place
    from core.listing_snapshots as snapshots
    inner join {{ batch.staging_touched }} as touched
        on
            snapshots.source = touched.source
            and snapshots.listing = touched.listing
            and snapshots.zpid = touched.zpid
)

select
    source,
    market,
    snapshot_date,
    zpid,
    home_type,
    home_status,
    price,
    price_change,
    price_changed_at,
    zestimate,
    rent_zestimate,
    tax_assessed_value,
    bedrooms,
    bathrooms,
    living_area_sqft,
    lot_area_sqft,
    lot_area_unit,
    year_built,
    street_address,
    unit,
    city,
    state,
    zipcode,
    latitude,
    longitude,
    days_on_market,
    listed_at,
    is_new_home,
    is_open_house,
    is_foreclosure,
    is_auction,
    oddities,
    extract_id,
    observed_at,
    raw_key,
    raw_position,
    set_id,
    batch_id,
    loaded_at,
    listing,
    sold_at
from ranked
where place = 1;

-- For the checks.
analyze core.listings;
