-- checks/080_kept_rejects.sql
-- What: every rejected row that was staged is kept, with its reason: the rows of core.listing_rejects that
--       carry a set's id are as many as _SUCCESS.json and the audit say.
-- Grain: one row per set of the batch for which it does not hold.
-- Keys: set_id.

with kept as (
    select
        rejects.set_id,
        count(*) as rows_found
    from core.listing_rejects as rejects
    inner join {{ batch.staging_sets }} as batch_sets
        on rejects.set_id = batch_sets.set_id
    where rejects.reason <> ''
    group by rejects.set_id
)

select
    batch_sets.set_id,
    batch_sets.rejected + batch_sets.pages_unreadable as expected_rows,
    audit.staged_rejects as audited_rows,
    coalesce(kept.rows_found, 0) as kept_rows
from {{ batch.staging_sets }} as batch_sets
left join core.load_audit as audit
    on
        batch_sets.set_id = audit.set_id
        and audit.status = 'loaded'
left join kept
    on batch_sets.set_id = kept.set_id
where
    coalesce(kept.rows_found, 0) <> batch_sets.rejected + batch_sets.pages_unreadable
    or coalesce(audit.staged_rejects, -1) <> batch_sets.rejected + batch_sets.pages_unreadable
order by batch_sets.set_id
limit 20;
