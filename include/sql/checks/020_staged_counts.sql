-- checks/020_staged_counts.sql
-- What: COPY brought exactly the rows that the set's _SUCCESS.json counts (a page that cannot be read is one
--       rejected row), and no row that belongs to no set of the batch.
-- Grain: one row per set and staging table for which it does not hold; set_id is null for rows of no set.
-- Keys: (set_id, staged_table), or the identity that the rows claim.

with staged as (
    select
        'listings' as staged_table,
        source,
        market,
        snapshot_date,
        extract_id,
        count(*) as rows_found
    from {{ batch.staging_listings }}
    group by source, market, snapshot_date, extract_id
    union all
    select
        'rejects' as staged_table,
        source,
        market,
        snapshot_date,
        extract_id,
        count(*) as rows_found
    from {{ batch.staging_rejects }}
    group by source, market, snapshot_date, extract_id
),

expected as (
    select
        'listings' as staged_table,
        set_id,
        source,
        market,
        snapshot_date,
        extract_id,
        clean as rows_found
    from {{ batch.staging_sets }}
    union all
    select
        'rejects' as staged_table,
        set_id,
        source,
        market,
        snapshot_date,
        extract_id,
        rejected + pages_unreadable as rows_found
    from {{ batch.staging_sets }}
)

select
    expected.set_id,
    coalesce(expected.staged_table, staged.staged_table) as staged_table,
    coalesce(expected.source, staged.source) as source,
    coalesce(expected.market, staged.market) as market,
    coalesce(expected.snapshot_date, staged.snapshot_date) as snapshot_date,
    coalesce(expected.extract_id, staged.extract_id) as extract_id,
    coalesce(expected.rows_found, 0) as expected_rows,
    coalesce(staged.rows_found, 0) as staged_rows
from expected
full outer join staged
    on
        expected.staged_table = staged.staged_table
        and expected.source = staged.source
        and expected.market = staged.market
        and expected.snapshot_date = staged.snapshot_date
        and expected.extract_id = staged.extract_id
where coalesce(expected.rows_found, 0) <> coalesce(staged.rows_found, 0)
order by source, market, snapshot_date, staged_table
limit 20;
