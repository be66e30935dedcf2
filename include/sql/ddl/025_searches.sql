-- ddl/025_searches.sql
-- What: what each set searched for: sale, rent or sold. A home for sale and for rent is two listings, each with a
--       price, a history and cuts of its own. A market is of one search, so that what is kept by market needs no
--       other key. All that was loaded before was for sale, which is what the default says. A rent has no yield, and
--       no gap to what the home is estimated to be worth; public.zillowdata has the homes for sale alone.
-- Grain: of core.listings: source, listing and zpid. Of core.listing_history: these and stretch of observed days. Of
--       marts.price_cuts: these and seen_on. Of all others as before.
-- Keys: core.listings (source, listing, zpid), core.listing_history (source, listing, zpid, valid_from),
--       marts.price_cuts (source, listing, zpid, seen_on).

alter table staging.sets add column listing varchar(8) default 'sale' not null;

alter table core.load_audit add column listing varchar(8) default 'sale' not null;

alter table core.listing_snapshots add column listing varchar(8) default 'sale' not null;

alter table core.listings add column listing varchar(8) default 'sale' not null;

alter table core.listing_history add column listing varchar(8) default 'sale' not null;

alter table marts.coverage add column listing varchar(8) default 'sale' not null;

alter table marts.market_by_day add column listing varchar(8) default 'sale' not null;

alter table marts.zip_by_day add column listing varchar(8) default 'sale' not null;

alter table marts.price_cuts add column listing varchar(8) default 'sale' not null;

drop view marts.listing_figures;

create view marts.listing_figures as
select
    source,
    market,
    listing,
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
        when price > 0 and rent_zestimate > 0 and listing <> 'rent'
            then cast(cast(rent_zestimate * 12 as decimal(16, 2)) / price as decimal(20, 6))
    end as rent_yield,
    case
        when zestimate > 0 and listing <> 'rent'
            then cast(cast((price - zestimate) * 100 as decimal(18, 2)) / zestimate as decimal(20, 4))
    end as zestimate_gap
from core.listing_snapshots;

grant select on marts.listing_figures to reader;

create or replace view public.zillowdata as
select
    bathrooms,
    bedrooms,
    city,
    home_status as homestatus,
    home_type as hometype,
    living_area_sqft as livingarea,
    price,
    rent_zestimate as rentzestimate,
    zipcode
from core.listings
where listing = 'sale';
