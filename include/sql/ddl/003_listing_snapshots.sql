-- ddl/003_listing_snapshots.sql
-- What: every listing of every day, as the newest set of that source, market and day has it. A day of a
--       market is replaced whole, and core.listings and core.listing_history follow from here alone.
-- Grain: one row per source, market, snapshot_date and zpid.
-- Keys: (source, market, snapshot_date, zpid); raw_key and raw_position say which raw row it came from.

create table core.listing_snapshots (
    source varchar(32) not null,
    market varchar(128) not null,
    snapshot_date date not null,
    zpid bigint not null,
    home_type varchar(32),
    home_status varchar(32),
    price decimal(14, 2) not null,
    price_change decimal(14, 2),
    price_changed_at timestamp,
    zestimate decimal(14, 2),
    rent_zestimate decimal(14, 2),
    tax_assessed_value decimal(14, 2),
    bedrooms decimal(5, 1),
    bathrooms decimal(5, 1),
    living_area_sqft decimal(12, 2),
    lot_area_sqft decimal(16, 2),
    lot_area_unit varchar(16),
    year_built integer,
    street_address varchar(512),
    unit varchar(64),
    city varchar(128),
    state varchar(32),
    zipcode varchar(16),
    latitude decimal(9, 6),
    longitude decimal(9, 6),
    days_on_market integer,
    listed_at timestamp,
    is_new_home boolean not null,
    is_open_house boolean not null,
    is_foreclosure boolean not null,
    is_auction boolean not null,
    oddities varchar(256),
    extract_id varchar(64) not null,
    observed_at timestamp not null,
    raw_key varchar(1024) not null,
    raw_position integer not null,
    set_id varchar(256) not null,
    batch_id varchar(40) not null,
    loaded_at timestamp not null
)
diststyle key
distkey (zpid)
compound sortkey (snapshot_date, source, market);
