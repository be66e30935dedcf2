-- marts/070_flows.sql
-- What: what came and went, in marts.market_by_day: of the stale days, of the days that follow one, and of days
--       that a listing was first seen on before or is now. First and last sightings of all days of the markets.
-- Grain of flow_days, gone_listings, come_listings and sightings: source, market, snapshot_date.
--       Of compared_listings: these and zpid.
-- Keys: the same.

create temp table flow_days as
with observed as (
    select
        coverage.source,
        coverage.market,
        coverage.snapshot_date,
        coverage.is_complete,
        lag(coverage.snapshot_date) over (
            partition by coverage.source, coverage.market
            order by coverage.snapshot_date
        ) as previous_date,
        lag(coverage.is_complete) over (
            partition by coverage.source, coverage.market
            order by coverage.snapshot_date
        ) as previous_is_complete
    from marts.coverage as coverage
    inner join stale_markets as markets
        on
            coverage.source = markets.source
            and coverage.market = markets.market
),

moved_firsts as (
    select
        source,
        market,
        first_before as snapshot_date
    from moved_listings
    where first_before <> coalesce(first_after, date '0001-01-01')
    union all
    select
        source,
        market,
        first_after as snapshot_date
    from moved_listings
    where first_after <> coalesce(first_before, date '0001-01-01')
),

firsts as (
    select distinct
        source,
        market,
        snapshot_date
    from moved_firsts
)

select
    observed.source,
    observed.market,
    observed.snapshot_date,
    observed.previous_date,
    observed.is_complete and coalesce(observed.previous_is_complete, false) as is_comparable
from observed
inner join marts.market_by_day as built
    on
        observed.source = built.source
        and observed.market = built.market
        and observed.snapshot_date = built.snapshot_date
left join stale_days as itself
    on
        observed.source = itself.source
        and observed.market = itself.market
        and observed.snapshot_date = itself.snapshot_date
left join stale_days as previous
    on
        observed.source = previous.source
        and observed.market = previous.market
        and observed.previous_date = previous.snapshot_date
left join firsts
    on
        observed.source = firsts.source
        and observed.market = firsts.market
        and observed.snapshot_date = firsts.snapshot_date
where
    itself.source is not null
    or previous.source is not null
    or firsts.source is not null
    or coalesce(built.previous_date, date '0001-01-01') <> coalesce(observed.previous_date, date '0001-01-01');

analyze flow_days;

-- Once for the days and those before them.
create temp table compared_listings as
with days as (
    select
        source,
        market,
        snapshot_date
    from flow_days
    where is_comparable
    union all
    select
        source,
        market,
        previous_date as snapshot_date
    from flow_days
    where is_comparable
),

compared_days as (
    select distinct
        source,
        market,
        snapshot_date
    from days
)

select
    snapshots.source,
    snapshots.market,
    snapshots.snapshot_date,
    snapshots.zpid
from core.listing_snapshots as snapshots
inner join compared_days
    on
        snapshots.source = compared_days.source
        and snapshots.market = compared_days.market
        and snapshots.snapshot_date = compared_days.snapshot_date;

analyze compared_listings;

update marts.market_by_day
set
    previous_date = flow_days.previous_date,
    new_listings = case when flow_days.is_comparable then 0 end,
    gone_listings = case when flow_days.is_comparable then 0 end,
    back_listings = case when flow_days.is_comparable then 0 end
from flow_days
where
    market_by_day.source = flow_days.source
    and market_by_day.market = flow_days.market
    and market_by_day.snapshot_date = flow_days.snapshot_date;

-- Neither listed nor rejected on the day itself: a broken row is no house that left the market.
create temp table gone_listings as
select
    flow_days.source,
    flow_days.market,
    flow_days.snapshot_date,
    count(*) as listings
from flow_days
inner join held_days as held
    on
        flow_days.source = held.source
        and flow_days.market = held.market
        and flow_days.snapshot_date = held.snapshot_date
inner join compared_listings as earlier
    on
        flow_days.source = earlier.source
        and flow_days.market = earlier.market
        and flow_days.previous_date = earlier.snapshot_date
left join compared_listings as today
    on
        earlier.source = today.source
        and earlier.market = today.market
        and flow_days.snapshot_date = today.snapshot_date
        and earlier.zpid = today.zpid
left join core.listing_rejects as rejects
    on
        held.source = rejects.source
        and held.market = rejects.market
        and held.snapshot_date = rejects.snapshot_date
        and held.extract_id = rejects.extract_id
        and cast(earlier.zpid as varchar(64)) = rejects.zpid
where
    flow_days.is_comparable
    and today.zpid is null
    and rejects.zpid is null
group by flow_days.source, flow_days.market, flow_days.snapshot_date;

update marts.market_by_day
set gone_listings = gone.listings
from gone_listings as gone
where
    market_by_day.source = gone.source
    and market_by_day.market = gone.market
    and market_by_day.snapshot_date = gone.snapshot_date;

create temp table come_listings as
select
    flow_days.source,
    flow_days.market,
    flow_days.snapshot_date,
    sum(case when presence.first_seen_on = flow_days.snapshot_date then 1 else 0 end) as new_listings,
    sum(case when presence.first_seen_on < flow_days.snapshot_date then 1 else 0 end) as back_listings
from flow_days
inner join held_days as held
    on
        flow_days.source = held.source
        and flow_days.market = held.market
        and flow_days.previous_date = held.snapshot_date
inner join compared_listings as today
    on
        flow_days.source = today.source
        and flow_days.market = today.market
        and flow_days.snapshot_date = today.snapshot_date
inner join marts.listing_presence as presence
    on
        today.source = presence.source
        and today.market = presence.market
        and today.zpid = presence.zpid
left join compared_listings as earlier
    on
        today.source = earlier.source
        and today.market = earlier.market
        and flow_days.previous_date = earlier.snapshot_date
        and today.zpid = earlier.zpid
left join core.listing_rejects as rejects
    on
        held.source = rejects.source
        and held.market = rejects.market
        and held.snapshot_date = rejects.snapshot_date
        and held.extract_id = rejects.extract_id
        and cast(today.zpid as varchar(64)) = rejects.zpid
where
    flow_days.is_comparable
    and earlier.zpid is null
    and rejects.zpid is null
group by flow_days.source, flow_days.market, flow_days.snapshot_date;

update marts.market_by_day
set
    new_listings = come.new_listings,
    back_listings = come.back_listings
from come_listings as come
where
    market_by_day.source = come.source
    and market_by_day.market = come.market
    and market_by_day.snapshot_date = come.snapshot_date;

create temp table sightings as
with firsts as (
    select
        source,
        market,
        first_seen_on,
        count(*) as listings
    from marts.listing_presence
    group by source, market, first_seen_on
),

lasts as (
    select
        source,
        market,
        last_seen_on,
        count(*) as listings
    from marts.listing_presence
    group by source, market, last_seen_on
)

select
    days.source,
    days.market,
    days.snapshot_date,
    coalesce(firsts.listings, 0) as first_seen,
    coalesce(lasts.listings, 0) as last_seen
from marts.market_by_day as days
inner join stale_markets as markets
    on
        days.source = markets.source
        and days.market = markets.market
left join firsts
    on
        days.source = firsts.source
        and days.market = firsts.market
        and days.snapshot_date = firsts.first_seen_on
left join lasts
    on
        days.source = lasts.source
        and days.market = lasts.market
        and days.snapshot_date = lasts.last_seen_on;

analyze sightings;

update marts.market_by_day
set
    first_seen = sightings.first_seen,
    last_seen = sightings.last_seen
from sightings
where
    market_by_day.source = sightings.source
    and market_by_day.market = sightings.market
    and market_by_day.snapshot_date = sightings.snapshot_date
    and (market_by_day.first_seen <> sightings.first_seen or market_by_day.last_seen <> sightings.last_seen);
