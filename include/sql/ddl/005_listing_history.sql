-- ddl/005_listing_history.sql
-- What: how each listing changed from day to day. Watched are price, home_status, home_type, bedrooms,
--       bathrooms and living_area_sqft: what the seller states. Estimates are not, since a model moves them
--       for every house at once; they stand day by day in core.listing_snapshots.
--       valid_from is the first day seen so, valid_to the first day seen otherwise (exclusive), null when
--       that has not been seen; last_seen_on and days_seen tell how far the stretch was observed, since days
--       without an extraction, and days after a listing left the market, belong to the stretch before them.
-- Grain: one row per source, zpid and stretch of observed days in which the watched columns did not differ;
--       a day seen in two markets counts once, as its newest observation has it.
-- Keys: (source, zpid, valid_from).

create table core.listing_history (
    source varchar(32) not null,
    zpid bigint not null,
    valid_from date not null,
    valid_to date,
    price decimal(14, 2) not null,
    home_status varchar(32),
    home_type varchar(32),
    bedrooms decimal(5, 1),
    bathrooms decimal(5, 1),
    living_area_sqft decimal(12, 2),
    last_seen_on date not null,
    days_seen integer not null
)
diststyle key
distkey (zpid)
compound sortkey (source, zpid, valid_from);
