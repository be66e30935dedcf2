-- staging/010_drop.sql
-- What: removes a batch's staging tables: leftovers before it is staged again, or after its load.
-- Grain: none.
-- Keys: none.

drop table if exists {{ batch.staging_listings }};

drop table if exists {{ batch.staging_rejects }};

drop table if exists {{ batch.staging_sets }};

drop table if exists {{ batch.staging_days }};

drop table if exists {{ batch.staging_exclusions }};

drop table if exists {{ batch.staging_winners }};

drop table if exists {{ batch.staging_touched }};

delete from staging.batches
where batch_id = '{{ batch.batch_id }}';
