-- mart_checks/010_bounds.sql
-- What: figures that cannot be: shares outside 0 to 1, quartiles out of order, more values than listings, odd
--       listings that do not make up the difference between active and measured, comings and goings beyond what
--       there is. Evidence is a row of marts.market_by_day.
-- Grain: one row per source, market and snapshot_date that breaks a bound.
-- Keys: the same.

select
    days.source,
    days.market,
    days.snapshot_date,
    days.active,
    days.measured,
    days.price_count,
    days.price_p25,
    days.price_median,
    days.price_p75,
    days.price_cut_share,
    days.new_listings,
    days.gone_listings,
    days.back_listings
from marts.market_by_day as days
inner join stale_days
    on
        days.source = stale_days.source
        and days.market = stale_days.market
        and days.snapshot_date = stale_days.snapshot_date
where
    days.measured + days.excluded_price_zero + days.excluded_rent_like + days.excluded_plot <> days.active
    or days.price_count <> days.measured
    or days.price_sqft_count > days.measured
    or days.rent_yield_count > days.measured
    or days.days_on_market_count > days.measured
    or days.zestimate_gap_count > days.measured
    or days.under_zestimate + days.over_zestimate > days.zestimate_gap_count
    or days.price_p25 > days.price_median
    or days.price_median > days.price_p75
    or days.price_p25 <= 0
    or days.price_sqft_p25 > days.price_sqft_median
    or days.price_sqft_median > days.price_sqft_p75
    or days.rent_yield_p25 > days.rent_yield_median
    or days.rent_yield_median > days.rent_yield_p75
    or days.days_on_market_p25 > days.days_on_market_median
    or days.days_on_market_median > days.days_on_market_p75
    or days.price_cut_share not between 0 and 1
    or days.first_seen > days.active
    or days.last_seen > days.active
    or days.new_listings > days.first_seen
    or days.new_listings + days.back_listings > days.active
    or (days.is_complete and coalesce(days.coverage_share, 0) < 1);
