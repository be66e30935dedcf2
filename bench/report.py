"""How long the marts and the report take, and how that grows: `python -m bench.report 3x14 100x30 100x90`.

Fills `core` with a made-up market (555 listings a day and market, each on the market for 62 days, a third of them
with a price cut), then measures, through the Redshift endpoint and its driver as `report_listings` does it:

    full      all marts from nothing
    day       the marts after one more day of every market
    report    figures read, HTML rendered, every mart exported as CSV and Parquet (into memory instead of S3)

`report` beside `day` is what a daily run costs; the last column holds it against a plain scan of the same snapshots.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg

from include.base.settings import Resources
from include.report import marts
from include.report.publishing import Publisher
from include.warehouse.migrations import migrate
from tests.support.warehouse_fixture import Warehouse, home

LAST_DAY = "2026-11-22"
ON_THE_MARKET = 62
ARRIVALS = 9

_LISTINGS = """
insert into core.listing_snapshots (
    source, market, snapshot_date, zpid, home_type, home_status, price, price_change, price_changed_at, zestimate,
    rent_zestimate, bedrooms, bathrooms, living_area_sqft, street_address, city, state, zipcode, latitude, longitude,
    days_on_market, listed_at, is_new_home, is_open_house, is_foreclosure, is_auction, oddities, extract_id,
    observed_at, raw_key, raw_position, set_id, batch_id, loaded_at
)
select
    'zillow56', m.market, d.day, m.number * 100000 + n.n, case when n.n %% 22 = 0 then 'LOT' else 'SINGLE_FAMILY' end,
    'FOR_SALE', p.price - p.cut, case when p.cut > 0 then -p.cut end,
    case when p.cut > 0 then (d.day - (d.age - 30))::timestamp end, p.price * 0.97,
    case when n.n %% 7 > 0 then p.price * 0.005 end, 3, 2, 1200 + n.n * 37 %% 1800, n.n || ' Example Street',
    m.market, 'TX', (77000 + n.n %% 40)::text,
    29.7 + (n.n * 7919 %% 1000) / 2000.0, -95.4 + (n.n * 104729 %% 1000) / 2000.0,
    d.age, d.day - d.age, false, false, false, false, case when n.n %% 22 = 0 then 'plot' end,
    'e' || d.day, d.day + interval '6 hours', 'listings/' || m.market || '/' || d.day || '/page-0001.json', n.n,
    'zillow56/' || m.market || '/' || d.day || '/e/t', 'bench', now()
from (select 'market-' || lpad(g::text, 3, '0') as market, g as number from generate_series(1, %(markets)s) g) m
cross join generate_series(0, %(arrivals)s * (%(days)s + %(stay)s)) as n(n)
cross join lateral (
    select %(last)s::date - %(days)s + 1 + k as day, k - (n.n / %(arrivals)s - %(stay)s) as age
    from generate_series(%(first)s, %(end)s - 1) k
) d
cross join lateral (
    select 150000 + (n.n * 7907 + m.number * 131) %% 450000 as price,
        case when n.n %% 3 = 0 and d.age >= 30 then 9000 else 0 end as cut
) p
where d.age >= 0 and d.age < %(stay)s
order by d.day, m.market
"""
_AUDIT = """
insert into core.load_audit (
    batch_id, set_id, source, market, snapshot_date, extract_id, transform_version, observed_at, status, landed, clean,
    rejected, duplicates, unreadable, staged, staged_rejects, accepted, superseded, run_id, load_number, recorded_at,
    market_name, pages_read, pages_claimed, listings_claimed, verdict
)
select 'bench', min(set_id), source, market, snapshot_date, min(extract_id), 't', min(observed_at), 'loaded', count(*),
    count(*), 0, 0, 0, count(*), 0, count(*), 0, 'bench', 1, now(), market, 14, 14, count(*), 'holds'
from core.listing_snapshots
where snapshot_date > %(last)s::date - %(days)s + %(first)s
    and snapshot_date <= %(last)s::date - %(days)s + %(end)s
group by source, market, snapshot_date
"""
_HISTORY = """
truncate core.listing_history;
insert into core.listing_history (source, zpid, valid_from, price, home_status, home_type, last_seen_on, days_seen)
select source, zpid, min(snapshot_date), price, home_status, home_type, max(snapshot_date), count(*)
from core.listing_snapshots group by source, zpid, price, home_status, home_type
"""


class NoBucket:
    """Takes what is put, and forgets it."""

    class exceptions:  # noqa: N801 - boto3's name
        NoSuchKey = KeyError

    def __init__(self) -> None:
        self.bytes = 0

    def put_object(self, *, Body: bytes, **_: Any) -> None:  # noqa: N803 - boto3's name
        self.bytes += len(Body)


@dataclass(frozen=True)
class Figures:
    """Seconds, rows and bytes of one size."""

    snapshots: int
    full: float
    day: float
    report: float
    scan: float
    html: int


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that the work took, and what it returned."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def fill(admin: psycopg.Connection[Any], markets: int, days: int, first: int, end: int) -> None:
    """Puts the days numbered `first` up to, but not, `end` of `days` into core, past the endpoint, which would COPY."""
    values = {"markets": markets, "days": days, "first": first, "end": end, "last": LAST_DAY, "stay": ON_THE_MARKET}
    admin.execute(_LISTINGS, values | {"arrivals": ARRIVALS})
    admin.execute(_AUDIT, values)
    for statement in _HISTORY.split(";"):
        admin.execute(statement)
    admin.execute("analyze")


def measure(markets: int, days: int) -> Figures:
    """Builds and publishes one size in a warehouse of its own."""
    with home() as folder:
        warehouse = Warehouse(folder)
        try:
            warehouse.start()
            with closing(warehouse.driver()) as connection, warehouse.postgres.connect() as admin:
                migrate(connection)
                fill(admin, markets, days, 0, days - 1)
                full, _ = timed(lambda: marts.build(connection, run_id="bench", full=True))
                fill(admin, markets, days, days - 1, days)
                day, build = timed(lambda: marts.build(connection, run_id="bench"))
                assert build.partitions == markets, build
                bucket: Any = NoBucket()
                publisher = Publisher(connection, bucket, _RESOURCES, build, "bench", f"{LAST_DAY}T06:00:00Z")
                report, published = timed(lambda: publisher.publish(LAST_DAY))
                scan, rows = timed(lambda: admin.execute("select count(price) from core.listing_snapshots").fetchone())
                return Figures(rows[0], full, day, report, scan, published.bytes)
        finally:
            warehouse.stop()


_RESOURCES = Resources("", "", "bench", "", "", "", "", "")


def main() -> int:
    """Prints a line per size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", default=["3x14", "100x10", "100x30", "100x90"], help="markets x days")
    print("  size      snapshots     full      day   report   day+report   HTML   day+report / plain scan")
    for size in parser.parse_args().sizes:
        markets, days = (int(part) for part in size.split("x"))
        got = measure(markets, days)
        daily = got.day + got.report
        print(
            f"{size:>7} {got.snapshots:>13,} {got.full:>6.1f} s {got.day:>6.1f} s {got.report:>6.1f} s {daily:>10.1f} s"
            f" {got.html / 1e6:>4.1f} MB {daily / got.scan:>12.1f}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
