-- marts/020_stale_days.sql
-- What: which days of which markets must be built: those whose set or load differs from what marts.coverage was
--       built from, and those that are held no more. The ledger decides, so no wake can be missed.
-- Grain of held_days: source, market, snapshot_date, with the set that holds it in core. Of stale_days and seen_days:
--       the same. Of stale_markets: source, market. Of stale_listings: source, market, snapshot_date, zpid.
-- Keys: the same.

create temp table held_days as
select
    source,
    market,
    snapshot_date,
    listing,
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
    not_listings,
    unreadable,
    staged_rejects,
    reached_end,
    accepted
from core.load_audit
where
    status = 'loaded'
    and verdict = 'holds';

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

-- What the holder of each stale day saw, each listing once: it may be rejected twice, or rejected and clean. A reject
-- without a zpid is some listing, but nobody can say which: such a day cannot say what left the market.
create temp table seen_days as
with rejected as (
    select
        held.source,
        held.market,
        held.snapshot_date,
        count(distinct case when snapshots.zpid is null then rejects.zpid end) as only_rejected,
        sum(case when rejects.zpid is null and rejects.reason <> 'page_unreadable' then 1 else 0 end) as without_zpid
    from held_days as held
    inner join stale_days
        on
            held.source = stale_days.source
            and held.market = stale_days.market
            and held.snapshot_date = stale_days.snapshot_date
    inner join core.listing_rejects as rejects
        on
            held.source = rejects.source
            and held.market = rejects.market
            and held.snapshot_date = rejects.snapshot_date
            and held.extract_id = rejects.extract_id
    left join core.listing_snapshots as snapshots
        on
            rejects.source = snapshots.source
            and rejects.market = snapshots.market
            and rejects.snapshot_date = snapshots.snapshot_date
            and rejects.zpid = cast(snapshots.zpid as varchar(64))
    group by held.source, held.market, held.snapshot_date
),

counted as (
    select
        held.source,
        held.market,
        held.snapshot_date,
        held.listings_claimed,
        held.not_listings,
        held.clean + coalesce(rejected.only_rejected, 0) + coalesce(rejected.without_zpid, 0) as listings_seen,
        (
            coalesce(held.reached_end, true)
            and held.unreadable = 0
            and held.staged_rejects = held.rejected
            and coalesce(rejected.without_zpid, 0) = 0
        ) as is_readable_to_the_end
    from held_days as held
    inner join stale_days
        on
            held.source = stale_days.source
            and held.market = stale_days.market
            and held.snapshot_date = stale_days.snapshot_date
    left join rejected
        on
            held.source = rejected.source
            and held.market = rejected.market
            and held.snapshot_date = rejected.snapshot_date
)

select
    source,
    market,
    snapshot_date,
    listings_seen,
    (
        is_readable_to_the_end
        and listings_seen > 0
        -- An API counts the buildings and groups that it shows among what it claims.
        and coalesce(listings_seen + not_listings >= listings_claimed, false)
    ) as is_complete
from counted;

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
