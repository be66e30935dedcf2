-- load/080_audit.sql
-- What: writes down what was staged of each set of the batch, replacing the row of an earlier load of the same
--       set; then says of every set of the days decided who holds its day now and why it does not itself, in
--       whatever order they came.
-- Grain: as core.load_audit: one row per set loaded.
-- Keys: set_id among the loaded rows.

insert into core.load_audit (
    batch_id,
    set_id,
    source,
    market,
    snapshot_date,
    extract_id,
    transform_version,
    observed_at,
    status,
    landed,
    clean,
    rejected,
    duplicates,
    unreadable,
    staged,
    staged_rejects,
    accepted,
    superseded,
    run_id,
    load_number,
    recorded_at,
    replay,
    market_name,
    pages_read,
    pages_claimed,
    listings_claimed,
    withdrawn,
    not_listings,
    listing,
    reached_end
)
with staged as (
    select
        source,
        market,
        snapshot_date,
        extract_id,
        count(*) as listings
    from {{ batch.staging_listings }}
    group by source, market, snapshot_date, extract_id
),

staged_rejects as (
    select
        source,
        market,
        snapshot_date,
        extract_id,
        count(*) as listings
    from {{ batch.staging_rejects }}
    group by source, market, snapshot_date, extract_id
),

numbers as (
    select coalesce(max(load_number), 0) + 1 as load_number
    from core.load_audit
)

select
    batch_sets.batch_id,
    batch_sets.set_id,
    batch_sets.source,
    batch_sets.market,
    batch_sets.snapshot_date,
    batch_sets.extract_id,
    batch_sets.transform_version,
    batch_sets.observed_at,
    'loaded' as status,
    batch_sets.landed,
    batch_sets.clean,
    batch_sets.rejected,
    batch_sets.duplicates,
    batch_sets.unreadable,
    coalesce(staged.listings, 0) as staged,
    coalesce(staged_rejects.listings, 0) as staged_rejects,
    0 as accepted,
    0 as superseded,
    batch_sets.run_id,
    numbers.load_number,
    getdate() as recorded_at,
    batch_sets.replay,
    batch_sets.market_name,
    batch_sets.pages_read,
    batch_sets.pages_claimed,
    batch_sets.listings_claimed,
    0 as withdrawn,
    batch_sets.not_listings,
    batch_sets.listing,
    batch_sets.reached_end
from {{ batch.staging_sets }} as batch_sets
left join staged
    on
        batch_sets.source = staged.source
        and batch_sets.market = staged.market
        and batch_sets.snapshot_date = staged.snapshot_date
        and batch_sets.extract_id = staged.extract_id
left join staged_rejects
    on
        batch_sets.source = staged_rejects.source
        and batch_sets.market = staged_rejects.market
        and batch_sets.snapshot_date = staged_rejects.snapshot_date
        and batch_sets.extract_id = staged_rejects.extract_id
cross join numbers;

-- After the insert: whoever counts the loads sees that this is another one.
delete from core.load_audit
using {{ batch.staging_sets }} as batch_sets
where
    load_audit.set_id = batch_sets.set_id
    and load_audit.status = 'loaded'
    and load_audit.load_number < (
        select max(newest.load_number)
        from core.load_audit as newest
    );

update core.load_audit
set
    accepted = case when load_audit.set_id = winners.set_id then load_audit.staged else 0 end,
    superseded = case when load_audit.set_id = winners.set_id then 0 else load_audit.staged end,
    withdrawn = 0,
    withdrawn_because = null,
    superseded_by = case when load_audit.set_id = winners.set_id then null else winners.set_id end,
    should_hold = winners.should_hold,
    verdict = case
        when load_audit.set_id = winners.set_id then 'holds'
        when load_audit.set_id = winners.should_hold then 'not_at_hand'
        when load_audit.load_number < last_loads.load_number then 'cleaned_again'
        when 10 * load_audit.clean < 9 * winners.most then 'poorer'
        when
            load_audit.observed_at < winners.observed_at
            or (load_audit.observed_at = winners.observed_at and load_audit.extract_id < winners.extract_id)
            then 'older'
        else 'not_at_hand'
    end
from {{ batch.staging_winners }} as winners
inner join (
    select
        source,
        market,
        snapshot_date,
        extract_id,
        max(load_number) as load_number
    from core.load_audit
    where status = 'loaded'
    group by source, market, snapshot_date, extract_id
) as last_loads
    on
        winners.source = last_loads.source
        and winners.market = last_loads.market
        and winners.snapshot_date = last_loads.snapshot_date
where
    load_audit.source = winners.source
    and load_audit.market = winners.market
    and load_audit.snapshot_date = winners.snapshot_date
    and load_audit.extract_id = last_loads.extract_id
    and load_audit.status = 'loaded';

update core.load_audit
set
    accepted = 0,
    superseded = 0,
    withdrawn = load_audit.staged,
    withdrawn_because = exclusions.reason,
    superseded_by = null,
    should_hold = null,
    verdict = 'withdrawn'
from {{ batch.staging_exclusions }} as exclusions
where
    load_audit.source = exclusions.source
    and load_audit.market = exclusions.market
    and load_audit.snapshot_date = exclusions.snapshot_date
    and load_audit.extract_id = exclusions.extract_id
    and load_audit.status = 'loaded'
    and exclusions.reason is not null;
