-- ddl/022_seen_once.sql
-- What: forgets which days the marts are built for, so that all are built anew: listings_seen counted a listing that
--       was rejected twice as two, and a day with a reject without a zpid as seen whole.
-- Grain: as marts.coverage.
-- Keys: the same.

delete from marts.coverage;
