-- ddl/023_which_set_holds.sql
-- What: why a loaded set holds its day or does not (verdict), which set should hold the day where another does
--       (should_hold), and rows that count for nothing as a person withdrew their set. What was loaded before is
--       judged by the same rule: of each extraction the last load counts; the newest with nine tenths of the most
--       clean rows holds. staging.days: the days that a batch decides. staging.exclusions: extractions that cannot
--       hold theirs, withdrawn with a reason, or with none: their rows cannot be brought.
-- Grain: core.load_audit as before. Of staging.days: source, market, snapshot_date. Of staging.exclusions: the same
--       and extract_id.
-- Keys: the same.

alter table core.load_audit add column verdict varchar(16);

alter table core.load_audit add column should_hold varchar(256);

alter table core.load_audit add column withdrawn bigint default 0;

alter table core.load_audit add column withdrawn_because varchar(1200);

create table staging.days (
    source varchar(32) not null,
    market varchar(128) not null,
    snapshot_date date not null
)
diststyle all;

create table staging.exclusions (
    source varchar(32) not null,
    market varchar(128) not null,
    snapshot_date date not null,
    extract_id varchar(64) not null,
    reason varchar(1200)
)
diststyle all;

create temp table counting_sets as
with numbered as (
    select
        source,
        market,
        snapshot_date,
        extract_id,
        set_id,
        observed_at,
        clean,
        superseded_by,
        row_number() over (
            partition by source, market, snapshot_date, extract_id
            order by load_number desc, set_id desc
        ) as place
    from core.load_audit
    where status = 'loaded'
)

select
    source,
    market,
    snapshot_date,
    extract_id,
    set_id,
    observed_at,
    clean,
    superseded_by,
    max(clean) over (partition by source, market, snapshot_date) as most
from numbered
where place = 1;

create temp table rightful_sets as
with ranked as (
    select
        source,
        market,
        snapshot_date,
        set_id,
        superseded_by,
        row_number() over (
            partition by source, market, snapshot_date
            order by case when 10 * clean >= 9 * most then 0 else 1 end, observed_at desc, extract_id desc
        ) as place
    from counting_sets
)

select
    source,
    market,
    snapshot_date,
    set_id,
    superseded_by
from ranked
where place = 1;

update core.load_audit
set verdict = case when superseded_by is null then 'holds' else 'older' end
where status = 'loaded';

update core.load_audit
set verdict = 'cleaned_again'
where
    status = 'loaded'
    and superseded_by is not null
    and set_id not in (select counting_sets.set_id from counting_sets);

update core.load_audit
set should_hold = rightful.set_id
from rightful_sets as rightful
where
    load_audit.source = rightful.source
    and load_audit.market = rightful.market
    and load_audit.snapshot_date = rightful.snapshot_date
    and load_audit.status = 'loaded'
    and rightful.superseded_by is not null;

update core.load_audit
set verdict = 'not_at_hand'
where
    status = 'loaded'
    and set_id = should_hold;

drop table rightful_sets;

drop table counting_sets;
