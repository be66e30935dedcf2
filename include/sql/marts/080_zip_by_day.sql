-- marts/080_zip_by_day.sql
-- What: builds the stale days of marts.zip_by_day.
-- Grain: as marts.zip_by_day: source, market, zipcode, snapshot_date.
--       Of zip_measures and zip_counts: the same.
-- Keys: the same.

-- A measure a row: Redshift takes one order for all sorting aggregates of a query.
create temp table zip_measures as
with measured_values as (
    select
        source,
        market,
        coalesce(zipcode, 'unknown') as zipcode,
        snapshot_date,
        'price' as measure,
        cast(price as decimal(24, 6)) as amount
    from stale_listings
    where odd is null
    union all
    select
        source,
        market,
        coalesce(zipcode, 'unknown') as zipcode,
        snapshot_date,
        'price_sqft' as measure,
        cast(price_sqft as decimal(24, 6)) as amount
    from stale_listings
    where odd is null and price_sqft is not null
    union all
    select
        source,
        market,
        coalesce(zipcode, 'unknown') as zipcode,
        snapshot_date,
        'rent_yield' as measure,
        cast(rent_yield as decimal(24, 6)) as amount
    from stale_listings
    where odd is null and rent_yield is not null
),

quartiles as (
    select
        source,
        market,
        zipcode,
        snapshot_date,
        measure,
        count(*) as listings,
        percentile_cont(0.25) within group (order by amount) as p25,
        percentile_cont(0.5) within group (order by amount) as median,
        percentile_cont(0.75) within group (order by amount) as p75
    from measured_values
    group by source, market, zipcode, snapshot_date, measure
)

select
    source,
    market,
    zipcode,
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
    cast(max(case when measure = 'rent_yield' then p75 end) as decimal(20, 6)) as rent_yield_p75
from quartiles
group by source, market, zipcode, snapshot_date;

create temp table zip_counts as
select
    source,
    market,
    coalesce(zipcode, 'unknown') as zipcode,
    snapshot_date,
    count(*) as active,
    sum(case when odd is null then 1 else 0 end) as measured,
    sum(case when odd is null and price_change < 0 then 1 else 0 end) as with_cut
from stale_listings
group by source, market, coalesce(zipcode, 'unknown'), snapshot_date;

-- Tables of their own, with statistics: a planner that takes them for a row each would compute them once a row.
analyze zip_measures;

analyze zip_counts;

delete from marts.zip_by_day
using stale_days
where
    zip_by_day.source = stale_days.source
    and zip_by_day.market = stale_days.market
    and zip_by_day.snapshot_date = stale_days.snapshot_date;

insert into marts.zip_by_day (
    source,
    market,
    zipcode,
    snapshot_date,
    active,
    measured,
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
    price_cut_share,
    listings_seen,
    listings_claimed,
    is_complete,
    listing
)
select
    counts.source,
    counts.market,
    counts.zipcode,
    counts.snapshot_date,
    counts.active,
    counts.measured,
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
    case
        when counts.measured > 0
            then cast(cast(counts.with_cut as decimal(18, 0)) / counts.measured as decimal(9, 6))
    end as price_cut_share,
    coverage.listings_seen,
    coverage.listings_claimed,
    coverage.is_complete,
    coverage.listing
from zip_counts as counts
inner join marts.coverage as coverage
    on
        counts.source = coverage.source
        and counts.market = coverage.market
        and counts.snapshot_date = coverage.snapshot_date
left join zip_measures as figures
    on
        counts.source = figures.source
        and counts.market = figures.market
        and counts.zipcode = figures.zipcode
        and counts.snapshot_date = figures.snapshot_date;

analyze marts.zip_by_day;
