-- marts/020_stale_days.sql
-- What: which days of which markets must be built: those whose set or load differs from what marts.coverage was
--       built from, and those that are held no more. The ledger decides, so no wake can be missed.
-- Grain of held_days: source, market, snapshot_date, with the set that holds it in core. Of stale_days: the same.
--       Of stale_markets: source, market. Of stale_listings: source, market, snapshot_date, zpid.
-- Keys: the same.

create temp table held_days as
select
    source,
    market,
    snapshot_date,
    coalesce(market_name, market) as market_name,
    set_id,
    extract_id,
    load_number,
    run_id,
    observed_at,
    pages_read,
    pages_claimed,
    listings_claimed,
    landed,
    clean,
    rejected,
    duplicates,
    unreadable,
    accepted,
    clean + rejected as listings_seen,
    (
        coalesce(clean + rejected >= listings_claimed, false)
        and unreadable = 0
        and staged_rejects = rejected
    ) as is_complete
from core.load_audit
where
    status = 'loaded'
    and superseded_by is null;

create temp table stale_days as
select
    coalesce(held.source, built.source) as source,
    coalesce(held.market, built.market) as market,
    coalesce(held.snapshot_date, built.snapshot_date) as snapshot_date
from held_days as held
full outer join marts.coverage as built
    on
        held.source = built.source
        and held.market = built.market
        and held.snapshot_date = built.snapshot_date
where
    held.set_id is null
    or built.set_id is null
    or held.set_id <> built.set_id
    or held.load_number <> built.load_number;

analyze held_days;

analyze stale_days;

create temp table stale_markets as
select distinct
    source,
    market
from stale_days;

-- Once: each look into all snapshots is a scan where nothing is sorted.
create temp table stale_listings as
select
    figures.source,
    figures.market,
    figures.zpid,
    figures.snapshot_date,
    figures.zipcode,
    figures.odd,
    figures.price,
    figures.price_sqft,
    figures.rent_yield,
    figures.days_on_market,
    figures.zestimate_gap,
    figures.price_change,
    figures.zestimate
from marts.listing_figures as figures
inner join stale_days
    on
        figures.source = stale_days.source
        and figures.market = stale_days.market
        and figures.snapshot_date = stale_days.snapshot_date;

analyze stale_listings;
