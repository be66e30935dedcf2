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
select
    coalesce((select max(build_number) from marts.builds), 0) + 1 as build_number,
    '' as run_id,
    count(*) as partitions,
    getdate() as built_at
from stale_days
having count(*) > 0;
