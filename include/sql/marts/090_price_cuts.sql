-- marts/090_price_cuts.sql
-- What: prices that fell. Which fell follows from all of core.listing_history, a row per change and so short, and
--       from what the API states of listings that come up for the first time; only rows of listings of the stale
--       days, and those that are no longer or not yet there, are written.
-- Grain of cut_listings: source, zpid, whatever it was searched for. Of all_cuts: source, listing, zpid, seen_on.
-- Keys: the same.

create temp table cut_listings as
with touched as (
    select
        source,
        zpid
    from stale_listings
    union all
    select
        source,
        zpid
    from moved_listings
    union all
    select
        cuts.source,
        cuts.zpid
    from marts.price_cuts as cuts
    inner join stale_days
        on
            cuts.source = stale_days.source
            and cuts.market = stale_days.market
            and cuts.seen_on = stale_days.snapshot_date
)

select distinct
    source,
    zpid
from touched;

analyze cut_listings;

-- Rent-like prices are those of docs/marts.md: the flag stands in the snapshots, its rule holds here.
create temp table all_cuts as
with stretches as (
    select
        source,
        listing,
        zpid,
        valid_from,
        price,
        home_status,
        home_type,
        lag(price) over (
            partition by source, listing, zpid
            order by valid_from
        ) as price_before,
        lag(home_status) over (
            partition by source, listing, zpid
            order by valid_from
        ) as status_before
    from core.listing_history
)

select
    source,
    listing,
    zpid,
    valid_from as seen_on,
    price_before,
    price as price_after
from stretches
where
    price < price_before
    and price > 0
    and (price >= 10000 or coalesce(home_status, '') <> 'FOR_SALE' or home_type = 'LOT')
    and (price_before >= 10000 or coalesce(status_before, '') <> 'FOR_SALE' or home_type = 'LOT')
    -- From a price to a rent is no cut.
    and (
        (home_status = 'FOR_RENT' and status_before = 'FOR_RENT')
        or (coalesce(home_status, '') <> 'FOR_RENT' and coalesce(status_before, '') <> 'FOR_RENT')
    );

analyze all_cuts;

delete from marts.price_cuts
using cut_listings
where
    price_cuts.source = cut_listings.source
    and price_cuts.zpid = cut_listings.zpid;

delete from marts.price_cuts
where
    known_by = 'observed'
    and not exists (
        select 1
        from all_cuts
        where
            all_cuts.source = price_cuts.source
            and all_cuts.listing = price_cuts.listing
            and all_cuts.zpid = price_cuts.zpid
            and all_cuts.seen_on = price_cuts.seen_on
            and all_cuts.price_before = price_cuts.price_before
            and all_cuts.price_after = price_cuts.price_after
    );

insert into marts.price_cuts (
    source,
    zpid,
    seen_on,
    market,
    street_address,
    city,
    zipcode,
    home_type,
    price_before,
    price_after,
    cut,
    cut_percent,
    changed_at,
    known_by,
    listing
)
with firsts as (
    select
        history.source,
        history.listing,
        history.zpid,
        min(history.valid_from) as seen_on
    from core.listing_history as history
    inner join cut_listings
        on
            history.source = cut_listings.source
            and history.zpid = cut_listings.zpid
    group by history.source, history.listing, history.zpid
),

missing as (
    select
        cuts.source,
        cuts.listing,
        cuts.zpid,
        cuts.seen_on,
        cuts.price_before
    from all_cuts as cuts
    left join marts.price_cuts as kept
        on
            cuts.source = kept.source
            and cuts.listing = kept.listing
            and cuts.zpid = kept.zpid
            and cuts.seen_on = kept.seen_on
    where kept.zpid is null
    union all
    select
        source,
        listing,
        zpid,
        seen_on,
        cast(null as decimal(14, 2)) as price_before
    from firsts
),

ranked as (
    select
        missing.source,
        missing.listing,
        missing.zpid,
        missing.seen_on,
        snapshots.market,
        snapshots.street_address,
        snapshots.city,
        snapshots.zipcode,
        snapshots.home_type,
        snapshots.home_status,
        snapshots.price,
        snapshots.price_changed_at,
        coalesce(missing.price_before, snapshots.price - snapshots.price_change) as price_before,
        case when missing.price_before is null then 'stated' else 'observed' end as known_by,
        row_number() over (
            partition by missing.source, missing.listing, missing.zpid, missing.seen_on
            order by snapshots.observed_at desc, snapshots.extract_id desc, snapshots.market asc
        ) as place
    from missing
    inner join core.listing_snapshots as snapshots
        on
            missing.source = snapshots.source
            and missing.listing = snapshots.listing
            and missing.zpid = snapshots.zpid
            and missing.seen_on = snapshots.snapshot_date
)

select
    source,
    zpid,
    seen_on,
    market,
    street_address,
    city,
    zipcode,
    home_type,
    price_before,
    price as price_after,
    price_before - price as cut,
    cast(cast((price_before - price) * 100 as decimal(18, 2)) / price_before as decimal(9, 2)) as cut_percent,
    price_changed_at as changed_at,
    known_by,
    listing
from ranked
where
    place = 1
    and price_before > price
    and price > 0
    and (price >= 10000 or coalesce(home_status, '') <> 'FOR_SALE' or home_type = 'LOT')
    and (
        price_before >= 10000 or coalesce(home_status, '') <> 'FOR_SALE' or home_type = 'LOT' or known_by = 'observed'
    );

analyze marts.price_cuts;
