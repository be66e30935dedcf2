-- ddl/014_coverage.sql
-- What: how much of a market was seen of what the API said exists, and where the day's listings went: on_pages =
--       clean + rejected + duplicates + unreadable. load_number tells which load the day was built from.
-- Grain of marts.coverage: source, market, snapshot_date.
-- Keys: the same.

create table marts.coverage (
    source varchar(32) not null,
    market varchar(128) not null,
    snapshot_date date not null,
    market_name varchar(512) not null,
    set_id varchar(256) not null,
    load_number bigint not null,
    run_id varchar(512),
    observed_at timestamp not null,
    pages_read integer,
    pages_claimed integer,
    listings_claimed bigint,
    listings_seen bigint not null,
    coverage_share decimal(18, 6),
    is_complete boolean not null,
    on_pages bigint not null,
    clean bigint not null,
    rejected bigint not null,
    duplicates bigint not null,
    unreadable bigint not null,
    loaded bigint not null
)
diststyle all
compound sortkey (source, market, snapshot_date);

grant select on marts.coverage to reader;
