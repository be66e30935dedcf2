-- report/020_newest_days.sql
-- What: the newest observed day of each market within the span, the observed day before it, and the listings of
--       both, looked up once: each look into all snapshots is a scan where nothing is sorted.
-- Grain of newest_days: source, market. Of shown_listings: source, market, snapshot_date, zpid.
-- Keys: the same.

create temp table newest_days as
with newest as (
    select
        days.source,
        days.market,
        max(days.snapshot_date) as snapshot_date
    from marts.market_by_day as days
    inner join report_span
        on
            days.snapshot_date > report_span.after_date
            and days.snapshot_date <= report_span.up_to_date
    group by days.source, days.market
)

select
    days.source,
    days.market,
    days.listing,
    days.snapshot_date,
    days.previous_date
from newest
inner join marts.market_by_day as days
    on
        newest.source = days.source
        and newest.market = days.market
        and newest.snapshot_date = days.snapshot_date;

create temp table shown_listings as
with shown_days as (
    select
        source,
        market,
        snapshot_date
    from newest_days
    union all
    select
        source,
        market,
        previous_date as snapshot_date
    from newest_days
    where previous_date is not null
)

select
    figures.source,
    figures.market,
    figures.snapshot_date,
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
    cast(figures.zestimate_gap as decimal(20, 2)) as gap_percent
from marts.listing_figures as figures
inner join shown_days
    on
        figures.source = shown_days.source
        and figures.market = shown_days.market
        and figures.snapshot_date = shown_days.snapshot_date;

analyze newest_days;

analyze shown_listings;
