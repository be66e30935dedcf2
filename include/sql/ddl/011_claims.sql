-- ddl/011_claims.sql
-- What: what the API said exists, beside what was seen: without it nobody can say what left the market. And the
--       market as the person who asked for it wrote it. Null: loaded before this was kept, or the API did not say.
-- Grain: as staging.sets and core.load_audit have it.
-- Keys: the same.

alter table staging.sets add column market_name varchar(512);

alter table staging.sets add column pages_read integer;

alter table staging.sets add column pages_claimed integer;

alter table staging.sets add column listings_claimed bigint;

alter table core.load_audit add column market_name varchar(512);

alter table core.load_audit add column pages_read integer;

alter table core.load_audit add column pages_claimed integer;

alter table core.load_audit add column listings_claimed bigint;
