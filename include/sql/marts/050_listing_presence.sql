-- marts/050_listing_presence.sql
-- What: when each listing was first and last seen, from the stale days and what was known. A first or last
--       sighting that its day no longer has is looked up anew in all snapshots; all others only stretch.
-- Grain of moved_listings: source, market and zpid whose sightings changed, with what was and what is (null: none).
-- Keys: the same.

create temp table moved_listings as
with sightings as (
    select
        source,
        market,
        zpid,
        min(snapshot_date) as first_on,
        max(snapshot_date) as last_on
    from stale_listings
    group by source, market, zpid
),

lost as (
    select distinct
        known.source,
        known.market,
        known.zpid
    from marts.listing_presence as known
    inner join stale_days
        on
            known.source = stale_days.source
            and known.market = stale_days.market
            and (known.first_seen_on = stale_days.snapshot_date or known.last_seen_on = stale_days.snapshot_date)
    left join stale_listings as listings
        on
            known.source = listings.source
            and known.market = listings.market
            and known.zpid = listings.zpid
            and stale_days.snapshot_date = listings.snapshot_date
    where listings.zpid is null
),

looked_up as (
    select
        lost.source,
        lost.market,
        lost.zpid,
        min(snapshots.snapshot_date) as first_on,
        max(snapshots.snapshot_date) as last_on
    from lost
    left join core.listing_snapshots as snapshots
        on
            lost.source = snapshots.source
            and lost.market = snapshots.market
            and lost.zpid = snapshots.zpid
    group by lost.source, lost.market, lost.zpid
),

stretched as (
    select
        sightings.source,
        sightings.market,
        sightings.zpid,
        known.first_seen_on as first_before,
        known.last_seen_on as last_before,
        least(sightings.first_on, coalesce(known.first_seen_on, sightings.first_on)) as first_after,
        greatest(sightings.last_on, coalesce(known.last_seen_on, sightings.last_on)) as last_after
    from sightings
    left join marts.listing_presence as known
        on
            sightings.source = known.source
            and sightings.market = known.market
            and sightings.zpid = known.zpid
    left join lost
        on
            sightings.source = lost.source
            and sightings.market = lost.market
            and sightings.zpid = lost.zpid
    where lost.zpid is null
)

select
    source,
    market,
    zpid,
    first_before,
    last_before,
    first_after,
    last_after
from stretched
where
    first_before is null
    or first_before <> first_after
    or last_before <> last_after
union all
select
    looked_up.source,
    looked_up.market,
    looked_up.zpid,
    known.first_seen_on as first_before,
    known.last_seen_on as last_before,
    looked_up.first_on as first_after,
    looked_up.last_on as last_after
from looked_up
inner join marts.listing_presence as known
    on
        looked_up.source = known.source
        and looked_up.market = known.market
        and looked_up.zpid = known.zpid;

analyze moved_listings;

delete from marts.listing_presence
using moved_listings
where
    listing_presence.source = moved_listings.source
    and listing_presence.market = moved_listings.market
    and listing_presence.zpid = moved_listings.zpid;

insert into marts.listing_presence (
    source,
    market,
    zpid,
    first_seen_on,
    last_seen_on
)
select
    source,
    market,
    zpid,
    first_after,
    last_after
from moved_listings
where first_after is not null;

analyze marts.listing_presence;
