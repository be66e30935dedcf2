-- checks/040_accepted_counts.sql
-- What: for every set loaded for a day that the batch has to do with: clean = staged = accepted + superseded,
--       accepted = the rows of core.listing_snapshots that carry its id, and a set without its day names the
--       set that holds it. And no row of such a day carries an id that the audit does not have.
-- Grain: one row per set for which it does not hold.
-- Keys: set_id.

with days as (
    select distinct
        source,
        market,
        snapshot_date
    from {{ batch.staging_sets }}
),

kept as (
    select
        snapshots.set_id,
        count(*) as rows_found
    from core.listing_snapshots as snapshots
    inner join days
        on
            snapshots.source = days.source
            and snapshots.market = days.market
            and snapshots.snapshot_date = days.snapshot_date
    group by snapshots.set_id
),

audited as (
    select
        audit.set_id,
        audit.clean,
        audit.staged,
        audit.accepted,
        audit.superseded,
        audit.superseded_by
    from core.load_audit as audit
    inner join days
        on
            audit.source = days.source
            and audit.market = days.market
            and audit.snapshot_date = days.snapshot_date
    where audit.status = 'loaded'
)

select
    coalesce(audited.set_id, kept.set_id) as set_id,
    audited.clean,
    audited.staged,
    audited.accepted,
    audited.superseded,
    audited.superseded_by,
    coalesce(kept.rows_found, 0) as snapshot_rows
from audited
full outer join kept
    on audited.set_id = kept.set_id
left join {{ batch.staging_winners }} as winners
    on audited.set_id = winners.set_id
where
    audited.set_id is null
    or audited.clean <> audited.staged
    or audited.clean <> audited.accepted + audited.superseded
    or audited.accepted <> coalesce(kept.rows_found, 0)
    or (winners.set_id is null and audited.superseded_by is null)
    or (winners.set_id is not null and audited.superseded_by is not null)
order by set_id
limit 20;
