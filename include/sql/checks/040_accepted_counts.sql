-- checks/040_accepted_counts.sql
-- What: for every set loaded for a day that the batch decides: clean = staged = accepted + superseded + withdrawn,
--       accepted = the rows of core.listing_snapshots that carry its id, and a set without its day names the
--       set that holds it and says why. And no row of such a day carries an id that the audit does not have.
-- Grain: one row per set for which it does not hold.
-- Keys: set_id.

with kept as (
    select
        snapshots.set_id,
        count(*) as rows_found
    from core.listing_snapshots as snapshots
    inner join {{ batch.staging_days }} as decided
        on
            snapshots.source = decided.source
            and snapshots.market = decided.market
            and snapshots.snapshot_date = decided.snapshot_date
    group by snapshots.set_id
),

audited as (
    select
        audit.set_id,
        audit.clean,
        audit.staged,
        audit.accepted,
        audit.superseded,
        audit.superseded_by,
        audit.withdrawn,
        audit.verdict,
        winners.set_id as holder
    from core.load_audit as audit
    inner join {{ batch.staging_winners }} as winners
        on
            audit.source = winners.source
            and audit.market = winners.market
            and audit.snapshot_date = winners.snapshot_date
    where audit.status = 'loaded'
)

select
    coalesce(audited.set_id, kept.set_id) as set_id,
    audited.clean,
    audited.staged,
    audited.accepted,
    audited.superseded,
    audited.withdrawn,
    audited.superseded_by,
    audited.verdict,
    coalesce(kept.rows_found, 0) as snapshot_rows
from audited
full outer join kept
    on audited.set_id = kept.set_id
where
    audited.set_id is null
    or audited.clean <> audited.staged
    or audited.clean <> audited.accepted + audited.superseded + audited.withdrawn
    or audited.accepted <> coalesce(kept.rows_found, 0)
    or coalesce(audited.verdict, '') not in (
        'holds', 'older', 'poorer', 'cleaned_again', 'not_at_hand', 'withdrawn'
    )
    or (audited.verdict = 'holds') <> (audited.set_id = coalesce(audited.holder, ''))
    or coalesce(audited.superseded_by, '') <> case
        when audited.verdict in ('holds', 'withdrawn') then ''
        else coalesce(audited.holder, '')
    end
order by set_id
limit 20;
