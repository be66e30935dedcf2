-- load/010_lock.sql
-- What: lets one load at a time into core. The transaction's first statement, so that what it then reads is
--       what the load before it committed.
-- Grain: none.
-- Keys: none.

lock core.load_audit;
