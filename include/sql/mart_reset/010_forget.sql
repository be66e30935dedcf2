-- mart_reset/010_forget.sql
-- What: empties the marts, so that every day is stale and is built anew. The ledger of builds stays.
-- Grain: none.
-- Keys: none.

lock core.build_lock;

delete from marts.coverage;

delete from marts.rejects_by_day;

delete from marts.listing_presence;

delete from marts.market_by_day;

delete from marts.zip_by_day;

delete from marts.price_cuts;

delete from marts.zestimate_gaps;

delete from marts.jumps;
