-- report/080_zips.sql
-- What: the ZIP codes of each market's newest day within the span.
-- Grain: source, market, zipcode.
-- Keys: the same.

select
    zips.source,
    zips.market,
    zips.zipcode,
    zips.active,
    zips.measured,
    zips.price_count,
    zips.price_p25,
    zips.price_median,
    zips.price_p75,
    zips.price_sqft_count,
    zips.price_sqft_p25,
    zips.price_sqft_median,
    zips.price_sqft_p75,
    zips.rent_yield_count,
    zips.rent_yield_p25,
    zips.rent_yield_median,
    zips.rent_yield_p75,
    zips.price_cut_share
from newest_days as newest
inner join marts.zip_by_day as zips
    on
        newest.source = zips.source
        and newest.market = zips.market
        and newest.snapshot_date = zips.snapshot_date
order by zips.source asc, zips.market asc, zips.active desc, zips.zipcode asc;
