-- ddl/019_price_cuts.sql
-- What: prices that fell. known_by is 'observed' (lower than on the listing's previous observed day) or 'stated'
--       (seen for the first time, and the API says that its last change was a cut). Market and address are as
--       the newest observation of that day has them.
-- Grain of marts.price_cuts: source, zpid, seen_on.
-- Keys: the same.

create table marts.price_cuts (
    source varchar(32) not null,
    zpid bigint not null,
    seen_on date not null,
    market varchar(128) not null,
    street_address varchar(512),
    city varchar(128),
    zipcode varchar(16),
    home_type varchar(32),
    price_before decimal(14, 2) not null,
    price_after decimal(14, 2) not null,
    cut decimal(14, 2) not null,
    cut_percent decimal(9, 2) not null,
    changed_at timestamp,
    known_by varchar(16) not null
)
diststyle key
distkey (zpid)
compound sortkey (seen_on, source);

grant select on marts.price_cuts to reader;
