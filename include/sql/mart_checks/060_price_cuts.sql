-- mart_checks/060_price_cuts.sql
-- What: price cuts that are none: no lower price, a percent outside 0 to 100, or a price that core does not have.
-- Grain: one row per source, listing, zpid and seen_on.
-- Keys: the same.

select
    cuts.source,
    cuts.listing,
    cuts.zpid,
    cuts.seen_on,
    cuts.price_before,
    cuts.price_after,
    cuts.cut_percent
from marts.price_cuts as cuts
inner join stale_days
    on
        cuts.source = stale_days.source
        and cuts.market = stale_days.market
        and cuts.seen_on = stale_days.snapshot_date
left join core.listing_snapshots as snapshots
    on
        cuts.source = snapshots.source
        and cuts.listing = snapshots.listing
        and cuts.market = snapshots.market
        and cuts.zpid = snapshots.zpid
        and cuts.seen_on = snapshots.snapshot_date
where
    cuts.price_after <= 0
    or cuts.cut <= 0
    or cuts.price_before - cuts.price_after <> cuts.cut
    or cuts.cut_percent not between 0 and 100
    or coalesce(snapshots.price, -1) <> cuts.price_after;
