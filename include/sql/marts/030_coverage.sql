-- marts/030_coverage.sql
-- What: builds the stale days of marts.coverage.
-- Grain: as marts.coverage: source, market, snapshot_date.
-- Keys: the same.

delete from marts.coverage
using stale_days
where
    coverage.source = stale_days.source
    and coverage.market = stale_days.market
    and coverage.snapshot_date = stale_days.snapshot_date;

insert into marts.coverage (
    source,
    market,
    snapshot_date,
    market_name,
    set_id,
    load_number,
    run_id,
    observed_at,
    pages_read,
    pages_claimed,
    listings_claimed,
    listings_seen,
    coverage_share,
    is_complete,
    on_pages,
    clean,
    rejected,
    duplicates,
    unreadable,
    loaded,
    not_listings,
    listing
)
select
    held.source,
    held.market,
    held.snapshot_date,
    held.market_name,
    held.set_id,
    held.load_number,
    held.run_id,
    held.observed_at,
    held.pages_read,
    held.pages_claimed,
    held.listings_claimed,
    seen.listings_seen,
    case
        when held.listings_claimed = 0 then 1
        when held.listings_claimed > 0
            then cast(
                cast(seen.listings_seen + held.not_listings as decimal(18, 0)) / held.listings_claimed
                as decimal(18, 6)
            )
    end as coverage_share,
    seen.is_complete,
    held.landed as on_pages,
    held.clean,
    held.rejected,
    held.duplicates,
    held.unreadable,
    held.accepted as loaded,
    held.not_listings,
    held.listing
from held_days as held
inner join seen_days as seen
    on
        held.source = seen.source
        and held.market = seen.market
        and held.snapshot_date = seen.snapshot_date;

analyze marts.coverage;
