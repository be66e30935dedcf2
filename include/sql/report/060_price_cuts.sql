-- report/060_price_cuts.sql
-- What: the price cuts seen on each market's newest day within the span, of
--       listings that it shows, also those that another market shows too.
-- Grain: source, market, zpid.
-- Keys: the same.

select
    newest.source,
    newest.market,
    cuts.zpid,
    cuts.price_before,
    cuts.price_after,
    cuts.cut_percent,
    cuts.changed_at,
    cuts.known_by
from newest_days as newest
inner join marts.price_cuts as cuts
    on
        newest.source = cuts.source
        and newest.listing = cuts.listing
        and newest.snapshot_date = cuts.seen_on
inner join shown_listings as listings
    on
        newest.source = listings.source
        and newest.market = listings.market
        and newest.snapshot_date = listings.snapshot_date
        and cuts.zpid = listings.zpid;
