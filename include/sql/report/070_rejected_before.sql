-- report/070_rejected_before.sql
-- What: listings that were rejected on the observed day before each market's newest one: they are not new.
-- Grain: source, market, zpid as it was sent.
-- Keys: the same.

select distinct
    newest.source,
    newest.market,
    rejects.zpid
from newest_days as newest
inner join core.load_audit as audit
    on
        newest.source = audit.source
        and newest.market = audit.market
        and newest.previous_date = audit.snapshot_date
inner join core.listing_rejects as rejects
    on
        audit.source = rejects.source
        and audit.market = rejects.market
        and audit.snapshot_date = rejects.snapshot_date
        and audit.extract_id = rejects.extract_id
where
    audit.status = 'loaded'
    and audit.verdict = 'holds'
    and rejects.zpid is not null;
