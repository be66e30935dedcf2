-- What Redshift has and PostgreSQL has not: functions, system views, keys that are not enforced.
-- Run by a superuser in the database that the endpoint serves; may be run again at any time.

create schema if not exists rs;
grant usage on schema rs to public;
-- As everybody may in a new database of Redshift.
grant usage, create on schema public to public;

-- ---------------------------------------------------------------- keys and storage attributes

create table if not exists rs.table_attributes (
    relation oid primary key, diststyle text, distkey text, sortkey text[], encodings jsonb
);

-- Primary and unique keys stay in the catalog, where the operators look for them, and stop being enforced.
-- The comment that the endpoint puts before CREATE TABLE carries the storage attributes, in hexadecimal.
create or replace function rs.after_ddl() returns event_trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    changed oid;
    attributes jsonb;
    marker text;
begin
    for changed in
        select distinct c.objid from pg_event_trigger_ddl_commands() c
        join pg_class r on r.oid = c.objid
        where c.classid = 'pg_class'::regclass and r.relkind = 'r' and r.relnamespace <> 'rs'::regnamespace
    loop
        update pg_index set indisunique = false where indrelid = changed and indisunique;
        for marker in select (regexp_matches(current_query(), '/\*rs ([0-9a-f]+)\*/', 'g'))[1] loop
            attributes := convert_from(decode(marker, 'hex'), 'UTF8')::jsonb;
            if lower((select relname from pg_class where oid = changed))
                = trim('"' from regexp_replace(lower(attributes ->> 'table'), '^.*\.', '')) then
                insert into rs.table_attributes values (
                    changed, attributes ->> 'diststyle', attributes ->> 'distkey',
                    array(select jsonb_array_elements_text(attributes -> 'sortkey')), attributes -> 'encodings'
                ) on conflict (relation) do update set diststyle = excluded.diststyle,
                    distkey = excluded.distkey, sortkey = excluded.sortkey, encodings = excluded.encodings;
            end if;
        end loop;
    end loop;
end $$;
drop event trigger if exists rs_after_ddl;
create event trigger rs_after_ddl on ddl_command_end
    when tag in ('CREATE TABLE', 'CREATE TABLE AS', 'ALTER TABLE') execute function rs.after_ddl();

-- ---------------------------------------------------------------- load errors

create table if not exists rs.load_errors (
    username text not null, query bigint not null, session int not null, tbl bigint not null, table_name text not null,
    starttime timestamp not null default (clock_timestamp() at time zone 'UTC'), filename text, line_number bigint,
    colname text, type text, raw_field_value text, err_code int, err_reason text
);

-- Users see their own errors, superusers see all of them.
create or replace view rs.stl_load_errors as
select
    (select usesysid::int from pg_catalog.pg_user where usename = e.username) as userid, 0 as slice, e.tbl, e.starttime,
    e.session, e.query, e.filename::varchar(256) as filename, e.line_number, e.colname::varchar(127) as colname,
    e.type::varchar(32) as type, ''::varchar(10) as col_length, 0 as position, ''::varchar(1024) as raw_line,
    e.raw_field_value::varchar(1024) as raw_field_value, e.err_code, e.err_reason::varchar(256) as err_reason
from rs.load_errors e
where e.username = session_user or (select rolsuper from pg_catalog.pg_roles where rolname = session_user);

create or replace view rs.sys_load_error_detail as
select
    userid as user_id, query as query_id, session as session_id, current_database()::varchar(64) as database_name,
    tbl as table_id, starttime as start_time, filename as file_name, line_number, colname as column_name,
    type as column_type, col_length as column_length, position, raw_field_value, err_code as error_code,
    err_reason as error_message
from rs.stl_load_errors;

create or replace function rs.pg_last_copy_count() returns bigint language sql stable as
$$ select coalesce(nullif(current_setting('rs.last_copy_count', true), ''), '0')::bigint $$;
create or replace function rs.pg_last_copy_id() returns bigint language sql stable as
$$ select coalesce(nullif(current_setting('rs.last_copy_id', true), ''), '-1')::bigint $$;

-- ---------------------------------------------------------------- system views

create or replace view rs.pg_table_def as
select
    n.nspname as schemaname, c.relname as tablename, a.attname as "column",
    format_type(a.atttypid, a.atttypmod) as type, coalesce(t.encodings ->> a.attname::text, 'none') as encoding,
    coalesce(t.distkey = a.attname, false) as distkey,
    coalesce(array_position(t.sortkey, a.attname::text), 0) as sortkey, a.attnotnull as "notnull"
from pg_catalog.pg_attribute a
join pg_catalog.pg_class c on c.oid = a.attrelid and c.relkind = 'r'
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join rs.table_attributes t on t.relation = c.oid
where a.attnum > 0 and not a.attisdropped and n.nspname <> 'rs' and n.nspname = any (current_schemas(true));

create or replace view rs.svv_table_info as
select
    current_database() as "database", n.nspname as "schema", c.oid as table_id, c.relname as "table",
    coalesce(t.diststyle, 'AUTO(ALL)') as diststyle, coalesce(t.sortkey[1], 'AUTO(SORTKEY)') as sortkey1,
    coalesce(cardinality(t.sortkey), 0) as sortkey_num, (pg_total_relation_size(c.oid) / 1048576)::bigint as size,
    greatest(c.reltuples, 0)::numeric(38, 0) as tbl_rows
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join rs.table_attributes t on t.relation = c.oid
where c.relkind = 'r' and n.nspname not in ('rs', 'pg_catalog', 'information_schema')
    and has_table_privilege(c.oid, 'select');

create or replace view rs.svv_all_columns as
select
    table_catalog::text as database_name, table_schema::text as schema_name, table_name::text as table_name,
    column_name::text as column_name, ordinal_position::int as ordinal_position,
    column_default::text as column_default, is_nullable::text as is_nullable, data_type::text as data_type,
    character_maximum_length::int as character_maximum_length, numeric_precision::int as numeric_precision,
    numeric_scale::int as numeric_scale
from information_schema.columns
where table_schema not in ('rs', 'pg_catalog', 'information_schema');

-- ---------------------------------------------------------------- dates

create or replace function rs.version() returns text language sql immutable as
$$ select 'PostgreSQL 8.0.2, Redshift (local endpoint)'::text $$;
create or replace function rs.getdate() returns timestamp language sql stable as
$$ select date_trunc('second', statement_timestamp() at time zone 'UTC') $$;
create or replace function rs.sysdate() returns timestamp language sql stable as
$$ select transaction_timestamp() at time zone 'UTC' $$;

-- The many spellings of a date part; an unknown one is an error.
create or replace function rs.date_unit(part text) returns text language plpgsql immutable strict as $$
declare
    unit text;
begin
    unit := case
        when lower(part) in ('y', 'yr', 'yrs', 'year', 'years') then 'year'
        when lower(part) in ('qtr', 'qtrs', 'quarter', 'quarters') then 'quarter'
        when lower(part) in ('mon', 'mons', 'month', 'months') then 'month'
        when lower(part) in ('w', 'week', 'weeks') then 'week'
        when lower(part) in ('d', 'day', 'days') then 'day'
        when lower(part) in ('h', 'hr', 'hrs', 'hour', 'hours') then 'hour'
        when lower(part) in ('m', 'min', 'mins', 'minute', 'minutes') then 'minute'
        when lower(part) in ('s', 'sec', 'secs', 'second', 'seconds') then 'second'
        when lower(part) in ('ms', 'msec', 'msecs', 'millisecond', 'milliseconds') then 'millisecond'
        when lower(part) in ('us', 'usec', 'usecs', 'microsecond', 'microseconds') then 'microsecond'
    end;
    if unit is null then
        raise exception 'unsupported date part: %', part using errcode = '0A000';
    end if;
    return unit;
end $$;

-- The boundaries between two times, not the time that passed; weeks begin on Sunday here, as in Redshift's DATEDIFF.
create or replace function rs.datediff(part text, a timestamp, b timestamp) returns bigint language sql immutable as $$
    select case rs.date_unit(part)
        when 'year' then extract(year from b) - extract(year from a)
        when 'quarter' then
            (extract(year from b) * 4 + extract(quarter from b)) - (extract(year from a) * 4 + extract(quarter from a))
        when 'month' then
            (extract(year from b) * 12 + extract(month from b)) - (extract(year from a) * 12 + extract(month from a))
        when 'week' then ((b::date - extract(dow from b)::int) - (a::date - extract(dow from a)::int)) / 7
        when 'day' then b::date - a::date
        when 'hour' then extract(epoch from date_trunc('hour', b) - date_trunc('hour', a)) / 3600
        when 'minute' then extract(epoch from date_trunc('minute', b) - date_trunc('minute', a)) / 60
        when 'second' then extract(epoch from date_trunc('second', b) - date_trunc('second', a))
        when 'millisecond' then
            extract(epoch from date_trunc('milliseconds', b) - date_trunc('milliseconds', a)) * 1000
        when 'microsecond' then extract(epoch from b - a) * 1000000
    end::bigint
$$;
create or replace function rs.add_months(t timestamp, n bigint) returns timestamp language sql immutable as $$
    select case
        when t::date = (date_trunc('month', t) + interval '1 month - 1 day')::date
            then date_trunc('month', t + n * interval '1 month') + interval '1 month - 1 day' + (t - t::date)
        else t + n * interval '1 month'
    end
$$;
create or replace function rs.dateadd(part text, n bigint, t timestamp) returns timestamp language sql immutable as $$
    select case rs.date_unit(part)
        when 'quarter' then t + n * interval '3 months'
        else t + n * ('1 ' || rs.date_unit(part))::interval
    end
$$;
create or replace function rs.last_day(t timestamp) returns date language sql immutable as
$$ select (date_trunc('month', t) + interval '1 month - 1 day')::date $$;
create or replace function rs.months_between(a timestamp, b timestamp) returns float8 language sql immutable as $$
    select case
        when extract(day from a) = extract(day from b) or (rs.last_day(a) = a::date and rs.last_day(b) = b::date)
            then rs.datediff('month', b, a)
        else rs.datediff('month', b, a) + (
            extract(day from a) - extract(day from b) + extract(epoch from (a - a::date) - (b - b::date)) / 86400
        ) / 31.0
    end::float8
$$;
create or replace function rs.trunc(t timestamp) returns date language sql immutable as $$ select t::date $$;
create or replace function rs.convert_timezone(source text, target text, t timestamp) returns timestamp
language sql immutable as $$ select (t at time zone source) at time zone target $$;
create or replace function rs.convert_timezone(target text, t timestamp) returns timestamp
language sql immutable as $$ select (t at time zone 'UTC') at time zone target $$;

-- ---------------------------------------------------------------- text

create or replace function rs.len(s text) returns int language sql immutable as $$ select length(s) $$;
create or replace function rs.textlen(s text) returns int language sql immutable as $$ select length(s) $$;
create or replace function rs.charindex(part text, s text) returns int language sql immutable as
$$ select strpos(s, part) $$;
-- NULL when either is, unlike PostgreSQL's.
create or replace function rs.concat(a text, b text) returns text language sql immutable as $$ select a || b $$;
-- All occurrences, where PostgreSQL replaces the first.
create or replace function rs.regexp_replace(s text, pattern text, replacement text default '') returns text
language sql immutable as $$ select pg_catalog.regexp_replace(s, pattern, replacement, 'g') $$;
create or replace function rs.sha2(s text, bits int) returns text language sql immutable as $$
    select encode(case bits
        when 224 then sha224(convert_to(s, 'UTF8')) when 384 then sha384(convert_to(s, 'UTF8'))
        when 512 then sha512(convert_to(s, 'UTF8')) when 256 then sha256(convert_to(s, 'UTF8'))
        when 0 then sha256(convert_to(s, 'UTF8'))
    end, 'hex')
$$;
create or replace function rs.strtol(s text, base int) returns bigint language sql immutable strict as $$
    select sum((strpos('0123456789abcdefghijklmnopqrstuvwxyz', digit) - 1) * base::numeric ^ (length(s) - place))::bigint
    from regexp_split_to_table(lower(s), '') with ordinality as digits (digit, place)
$$;
create or replace function rs.json_extract_path_text(s text, variadic path text[]) returns text
language sql immutable as $$ select coalesce(pg_catalog.json_extract_path_text(s::json, variadic path), '') $$;
create or replace function rs.json_extract_array_element_text(s text, n int) returns text
language sql immutable as $$ select s::json ->> n $$;
create or replace function rs.json_array_length(s text) returns int language sql immutable as
$$ select pg_catalog.json_array_length(s::json) $$;

-- ---------------------------------------------------------------- numbers

create or replace function rs.round(x float8, digits int) returns float8 language sql immutable as
$$ select pg_catalog.round(x::numeric, digits)::float8 $$;
-- DECODE's comparison: NULL equals NULL.
create or replace function rs.same(a anycompatible, b anycompatible) returns boolean language sql immutable as
$$ select a is not distinct from b $$;

-- MEDIAN and PERCENTILE_CONT over gathered values: exact for decimals and integers, as in Redshift.
create or replace function rs.percentile(v numeric[], fraction numeric) returns numeric language sql immutable as $$
    with sorted as (select array_agg(x order by x) as a, count(x) as n from unnest(v) as x where x is not null),
    place as (select a, floor(fraction * (n - 1))::int as low, fraction * (n - 1) - floor(fraction * (n - 1)) as rest
        from sorted where n > 0)
    select case when rest = 0 then a[low + 1] else a[low + 1] + rest * (a[low + 2] - a[low + 1]) end from place
$$;
create or replace function rs.percentile(v bigint[], fraction numeric) returns numeric language sql immutable as
$$ select rs.percentile(v::numeric[], fraction) $$;
create or replace function rs.percentile(v integer[], fraction numeric) returns numeric language sql immutable as
$$ select rs.percentile(v::numeric[], fraction) $$;
create or replace function rs.percentile(v smallint[], fraction numeric) returns numeric language sql immutable as
$$ select rs.percentile(v::numeric[], fraction) $$;
create or replace function rs.percentile(v float8[], fraction numeric) returns float8 language sql immutable as $$
    select percentile_cont(fraction::float8) within group (order by x) from unnest(v) as x
$$;
create or replace function rs.percentile(v real[], fraction numeric) returns float8 language sql immutable as
$$ select rs.percentile(v::float8[], fraction) $$;

grant execute on all functions in schema rs to public;
grant select on rs.stl_load_errors, rs.sys_load_error_detail, rs.pg_table_def, rs.svv_table_info,
    rs.svv_all_columns to public;
