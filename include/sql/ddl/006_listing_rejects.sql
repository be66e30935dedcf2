-- ddl/006_listing_rejects.sql
-- What: the rows that could not be taken, with the reason, of every extraction loaded, superseded ones too.
--       Cleaning an extraction again replaces its rejects whole.
-- Grain: one row per source, market, snapshot_date, extract_id, raw_key and raw_position; a page that cannot
--       be read is one row with reason page_unreadable and no position.
-- Keys: the same.

create table core.listing_rejects (
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
    body varchar(65535),
    set_id varchar(256) not null,
    batch_id varchar(40) not null,
    loaded_at timestamp not null
)
diststyle even
compound sortkey (snapshot_date, source, market);
