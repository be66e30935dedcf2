-- ddl/018_zip_by_day.sql
-- What: a ZIP code of a market on a day; listings without one stand under 'unknown'. Coverage is the market's.
-- Grain of marts.zip_by_day: source, market, zipcode, snapshot_date.
-- Keys: the same.

create table marts.zip_by_day (
    source varchar(32) not null,
    market varchar(128) not null,
    zipcode varchar(16) not null,
    snapshot_date date not null,
    active bigint not null,
    measured bigint not null,
    price_count bigint not null,
    price_p25 decimal(14, 2),
    price_median decimal(14, 2),
    price_p75 decimal(14, 2),
    price_sqft_count bigint not null,
    price_sqft_p25 decimal(18, 2),
    price_sqft_median decimal(18, 2),
    price_sqft_p75 decimal(18, 2),
    rent_yield_count bigint not null,
    rent_yield_p25 decimal(20, 6),
    rent_yield_median decimal(20, 6),
    rent_yield_p75 decimal(20, 6),
    price_cut_share decimal(9, 6),
    listings_seen bigint not null,
    listings_claimed bigint,
    is_complete boolean not null
)
diststyle even
compound sortkey (snapshot_date, source, market);

grant select on marts.zip_by_day to reader;
