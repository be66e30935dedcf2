-- checks/010_landed_counts.sql
-- What: every row counted at landing is clean, rejected, a duplicate, no listing (a building, a group of units), or
--       was on a page that could not be read: landed = clean + rejected + duplicates + not_listings + unreadable, by
--       the set's own _SUCCESS.json.
-- Grain: one row per set of the batch for which it does not hold.
-- Keys: set_id.

select
    set_id,
    landed,
    clean,
    rejected,
    duplicates,
    not_listings,
    unreadable,
    landed - clean - rejected - duplicates - not_listings - unreadable as unaccounted
from {{ batch.staging_sets }}
where landed <> clean + rejected + duplicates + not_listings + unreadable
order by set_id
limit 20;
