-- ddl/030_build_lock.sql
-- What: what a build of the marts locks, so that one builds at a time. Always empty, and none of the reader's tables: a
--       lock waits for whoever reads the table, and a dashboard may hold its transaction open for days.
-- Grain of core.build_lock: none.
-- Keys: none.

create table core.build_lock (
    build_number bigint
)
diststyle all;
