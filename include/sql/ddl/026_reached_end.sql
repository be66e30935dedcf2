-- ddl/026_reached_end.sql
-- What: whether a set ends where the market does: at an empty page, at the last page that the API claims or shows; else
--       our page limit ended it, and more may be behind it. Null: loaded before this was kept.
-- Grain: as staging.sets and core.load_audit have it.
-- Keys: the same.

alter table staging.sets add column reached_end boolean;

alter table core.load_audit add column reached_end boolean;
