-- ddl/021_jumps.sql
-- What: changes of a market from one observed day to the next that are larger than markets usually move, with
--       what may explain them. They are marked in the report and fail nothing.
-- Grain of marts.jumps: source, market, snapshot_date, measure.
-- Keys: the same.

create table marts.jumps (
    source varchar(32) not null,
    market varchar(128) not null,
    snapshot_date date not null,
    measure varchar(32) not null,
    previous_date date not null,
    value_before decimal(18, 2) not null,
    value_after decimal(18, 2) not null,
    change_share decimal(18, 6) not null,
    explanation varchar(512) not null
)
diststyle all
compound sortkey (source, market, snapshot_date);

grant select on marts.jumps to reader;
