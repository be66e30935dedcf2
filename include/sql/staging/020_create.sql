-- staging/020_create.sql
-- What: a batch's own staging tables, empty, so that no two batches share one; and a line in the register.
-- Grain: as ddl/002_staging_templates.sql has it.
-- Keys: the same.

create table {{ batch.staging_listings }} (like staging.listings);

create table {{ batch.staging_rejects }} (like staging.rejects);

create table {{ batch.staging_sets }} (like staging.sets);

insert into staging.batches (batch_id, created_at)
values ('{{ batch.batch_id }}', getdate());
