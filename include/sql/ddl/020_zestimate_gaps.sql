-- ddl/020_zestimate_gaps.sql
-- What: what is asked above (+) or below (-) Zillow's estimate, of each market's newest day.
-- Grain of marts.zestimate_gaps: source, market, zpid.
-- Keys: the same.

create table marts.zestimate_gaps (
    source varchar(32) not null,
    market varchar(128) not null,
    zpid bigint not null,
    snapshot_date date not null,
    street_address varchar(512),
    city varchar(128),
    zipcode varchar(16),
    home_type varchar(32),
    price decimal(14, 2) not null,
    zestimate decimal(14, 2) not null,
    gap decimal(14, 2) not null,
    gap_percent decimal(20, 2) not null
)
diststyle key
distkey (zpid)
compound sortkey (source, market);

grant select on marts.zestimate_gaps to reader;
