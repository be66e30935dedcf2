-- load/070_rejects.sql
-- What: replaces the rejects of the batch's extractions, whichever set wins the day: what was rejected is
--       part of the account of every set, superseded or not.
-- Grain: as core.listing_rejects: source, market, snapshot_date, extract_id, raw_key, raw_position.
-- Keys: the same.

delete from core.listing_rejects
using {{ batch.staging_sets }} as batch_sets
where
    listing_rejects.source = batch_sets.source
    and listing_rejects.market = batch_sets.market
    and listing_rejects.snapshot_date = batch_sets.snapshot_date
    and listing_rejects.extract_id = batch_sets.extract_id;

insert into core.listing_rejects (
    source,
    market,
    snapshot_date,
    extract_id,
    observed_at,
    raw_key,
    raw_position,
    zpid,
    reason,
    detail,
    body,
    set_id,
    batch_id,
    loaded_at
)
select
    staged.source,
    staged.market,
    staged.snapshot_date,
    staged.extract_id,
    staged.observed_at,
    staged.raw_key,
    staged.raw_position,
    staged.zpid,
    staged.reason,
    staged.detail,
    staged.body,
    batch_sets.set_id,
    '{{ batch.batch_id }}' as batch_id,
    getdate() as loaded_at
from {{ batch.staging_rejects }} as staged
inner join {{ batch.staging_sets }} as batch_sets
    on
        staged.source = batch_sets.source
        and staged.market = batch_sets.market
        and staged.snapshot_date = batch_sets.snapshot_date
        and staged.extract_id = batch_sets.extract_id;
