-- checks/030_staged_contract.sql
-- What: staged rows keep the contract's ranges and carry the observed_at of their set. The transform rejects
--       what does not; this is the border's own look at what COPY brought, which by position may be anything.
-- Grain: one row per set and broken rule, with how many rows break it and one of them.
-- Keys: (set_id, rule).

with judged as (
    select
        batch_sets.set_id,
        staged.raw_key,
        staged.raw_position,
        staged.zpid,
        case
            when staged.zpid < 1 then 'zpid >= 1'
            when staged.price < 0 or staged.price > 1000000000 then 'price in 0..1000000000'
            when
                staged.price_change < -1000000000
                or staged.price_change > 1000000000
                then 'price_change in -1000000000..1000000000'
            when
                staged.price_changed_at < timestamp '1970-01-01 00:00:00'
                or staged.price_changed_at > timestamp '2200-01-01 00:00:00'
                then 'price_changed_at in 1970-01-01..2200-01-01'
            when staged.zestimate < 0 or staged.zestimate > 1000000000 then 'zestimate in 0..1000000000'
            when
                staged.rent_zestimate < 0
                or staged.rent_zestimate > 1000000000
                then 'rent_zestimate in 0..1000000000'
            when
                staged.tax_assessed_value < 0
                or staged.tax_assessed_value > 1000000000
                then 'tax_assessed_value in 0..1000000000'
            when staged.bedrooms < 0 or staged.bedrooms > 1000 then 'bedrooms in 0..1000'
            when staged.bathrooms < 0 or staged.bathrooms > 1000 then 'bathrooms in 0..1000'
            when staged.living_area_sqft < 0 then 'living_area_sqft >= 0'
            when staged.lot_area_sqft < 0 then 'lot_area_sqft >= 0'
            when staged.year_built < 1600 or staged.year_built > 2200 then 'year_built in 1600..2200'
            when staged.latitude < -90 or staged.latitude > 90 then 'latitude in -90..90'
            when staged.longitude < -180 or staged.longitude > 180 then 'longitude in -180..180'
            when staged.days_on_market < 0 then 'days_on_market >= 0'
            when
                staged.listed_at < timestamp '1970-01-01 00:00:00'
                or staged.listed_at > timestamp '2200-01-01 00:00:00'
                then 'listed_at in 1970-01-01..2200-01-01'
            when
                staged.sold_at < timestamp '1900-01-01 00:00:00'
                or staged.sold_at > timestamp '2200-01-01 00:00:00'
                then 'sold_at in 1900-01-01..2200-01-01'
            when staged.raw_position < 0 then 'raw_position >= 0'
            when staged.observed_at <> batch_sets.observed_at then 'observed_at = the observed_at of its set'
        end as broken_rule
    from {{ batch.staging_listings }} as staged
    inner join {{ batch.staging_sets }} as batch_sets
        on
            staged.source = batch_sets.source
            and staged.market = batch_sets.market
            and staged.snapshot_date = batch_sets.snapshot_date
            and staged.extract_id = batch_sets.extract_id
)

select
    set_id,
    broken_rule,
    count(*) as rows_found,
    min(zpid) as example_zpid,
    min(raw_key) as example_raw_key
from judged
where broken_rule is not null
group by set_id, broken_rule
order by set_id, broken_rule
limit 20;
