-- mart_checks/050_unique_keys.sql
-- What: keys that stand twice in a mart; Redshift does not enforce them.
-- Grain: one row per mart and key.
-- Keys: the same.

select
    'market_by_day' as mart,
    source || '/' || market || '/' || cast(snapshot_date as varchar(10)) as business_key,
    count(*) as listings
from marts.market_by_day
group by source, market, snapshot_date
having count(*) > 1
union all
select
    'coverage' as mart,
    source || '/' || market || '/' || cast(snapshot_date as varchar(10)) as business_key,
    count(*) as listings
from marts.coverage
group by source, market, snapshot_date
having count(*) > 1
union all
select
    'zip_by_day' as mart,
    zip_by_day.source || '/' || zip_by_day.market || '/' || zip_by_day.zipcode as business_key,
    count(*) as listings
from marts.zip_by_day
inner join stale_days
    on
        zip_by_day.source = stale_days.source
        and zip_by_day.market = stale_days.market
        and zip_by_day.snapshot_date = stale_days.snapshot_date
group by zip_by_day.source, zip_by_day.market, zip_by_day.zipcode, zip_by_day.snapshot_date
having count(*) > 1
union all
select
    'listing_presence' as mart,
    source || '/' || market || '/' || cast(zpid as varchar(20)) as business_key,
    count(*) as listings
from marts.listing_presence
group by source, market, zpid
having count(*) > 1
union all
select
    'price_cuts' as mart,
    source || '/' || listing || '/' || cast(zpid as varchar(20)) || '/' || cast(seen_on as varchar(10))
        as business_key,
    count(*) as listings
from marts.price_cuts
group by source, listing, zpid, seen_on
having count(*) > 1
union all
select
    'zestimate_gaps' as mart,
    source || '/' || market || '/' || cast(zpid as varchar(20)) as business_key,
    count(*) as listings
from marts.zestimate_gaps
group by source, market, zpid
having count(*) > 1;
