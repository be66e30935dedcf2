-- ddl/013_listing_figures.sql
-- What: the figures of each listing that the marts' medians are of, and what is odd about it: odd is null for a
--       listing that is measured, else the first of price_zero, rent_like_price and plot that holds. The flags
--       are the transform's; see docs/marts.md for the rule.
-- Grain: as core.listing_snapshots: source, market, snapshot_date, zpid.
-- Keys: the same.

create view marts.listing_figures as
select
    source,
    market,
    snapshot_date,
    zpid,
    home_type,
    home_status,
    street_address,
    city,
    zipcode,
    latitude,
    longitude,
    bedrooms,
    bathrooms,
    living_area_sqft,
    listed_at,
    price,
    price_change,
    price_changed_at,
    zestimate,
    rent_zestimate,
    days_on_market,
    extract_id,
    observed_at,
    case
        when strpos(coalesce(oddities, ''), 'price_zero') > 0 then 'price_zero'
        when strpos(coalesce(oddities, ''), 'rent_like_price') > 0 then 'rent_like_price'
        when strpos(coalesce(oddities, ''), 'plot') > 0 then 'plot'
    end as odd,
    case
        when living_area_sqft > 0 then cast(price / living_area_sqft as decimal(18, 4))
    end as price_sqft,
    case
        when price > 0 and rent_zestimate > 0
            then cast(cast(rent_zestimate * 12 as decimal(16, 2)) / price as decimal(20, 6))
    end as rent_yield,
    case
        when zestimate > 0 then cast(cast((price - zestimate) * 100 as decimal(18, 2)) / zestimate as decimal(20, 4))
    end as zestimate_gap
from core.listing_snapshots;

grant select on marts.listing_figures to reader;
