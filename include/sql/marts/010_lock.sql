-- marts/010_lock.sql
-- What: one build at a time. The transaction's first statement, so that what it reads is what the build before it
--       committed; and temporary tables that an earlier build of the same session left go.
-- Grain: none.
-- Keys: none.

lock marts.builds;

drop table if exists held_days;

drop table if exists stale_days;

drop table if exists seen_days;

drop table if exists moved_listings;

drop table if exists stale_markets;

drop table if exists flow_days;

drop table if exists compared_listings;

drop table if exists gone_listings;

drop table if exists come_listings;

drop table if exists sightings;

drop table if exists cut_listings;

drop table if exists all_cuts;

drop table if exists market_measures;

drop table if exists market_counts;

drop table if exists stale_listings;

drop table if exists zip_measures;

drop table if exists zip_counts;
