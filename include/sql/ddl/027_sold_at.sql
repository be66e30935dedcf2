-- ddl/027_sold_at.sql
-- What: when a home was last sold, as the API says; null for what was loaded before. Last in staging, where COPY goes
--       by position.
-- Grain: as staging.listings, core.listing_snapshots and core.listings have it.
-- Keys: the same.

alter table staging.listings add column sold_at timestamp;

alter table core.listing_snapshots add column sold_at timestamp;

alter table core.listings add column sold_at timestamp;
