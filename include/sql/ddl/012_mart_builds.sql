-- ddl/012_mart_builds.sql
-- What: the ledger of the marts' builds; a build that found nothing to do leaves no row.
-- Grain of marts.builds: one row per build; partitions counts the days of markets that it built anew.
-- Keys: build_number.

create table marts.builds (
    build_number bigint not null,
    run_id varchar(512) not null,
    partitions bigint not null,
    built_at timestamp not null
)
diststyle all;

grant select on marts.builds to reader;
