-- report/050_listings.sql
-- What: the listings of each market's newest day within the span, with whether
--       they were listed on the market's observed day before it.
-- Grain: source, market, zpid.
-- Keys: the same.

select
    figures.source,
    figures.market,
    figures.zpid,
    figures.street_address,
    figures.city,
    figures.zipcode,
    figures.home_type,
    figures.latitude,
    figures.longitude,
    figures.bedrooms,
    figures.bathrooms,
    figures.living_area_sqft,
    figures.listed_at,
    figures.price,
    figures.zestimate,
    figures.odd,
    cast(figures.price_sqft as decimal(18, 2)) as price_sqft,
    cast(figures.zestimate_gap as decimal(20, 2)) as gap_percent,
    presence.first_seen_on,
    coalesce(earlier.zpid is not null, false) as was_listed_before
from newest_days as newest
inner join marts.market_by_day as days
    on
        newest.source = days.source
        and newest.market = days.market
        and newest.snapshot_date = days.snapshot_date
inner join marts.listing_figures as figures
    on
        newest.source = figures.source
        and newest.market = figures.market
        and newest.snapshot_date = figures.snapshot_date
inner join marts.listing_presence as presence
    on
        figures.source = presence.source
        and figures.market = presence.market
        and figures.zpid = presence.zpid
left join core.listing_snapshots as earlier
    on
        figures.source = earlier.source
        and figures.market = earlier.market
        and days.previous_date = earlier.snapshot_date
        and figures.zpid = earlier.zpid
order by figures.source, figures.market, figures.zpid;
