-- mart_checks/020_sums_against_core.sql
-- What: days of which the marts count other listings than core has: in coverage, market by day, and over ZIP codes.
-- Grain: one row per source, market and snapshot_date that differs.
-- Keys: the same.

with kept as (
    select
        snapshots.source,
        snapshots.market,
        snapshots.snapshot_date,
        count(*) as listings
    from core.listing_snapshots as snapshots
    inner join stale_days
        on
            snapshots.source = stale_days.source
            and snapshots.market = stale_days.market
            and snapshots.snapshot_date = stale_days.snapshot_date
    group by snapshots.source, snapshots.market, snapshots.snapshot_date
),

zips as (
    select
        zip_by_day.source,
        zip_by_day.market,
        zip_by_day.snapshot_date,
        sum(zip_by_day.active) as listings,
        sum(zip_by_day.measured) as measured
    from marts.zip_by_day
    inner join stale_days
        on
            zip_by_day.source = stale_days.source
            and zip_by_day.market = stale_days.market
            and zip_by_day.snapshot_date = stale_days.snapshot_date
    group by zip_by_day.source, zip_by_day.market, zip_by_day.snapshot_date
)

select
    coverage.source,
    coverage.market,
    coverage.snapshot_date,
    coalesce(kept.listings, 0) as in_core,
    coverage.loaded,
    days.active,
    coalesce(zips.listings, 0) as in_zips,
    days.measured,
    coalesce(zips.measured, 0) as measured_in_zips
from marts.coverage as coverage
inner join stale_days
    on
        coverage.source = stale_days.source
        and coverage.market = stale_days.market
        and coverage.snapshot_date = stale_days.snapshot_date
left join marts.market_by_day as days
    on
        coverage.source = days.source
        and coverage.market = days.market
        and coverage.snapshot_date = days.snapshot_date
left join kept
    on
        coverage.source = kept.source
        and coverage.market = kept.market
        and coverage.snapshot_date = kept.snapshot_date
left join zips
    on
        coverage.source = zips.source
        and coverage.market = zips.market
        and coverage.snapshot_date = zips.snapshot_date
where
    coalesce(kept.listings, 0) <> coverage.loaded
    or coverage.loaded <> coverage.clean
    or coverage.on_pages
    <> coverage.clean
    + coverage.rejected
    + coverage.duplicates
    + coverage.not_listings
    + coverage.unreadable
    or coalesce(days.active, -1) <> coverage.loaded
    or coalesce(zips.listings, 0) <> coverage.loaded
    or coalesce(zips.measured, 0) <> coalesce(days.measured, 0);
