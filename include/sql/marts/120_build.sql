-- marts/120_build.sql
-- What: writes the build down, if it had anything to do.
-- Grain: as marts.builds: one row per build.
-- Keys: build_number.

insert into marts.builds (
    build_number,
    run_id,
    partitions,
    built_at
)
with numbers as (
    select coalesce(max(build_number), 0) + 1 as build_number
    from marts.builds
),

stale as (
    select count(*) as partitions
    from stale_days
)

select
    numbers.build_number,
    '' as run_id,
    stale.partitions,
    getdate() as built_at
from stale
cross join numbers
where stale.partitions > 0;
