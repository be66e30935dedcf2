-- marts/060_market_by_day.sql
-- What: builds the stale days of marts.market_by_day, but for what depends on other days (marts/070_flows.sql).
-- Grain: as marts.market_by_day: source, market, snapshot_date.
--       Of market_measures and market_counts: the same.
-- Keys: the same.

-- A measure a row: Redshift takes one order for all sorting aggregates of a query.
create temp table market_measures as
with measured_values as (
    select
        source,
        market,
        snapshot_date,
        'price' as measure,
        cast(price as decimal(24, 6)) as amount
    from stale_listings
    where odd is null
    union all
    select
        source,
        market,
        snapshot_date,
        'price_sqft' as measure,
        cast(price_sqft as decimal(24, 6)) as amount
    from stale_listings
    where odd is null and price_sqft is not null
    union all
    select
        source,
        market,
        snapshot_date,
        'rent_yield' as measure,
        cast(rent_yield as decimal(24, 6)) as amount
    from stale_listings
    where odd is null and rent_yield is not null
    union all
    select
        source,
        market,
        snapshot_date,
        'days_on_market' as measure,
        cast(days_on_market as decimal(24, 6)) as amount
    from stale_listings
    where odd is null and days_on_market is not null
    union all
    select
        source,
        market,
        snapshot_date,
        'zestimate_gap' as measure,
        cast(zestimate_gap as decimal(24, 6)) as amount
    from stale_listings
    where odd is null and zestimate_gap is not null
),

quartiles as (
    select
        source,
        market,
        snapshot_date,
        measure,
        count(*) as listings,
        percentile_cont(0.25) within group (order by amount) as p25,
        percentile_cont(0.5) within group (order by amount) as median,
        percentile_cont(0.75) within group (order by amount) as p75
    from measured_values
    group by source, market, snapshot_date, measure
)

select
    source,
    market,
    snapshot_date,
    max(case when measure = 'price' then listings end) as price_count,
    cast(max(case when measure = 'price' then p25 end) as decimal(14, 2)) as price_p25,
    cast(max(case when measure = 'price' then median end) as decimal(14, 2)) as price_median,
    cast(max(case when measure = 'price' then p75 end) as decimal(14, 2)) as price_p75,
    max(case when measure = 'price_sqft' then listings end) as price_sqft_count,
    cast(max(case when measure = 'price_sqft' then p25 end) as decimal(18, 2)) as price_sqft_p25,
    cast(max(case when measure = 'price_sqft' then median end) as decimal(18, 2)) as price_sqft_median,
    cast(max(case when measure = 'price_sqft' then p75 end) as decimal(18, 2)) as price_sqft_p75,
    max(case when measure = 'rent_yield' then listings end) as rent_yield_count,
    cast(max(case when measure = 'rent_yield' then p25 end) as decimal(20, 6)) as rent_yield_p25,
    cast(max(case when measure = 'rent_yield' then median end) as decimal(20, 6)) as rent_yield_median,
    cast(max(case when measure = 'rent_yield' then p75 end) as decimal(20, 6)) as rent_yield_p75,
    max(case when measure = 'days_on_market' then listings end) as days_on_market_count,
    cast(max(case when measure = 'days_on_market' then p25 end) as decimal(12, 2)) as days_on_market_p25,
    cast(max(case when measure = 'days_on_market' then median end) as decimal(12, 2)) as days_on_market_median,
    cast(max(case when measure = 'days_on_market' then p75 end) as decimal(12, 2)) as days_on_market_p75,
    max(case when measure = 'zestimate_gap' then listings end) as zestimate_gap_count,
    cast(max(case when measure = 'zestimate_gap' then p25 end) as decimal(20, 2)) as zestimate_gap_p25,
    cast(max(case when measure = 'zestimate_gap' then median end) as decimal(20, 2)) as zestimate_gap_median,
    cast(max(case when measure = 'zestimate_gap' then p75 end) as decimal(20, 2)) as zestimate_gap_p75
from quartiles
group by source, market, snapshot_date;

create temp table market_counts as
select
    source,
    market,
    snapshot_date,
    count(*) as active,
    sum(case when odd is null then 1 else 0 end) as measured,
    sum(case when odd = 'price_zero' then 1 else 0 end) as price_zero,
    sum(case when odd = 'rent_like_price' then 1 else 0 end) as rent_like,
    sum(case when odd = 'plot' then 1 else 0 end) as plot,
    sum(case when odd is null and zestimate_gap is not null and price < zestimate then 1 else 0 end) as under_zestimate,
    sum(case when odd is null and zestimate_gap is not null and price > zestimate then 1 else 0 end) as over_zestimate,
    sum(case when odd is null and price_change < 0 then 1 else 0 end) as with_cut
from stale_listings
group by source, market, snapshot_date;

-- Tables of their own, with statistics: a planner that takes them for a row each would compute them once a row.
analyze market_measures;

analyze market_counts;

delete from marts.market_by_day
using stale_days
where
    market_by_day.source = stale_days.source
    and market_by_day.market = stale_days.market
    and market_by_day.snapshot_date = stale_days.snapshot_date;

insert into marts.market_by_day (
    source,
    market,
    snapshot_date,
    market_name,
    active,
    measured,
    excluded_price_zero,
    excluded_rent_like,
    excluded_plot,
    price_count,
    price_p25,
    price_median,
    price_p75,
    price_sqft_count,
    price_sqft_p25,
    price_sqft_median,
    price_sqft_p75,
    rent_yield_count,
    rent_yield_p25,
    rent_yield_median,
    rent_yield_p75,
    days_on_market_count,
    days_on_market_p25,
    days_on_market_median,
    days_on_market_p75,
    zestimate_gap_count,
    zestimate_gap_p25,
    zestimate_gap_median,
    zestimate_gap_p75,
    price_cut_share,
    under_zestimate,
    over_zestimate,
    first_seen,
    last_seen,
    listings_seen,
    listings_claimed,
    coverage_share,
    is_complete,
    listing
)
select
    coverage.source,
    coverage.market,
    coverage.snapshot_date,
    coverage.market_name,
    coalesce(counts.active, 0) as active,
    coalesce(counts.measured, 0) as measured,
    coalesce(counts.price_zero, 0) as excluded_price_zero,
    coalesce(counts.rent_like, 0) as excluded_rent_like,
    coalesce(counts.plot, 0) as excluded_plot,
    coalesce(figures.price_count, 0) as price_count,
    figures.price_p25,
    figures.price_median,
    figures.price_p75,
    coalesce(figures.price_sqft_count, 0) as price_sqft_count,
    figures.price_sqft_p25,
    figures.price_sqft_median,
    figures.price_sqft_p75,
    coalesce(figures.rent_yield_count, 0) as rent_yield_count,
    figures.rent_yield_p25,
    figures.rent_yield_median,
    figures.rent_yield_p75,
    coalesce(figures.days_on_market_count, 0) as days_on_market_count,
    figures.days_on_market_p25,
    figures.days_on_market_median,
    figures.days_on_market_p75,
    coalesce(figures.zestimate_gap_count, 0) as zestimate_gap_count,
    figures.zestimate_gap_p25,
    figures.zestimate_gap_median,
    figures.zestimate_gap_p75,
    case
        when counts.measured > 0
            then cast(cast(counts.with_cut as decimal(18, 0)) / counts.measured as decimal(9, 6))
    end as price_cut_share,
    coalesce(counts.under_zestimate, 0) as under_zestimate,
    coalesce(counts.over_zestimate, 0) as over_zestimate,
    0 as first_seen,
    0 as last_seen,
    coverage.listings_seen,
    coverage.listings_claimed,
    coverage.coverage_share,
    coverage.is_complete,
    coverage.listing
from marts.coverage as coverage
inner join stale_days
    on
        coverage.source = stale_days.source
        and coverage.market = stale_days.market
        and coverage.snapshot_date = stale_days.snapshot_date
left join market_counts as counts
    on
        coverage.source = counts.source
        and coverage.market = counts.market
        and coverage.snapshot_date = counts.snapshot_date
left join market_measures as figures
    on
        coverage.source = figures.source
        and coverage.market = figures.market
        and coverage.snapshot_date = figures.snapshot_date;

analyze marts.market_by_day;
