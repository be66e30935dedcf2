-- mart_checks/040_sightings.sql
-- What: markets in which first or last sightings by day do not add up to the listings ever seen there.
-- Grain: one row per source and market that differs.
-- Keys: the same.

with ever as (
    select
        presence.source,
        presence.market,
        count(*) as listings
    from marts.listing_presence as presence
    inner join stale_markets as markets
        on
            presence.source = markets.source
            and presence.market = markets.market
    group by presence.source, presence.market
),

by_day as (
    select
        days.source,
        days.market,
        sum(days.first_seen) as first_seen,
        sum(days.last_seen) as last_seen
    from marts.market_by_day as days
    inner join stale_markets as markets
        on
            days.source = markets.source
            and days.market = markets.market
    group by days.source, days.market
)

select
    by_day.source,
    by_day.market,
    coalesce(ever.listings, 0) as listings,
    by_day.first_seen,
    by_day.last_seen
from by_day
left join ever
    on
        by_day.source = ever.source
        and by_day.market = ever.market
where
    by_day.first_seen <> coalesce(ever.listings, 0)
    or by_day.last_seen <> coalesce(ever.listings, 0);
