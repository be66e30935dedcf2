-- ddl/016_listing_presence.sql
-- What: when each listing was first and last seen in a market.
-- Grain of marts.listing_presence: source, market, zpid.
-- Keys: the same.

create table marts.listing_presence (
    source varchar(32) not null,
    market varchar(128) not null,
    zpid bigint not null,
    first_seen_on date not null,
    last_seen_on date not null
)
diststyle key
distkey (zpid)
compound sortkey (source, market, zpid);

grant select on marts.listing_presence to reader;
