-- staging/020_create.sql
-- What: a batch's own staging tables, empty, so that no two batches share one; and a line in the register.
-- Grain: as ddl/002_staging_templates.sql and ddl/023_which_set_holds.sql have it.
-- Keys: the same.

create table {{ batch.staging_listings }} (like staging.listings);

create table {{ batch.staging_rejects }} (like staging.rejects);

create table {{ batch.staging_sets }} (like staging.sets);

create table {{ batch.staging_days }} (like staging.days);

create table {{ batch.staging_exclusions }} (like staging.exclusions);

insert into staging.batches (batch_id, created_at)
values ('{{ batch.batch_id }}', getdate());
