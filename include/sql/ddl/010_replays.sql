-- ddl/010_replays.sql
-- What: by which replay a set came, so that a set that is loaded already can be loaded again on purpose, and
--       only once per replay. Null: it came by itself.
-- Grain: as staging.sets and core.load_audit have it.
-- Keys: the same.

alter table staging.sets add column replay varchar(64);

alter table core.load_audit add column replay varchar(64);
