-- marts/100_zestimate_gaps.sql
-- What: builds marts.zestimate_gaps anew for each market with a stale day, from its newest day.
-- Grain: as marts.zestimate_gaps: source, market, zpid.
-- Keys: the same.

delete from marts.zestimate_gaps
using stale_days
where
    zestimate_gaps.source = stale_days.source
    and zestimate_gaps.market = stale_days.market;

insert into marts.zestimate_gaps (
    source,
    market,
    zpid,
    snapshot_date,
    street_address,
    city,
    zipcode,
    home_type,
    price,
    zestimate,
    gap,
    gap_percent
)
with newest as (
    select
        held.source,
        held.market,
        max(held.snapshot_date) as snapshot_date
    from held_days as held
    inner join stale_markets as markets
        on
            held.source = markets.source
            and held.market = markets.market
    group by held.source, held.market
)

select
    figures.source,
    figures.market,
    figures.zpid,
    figures.snapshot_date,
    figures.street_address,
    figures.city,
    figures.zipcode,
    figures.home_type,
    figures.price,
    figures.zestimate,
    figures.price - figures.zestimate as gap,
    cast(figures.zestimate_gap as decimal(20, 2)) as gap_percent
from marts.listing_figures as figures
inner join newest
    on
        figures.source = newest.source
        and figures.market = newest.market
        and figures.snapshot_date = newest.snapshot_date
where
    figures.odd is null
    and figures.zestimate_gap is not null;
