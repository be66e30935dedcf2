-- checks/080_kept_rejects.sql
-- What: every rejected row that was staged is kept, with its reason: the rows of core.listing_rejects that
--       carry a set's id are as many as _SUCCESS.json and the audit say.
-- Grain: one row per set of the batch for which it does not hold.
-- Keys: set_id.

with kept as (
    select
        rejects.set_id,
        count(*) as row_count
    from core.listing_rejects as rejects
    inner join {{ batch.staging_sets }} as sets
        on rejects.set_id = sets.set_id
    where rejects.reason <> ''
    group by rejects.set_id
)

select
    sets.set_id,
    sets.rejected + sets.pages_unreadable as expected_rows,
    audit.staged_rejects as audited_rows,
    coalesce(kept.row_count, 0) as kept_rows
from {{ batch.staging_sets }} as sets
left join core.load_audit as audit
    on
        sets.set_id = audit.set_id
        and audit.status = 'loaded'
left join kept
    on sets.set_id = kept.set_id
where
    coalesce(kept.row_count, 0) <> sets.rejected + sets.pages_unreadable
    or coalesce(audit.staged_rejects, -1) <> sets.rejected + sets.pages_unreadable
order by sets.set_id
limit 20;
