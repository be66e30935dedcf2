-- ddl/017_market_by_day.sql
-- What: a market on a day: how many listings, what they cost, what came and went. Medians are of the measured
--       listings; new, gone and back are null where coverage cannot tell. docs/marts.md defines each figure.
-- Grain of marts.market_by_day: source, market, snapshot_date.
-- Keys: the same.

create table marts.market_by_day (
    source varchar(32) not null,
    market varchar(128) not null,
    snapshot_date date not null,
    market_name varchar(512) not null,
    previous_date date,
    active bigint not null,
    measured bigint not null,
    excluded_price_zero bigint not null,
    excluded_rent_like bigint not null,
    excluded_plot bigint not null,
    price_count bigint not null,
    price_p25 decimal(14, 2),
    price_median decimal(14, 2),
    price_p75 decimal(14, 2),
    price_sqft_count bigint not null,
    price_sqft_p25 decimal(18, 2),
    price_sqft_median decimal(18, 2),
    price_sqft_p75 decimal(18, 2),
    rent_yield_count bigint not null,
    rent_yield_p25 decimal(20, 6),
    rent_yield_median decimal(20, 6),
    rent_yield_p75 decimal(20, 6),
    days_on_market_count bigint not null,
    days_on_market_p25 decimal(12, 2),
    days_on_market_median decimal(12, 2),
    days_on_market_p75 decimal(12, 2),
    zestimate_gap_count bigint not null,
    zestimate_gap_p25 decimal(20, 2),
    zestimate_gap_median decimal(20, 2),
    zestimate_gap_p75 decimal(20, 2),
    price_cut_share decimal(9, 6),
    under_zestimate bigint not null,
    over_zestimate bigint not null,
    first_seen bigint not null,
    last_seen bigint not null,
    new_listings bigint,
    gone_listings bigint,
    back_listings bigint,
    listings_seen bigint not null,
    listings_claimed bigint,
    coverage_share decimal(18, 6),
    is_complete boolean not null
)
diststyle all
compound sortkey (source, market, snapshot_date);

grant select on marts.market_by_day to reader;
