-- report/030_days.sql
-- What: the observed days of every market within the span, with the pages read.
-- Grain: as marts.market_by_day: source, market, snapshot_date.
-- Keys: the same.

select
    days.source,
    days.market,
    days.snapshot_date,
    days.market_name,
    days.previous_date,
    days.active,
    days.measured,
    days.excluded_price_zero,
    days.excluded_rent_like,
    days.excluded_plot,
    days.price_count,
    days.price_p25,
    days.price_median,
    days.price_p75,
    days.price_sqft_count,
    days.price_sqft_p25,
    days.price_sqft_median,
    days.price_sqft_p75,
    days.rent_yield_count,
    days.rent_yield_p25,
    days.rent_yield_median,
    days.rent_yield_p75,
    days.days_on_market_count,
    days.days_on_market_p25,
    days.days_on_market_median,
    days.days_on_market_p75,
    days.zestimate_gap_count,
    days.zestimate_gap_p25,
    days.zestimate_gap_median,
    days.zestimate_gap_p75,
    days.price_cut_share,
    days.under_zestimate,
    days.over_zestimate,
    days.first_seen,
    days.last_seen,
    days.new_listings,
    days.gone_listings,
    days.back_listings,
    days.listings_seen,
    days.listings_claimed,
    days.coverage_share,
    days.is_complete,
    coverage.pages_read,
    coverage.pages_claimed,
    coverage.on_pages,
    coverage.clean,
    coverage.rejected,
    coverage.duplicates,
    coverage.not_listings,
    coverage.unreadable,
    coverage.loaded
from marts.market_by_day as days
inner join marts.coverage as coverage
    on
        days.source = coverage.source
        and days.market = coverage.market
        and days.snapshot_date = coverage.snapshot_date
inner join report_span
    on
        days.snapshot_date > report_span.after_date
        and days.snapshot_date <= report_span.up_to_date
order by days.source, days.market, days.snapshot_date;
