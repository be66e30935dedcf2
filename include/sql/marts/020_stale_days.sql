-- marts/020_stale_days.sql
-- What: which days of which markets must be built: those whose set or load differs from what marts.coverage was
--       built from, and those that are held no more. The ledger decides, so no wake can be missed.
-- Grain of held_days: source, market, snapshot_date, with the set that holds it in core. Of stale_days: the same.
--       Of stale_markets: source, market.
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
