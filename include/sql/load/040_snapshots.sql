-- load/040_snapshots.sql
-- What: replaces the days that the batch's winning sets hold, whole: what the day had before goes, also
--       listings that the new set no longer has. Sets that lost their day leave no row, nor does a day that
--       nobody holds.
-- Grain: as core.listing_snapshots: source, market, snapshot_date, zpid.
-- Keys: the same.

delete from core.listing_snapshots
using {{ batch.staging_winners }} as winners
where
    listing_snapshots.source = winners.source
    and listing_snapshots.market = winners.market
    and listing_snapshots.snapshot_date = winners.snapshot_date
    and (winners.is_new or listing_snapshots.set_id <> coalesce(winners.set_id, ''));

insert into core.listing_snapshots (
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
select
    staged.source,
    staged.market,
    staged.snapshot_date,
    staged.zpid,
    staged.home_type,
    staged.home_status,
    staged.price,
    staged.price_change,
    staged.price_changed_at,
    staged.zestimate,
    staged.rent_zestimate,
    staged.tax_assessed_value,
    staged.bedrooms,
    staged.bathrooms,
    staged.living_area_sqft,
    staged.lot_area_sqft,
    staged.lot_area_unit,
    staged.year_built,
    staged.street_address,
    staged.unit,
    staged.city,
    staged.state,
    staged.zipcode,
    staged.latitude,
    staged.longitude,
    staged.days_on_market,
    staged.listed_at,
    staged.is_new_home,
    staged.is_open_house,
    staged.is_foreclosure,
    staged.is_auction,
    staged.oddities,
    staged.extract_id,
    staged.observed_at,
    staged.raw_key,
    staged.raw_position,
    winners.set_id,
    '{{ batch.batch_id }}' as batch_id,
    getdate() as loaded_at,
    batch_sets.listing,
    staged.sold_at
from {{ batch.staging_listings }} as staged
inner join {{ batch.staging_winners }} as winners
    on
        staged.source = winners.source
        and staged.market = winners.market
        and staged.snapshot_date = winners.snapshot_date
        and staged.extract_id = winners.extract_id
inner join {{ batch.staging_sets }} as batch_sets
    on winners.set_id = batch_sets.set_id
where winners.is_new;

-- The planner takes an unanalysed table for a small one. Redshift skips this when little has changed.
analyze core.listing_snapshots;
