-- ddl/024_not_listings.sql
-- What: how many rows of a set its adapter names as no listings (buildings, groups of units), each once: landed =
--       clean + rejected + duplicates + not_listings + unreadable. 0: loaded before they were counted apart.
-- Grain: as staging.sets, core.load_audit and marts.coverage have it.
-- Keys: the same.

alter table staging.sets add column not_listings bigint default 0 not null;

alter table core.load_audit add column not_listings bigint default 0 not null;

alter table marts.coverage add column not_listings bigint default 0 not null;
