-- ddl/002_staging_templates.sql
-- What: the shapes that each batch's staging tables are made like, always empty, and the register of batches
--       now staged. listings and rejects have the contract's columns in the contract's order: COPY of Parquet
--       goes by position. sets states what the batch's _SUCCESS.json files say.
-- Grain of staging.listings: source, market, snapshot_date, zpid. Of staging.rejects: raw_key, raw_position.
--       Of staging.sets: set. Of staging.batches: batch.
-- Keys: the same; not enforced, so checks/050_unique_keys.sql looks.

create table staging.listings (
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
    raw_position integer not null
)
diststyle key
distkey (zpid);

create table staging.rejects (
    source varchar(32) not null,
    market varchar(128) not null,
    snapshot_date date not null,
    extract_id varchar(64) not null,
    observed_at timestamp not null,
    raw_key varchar(1024) not null,
    raw_position integer,
    zpid varchar(64),
    reason varchar(64) not null,
    detail varchar(1024) not null,
    body varchar(65535)
)
diststyle even;

create table staging.sets (
    set_id varchar(256) not null,
    source varchar(32) not null,
    market varchar(128) not null,
    snapshot_date date not null,
    extract_id varchar(64) not null,
    transform_version varchar(64) not null,
    observed_at timestamp not null,
    landed bigint not null,
    clean bigint not null,
    rejected bigint not null,
    duplicates bigint not null,
    unreadable bigint not null,
    pages_unreadable bigint not null,
    batch_id varchar(40) not null,
    run_id varchar(512) not null
)
diststyle all;

create table staging.batches (
    batch_id varchar(40) not null,
    created_at timestamp not null
)
diststyle all;
