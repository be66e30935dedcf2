-- marts/110_jumps.sql
-- What: marks jumps, of all days of the markets with a stale day: a median price that moved by more than a
--       quarter, or listings that moved by more than half, from the observed day earlier.
-- Grain: as marts.jumps: source, market, snapshot_date, measure.
-- Keys: the same.

delete from marts.jumps
using stale_days
where
    jumps.source = stale_days.source
    and jumps.market = stale_days.market;

insert into marts.jumps (
    source,
    market,
    snapshot_date,
    measure,
    previous_date,
    value_before,
    value_after,
    change_share,
    explanation
)
with pairs as (
    select
        days.source,
        days.market,
        days.snapshot_date,
        days.previous_date,
        days.listings_seen,
        earlier.listings_seen as seen_before,
        days.price_count,
        earlier.price_count as count_before,
        days.price_median,
        earlier.price_median as median_before,
        days.active,
        earlier.active as active_before
    from marts.market_by_day as days
    inner join stale_markets as markets
        on
            days.source = markets.source
            and days.market = markets.market
    inner join marts.market_by_day as earlier
        on
            days.source = earlier.source
            and days.market = earlier.market
            and days.previous_date = earlier.snapshot_date
),

changes as (
    select
        source,
        market,
        snapshot_date,
        previous_date,
        listings_seen,
        seen_before,
        price_count,
        count_before,
        'price_median' as measure,
        cast(median_before as decimal(18, 2)) as value_before,
        cast(price_median as decimal(18, 2)) as value_after
    from pairs
    where median_before > 0 and price_median is not null
    union all
    select
        source,
        market,
        snapshot_date,
        previous_date,
        listings_seen,
        seen_before,
        price_count,
        count_before,
        'active' as measure,
        cast(active_before as decimal(18, 2)) as value_before,
        cast(active as decimal(18, 2)) as value_after
    from pairs
    where active_before > 0
),

shares as (
    select
        source,
        market,
        snapshot_date,
        previous_date,
        listings_seen,
        seen_before,
        price_count,
        count_before,
        measure,
        value_before,
        value_after,
        cast((value_after - value_before) / value_before as decimal(18, 6)) as change_share
    from changes
)

select
    source,
    market,
    snapshot_date,
    measure,
    previous_date,
    value_before,
    value_after,
    change_share,
    case
        when datediff(day, previous_date, snapshot_date) > 1
            then cast(datediff(day, previous_date, snapshot_date) as varchar(16)) || ' days lie between the two'
        when measure = 'active'
            then
                'the API showed ' || cast(listings_seen as varchar(20)) || ' listings after '
                || cast(seen_before as varchar(20))
        when price_count < 20 or count_before < 20
            then
                'the median is of few listings, ' || cast(price_count as varchar(20)) || ' after '
                || cast(count_before as varchar(20)) || ', so that single ones weigh much'
        when abs(listings_seen - seen_before) * 4 > seen_before
            then
                'the API showed ' || cast(listings_seen as varchar(20)) || ' listings after '
                || cast(seen_before as varchar(20)) || ', so that others are compared'
        else 'nothing here explains it: look at the listings'
    end as explanation
from shares
where
    (measure = 'price_median' and abs(change_share) > 0.25)
    or (measure = 'active' and abs(change_share) > 0.5);
