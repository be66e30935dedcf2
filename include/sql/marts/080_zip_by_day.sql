-- marts/080_zip_by_day.sql
-- What: builds the stale days of marts.zip_by_day.
-- Grain: as marts.zip_by_day: source, market, zipcode, snapshot_date.
-- Keys: the same.

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
    is_complete
)
with listings as (
    select
        figures.source,
        figures.market,
        coalesce(figures.zipcode, 'unknown') as zipcode,
        figures.snapshot_date,
        figures.odd,
        figures.price,
        figures.price_sqft,
        figures.rent_yield,
        figures.price_change
    from marts.listing_figures as figures
    inner join stale_days
        on
            figures.source = stale_days.source
            and figures.market = stale_days.market
            and figures.snapshot_date = stale_days.snapshot_date
),

-- A measure a row: Redshift takes one order for all sorting aggregates of a query.
measured_values as (
    select
        source,
        market,
        zipcode,
        snapshot_date,
        'price' as measure,
        cast(price as decimal(24, 6)) as amount
    from listings
    where odd is null
    union all
    select
        source,
        market,
        zipcode,
        snapshot_date,
        'price_sqft' as measure,
        cast(price_sqft as decimal(24, 6)) as amount
    from listings
    where odd is null and price_sqft is not null
    union all
    select
        source,
        market,
        zipcode,
        snapshot_date,
        'rent_yield' as measure,
        cast(rent_yield as decimal(24, 6)) as amount
    from listings
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
),

measures as (
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
    group by source, market, zipcode, snapshot_date
),

counts as (
    select
        source,
        market,
        zipcode,
        snapshot_date,
        count(*) as active,
        sum(case when odd is null then 1 else 0 end) as measured,
        sum(case when odd is null and price_change < 0 then 1 else 0 end) as with_cut
    from listings
    group by source, market, zipcode, snapshot_date
)

select
    counts.source,
    counts.market,
    counts.zipcode,
    counts.snapshot_date,
    counts.active,
    counts.measured,
    coalesce(measures.price_count, 0) as price_count,
    measures.price_p25,
    measures.price_median,
    measures.price_p75,
    coalesce(measures.price_sqft_count, 0) as price_sqft_count,
    measures.price_sqft_p25,
    measures.price_sqft_median,
    measures.price_sqft_p75,
    coalesce(measures.rent_yield_count, 0) as rent_yield_count,
    measures.rent_yield_p25,
    measures.rent_yield_median,
    measures.rent_yield_p75,
    case
        when counts.measured > 0
            then cast(cast(counts.with_cut as decimal(18, 0)) / counts.measured as decimal(9, 6))
    end as price_cut_share,
    coverage.listings_seen,
    coverage.listings_claimed,
    coverage.is_complete
from counts
inner join marts.coverage as coverage
    on
        counts.source = coverage.source
        and counts.market = coverage.market
        and counts.snapshot_date = coverage.snapshot_date
left join measures
    on
        counts.source = measures.source
        and counts.market = measures.market
        and counts.zipcode = measures.zipcode
        and counts.snapshot_date = measures.snapshot_date;
