-- ddl/015_rejects_by_day.sql
-- What: why listings of the day's set were rejected.
-- Grain of marts.rejects_by_day: source, market, snapshot_date, reason.
-- Keys: the same.

create table marts.rejects_by_day (
    source varchar(32) not null,
    market varchar(128) not null,
    snapshot_date date not null,
    reason varchar(64) not null,
    rejects bigint not null
)
diststyle all
compound sortkey (snapshot_date, source, market);

grant select on marts.rejects_by_day to reader;
