-- report/050_listings.sql
-- What: the listings of each market's newest day within the span, with whether
--       they were listed on the market's observed day before it.
-- Grain: source, market, zpid.
-- Keys: the same.

select
    listings.source,
    listings.market,
    listings.zpid,
    listings.street_address,
    listings.city,
    listings.zipcode,
    listings.home_type,
    listings.latitude,
    listings.longitude,
    listings.bedrooms,
    listings.bathrooms,
    listings.living_area_sqft,
    listings.listed_at,
    listings.price,
    listings.zestimate,
    listings.odd,
    listings.price_sqft,
    listings.gap_percent,
    presence.first_seen_on,
    coalesce(earlier.zpid is not null, false) as was_listed_before
from newest_days as newest
inner join shown_listings as listings
    on
        newest.source = listings.source
        and newest.market = listings.market
        and newest.snapshot_date = listings.snapshot_date
inner join marts.listing_presence as presence
    on
        listings.source = presence.source
        and listings.market = presence.market
        and listings.zpid = presence.zpid
left join shown_listings as earlier
    on
        listings.source = earlier.source
        and listings.market = earlier.market
        and newest.previous_date = earlier.snapshot_date
        and listings.zpid = earlier.zpid
order by listings.source, listings.market, listings.zpid;
