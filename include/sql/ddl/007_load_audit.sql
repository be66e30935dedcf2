-- ddl/007_load_audit.sql
-- What: the ledger of loads. status is 'loaded' (the set is in the warehouse, or superseded by superseded_by)
--       or 'suspect' (a batch with the set failed: error says how). Loading a set again replaces its loaded
--       row. For a loaded set: landed = clean + rejected + duplicates + unreadable; clean = staged = accepted
--       + superseded; accepted = its rows in core.listing_snapshots now, also after a newer set came.
--       load_number counts the loads in the order of their commits; the clock does not (it can tie).
-- Grain: one row per set loaded, and one per set and failed attempt.
-- Keys: set_id among the loaded rows; (batch_id, set_id, recorded_at) among the suspect ones.

create table core.load_audit (
    batch_id varchar(40) not null,
    set_id varchar(256) not null,
    source varchar(32) not null,
    market varchar(128) not null,
    snapshot_date date not null,
    extract_id varchar(64) not null,
    transform_version varchar(64) not null,
    observed_at timestamp not null,
    status varchar(16) not null,
    landed bigint,
    clean bigint,
    rejected bigint,
    duplicates bigint,
    unreadable bigint,
    staged bigint,
    staged_rejects bigint,
    accepted bigint,
    superseded bigint,
    superseded_by varchar(256),
    error varchar(2000),
    run_id varchar(512),
    load_number bigint,
    recorded_at timestamp not null
)
diststyle all
compound sortkey (snapshot_date, source, market);
