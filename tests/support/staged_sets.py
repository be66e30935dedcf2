"""Sets made by hand for the warehouse's tests, and what `core` holds after they were loaded.

A set is a market, a day, an hour and prices by zpid; all else has a plain default. Rows go into the staging tables
by INSERT, in place of COPY.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from include.base.batches import Batch, ReadySet, Turn
from include.base.keys import SetKey
from include.contract.listing import load_contract
from include.load.plan import Known, batches
from include.warehouse.audit import record_suspects, suspicions
from include.warehouse.batch_load import LoadReceipt, create_staging, load_batch
from include.warehouse.rows_held import loaded_sets
from include.warehouse.sql_files import CHECK_FILES, LOAD_FILES, ChecksFailed, Connection, query, render

HOUSTON, HUMBLE = "houston-tx", "humble-tx"
WATCHED = ("price", "home_status", "home_type", "bedrooms", "bathrooms", "living_area_sqft")
MARTS = {
    "coverage": "source, market, snapshot_date",
    "rejects_by_day": "source, market, snapshot_date, reason",
    "listing_presence": "source, market, zpid",
    "market_by_day": "source, market, snapshot_date",
    "zip_by_day": "source, market, zipcode, snapshot_date",
    "price_cuts": "source, listing, zpid, seen_on",
    "zestimate_gaps": "source, market, zpid",
    "jumps": "source, market, snapshot_date, measure",
}
"""The keys of each mart."""
TABLES = ("listing_snapshots", "listings", "listing_history", "listing_rejects", "load_audit")


@dataclass(frozen=True)
class Seen:
    """A ready set with the rows that COPY would bring."""

    ready: ReadySet
    listings: tuple[dict[str, Any], ...]
    rejects: tuple[dict[str, Any], ...] = field(default=())

    @property
    def set_id(self) -> str:
        return self.ready.set_id


def seen(
    prices: dict[int, float],
    *,
    market: str = HOUSTON,
    day: int = 22,
    hour: int = 6,
    observed_day: int | None = None,
    run: str = "aaaaaa",
    version: str = "0123456789ab",
    reasons: Sequence[str] = (),
    says: dict[str, int] | None = None,
    rows: dict[int, dict[str, Any]] | None = None,
    replay: str | None = None,
    contract_version: str = load_contract().version,
    claimed: int | None = None,
    rejected_zpids: Sequence[int] = (),
    market_name: str | None = None,
    reached_end: bool | None = None,
    not_listings: int = 0,
    listing: str = "sale",
    waited: int = 0,
) -> Seen:
    """A set for `day` in November 2026, observed at `hour` of that day, or of `observed_day`.

    `reasons`: one rejected row each. `says`: counts that its _SUCCESS.json states instead of the true ones.
    `rows`: other values for the listing of a zpid. `claimed`: how many listings the API said exist; `rejected_zpids`:
    whose the first rejected rows are; `market_name`: what was asked for; `not_listings`: buildings among the rows;
    `listing`: what was searched for. `waited`: how many hours after the extraction began its first page came.
    """
    date = f"2026-11-{day:02d}"
    observed = f"2026-11-{observed_day or day:02d}"
    extract = f"{observed.replace('-', '')}T{hour:02d}0000Z-{run}"
    parts = ("zillow56", market, date, extract, version)
    unreadable = sum(reason == "page_unreadable" for reason in reasons)
    counts = {
        "clean": len(prices),
        "rejected": len(reasons) - unreadable,
        "duplicates": 0,
        "not_listings": not_listings,
        "unreadable": 41 * unreadable,
        "pages_unreadable": unreadable,
    }
    counts["landed"] = sum(counts[name] for name in ("clean", "rejected", "not_listings", "unreadable"))
    files = {
        f"{name}_{what}": value
        for name in ("listings", "rejects")
        for what, value in (("uri", f"s3://clean/{market}/{date}/{hour}/{name}.parquet"), ("bytes", 100))
    }
    stated = counts | (says or {})
    under = {
        "contract_version": contract_version,
        "replay": replay,
        "listings_claimed": claimed,
        "market_name": market_name,
        "reached_end": reached_end,
        "listing": listing,
    }
    ready = ReadySet(
        "/".join(parts), *parts, f"{observed}T{hour + waited:02d}:00:05.123456Z", **stated, **files, **under
    )
    origin = {
        "source": "zillow56",
        "market": market,
        "snapshot_date": ready.day,
        "extract_id": extract,
        "observed_at": ready.observed,
    }
    key = f"listings/source=zillow56/market={market}/date={date}/extract={extract}/page-0001.json"
    flags = dict.fromkeys(("is_new_home", "is_open_house", "is_foreclosure", "is_auction"), False)
    listings = [
        origin | flags | {"zpid": zpid, "price": price, "raw_key": key, "raw_position": at} | (rows or {}).get(zpid, {})
        for at, (zpid, price) in enumerate(prices.items())
    ]
    rejects = [
        origin
        | {"raw_key": key if reason != "page_unreadable" else f"{key[:-6]}{9 - at}.json", "reason": reason}
        | {"raw_position": 100 + at if reason != "page_unreadable" else None, "detail": f"{reason}: by hand"}
        | ({"zpid": str(rejected_zpids[at])} if at < len(rejected_zpids) else {})
        for at, reason in enumerate(reasons)
    ]
    return Seen(ready, tuple(listings), tuple(rejects))


def batch_of(batch_id: str, *sets: Seen) -> Batch:
    """A batch of these sets."""
    return Batch(batch_id, f"test__{batch_id}", tuple(each.ready for each in sets))


def stage(connection: Connection, batch_id: str, *sets: Seen) -> Batch:
    """Creates a batch's staging tables and fills them."""
    return stage_planned(connection, batch_of(batch_id, *sets), sets)


def stage_planned(connection: Connection, batch: Batch, known: Iterable[Seen]) -> Batch:
    """Creates the staging tables of a batch that was planned and fills them from the `known` sets."""
    create_staging(connection, batch)
    wanted = {each.set_id for each in batch.sets}
    with closing(connection.cursor()) as cursor:
        its = [each for each in known if each.set_id in wanted]
        _insert(cursor, batch.staging_listings, (row for each in its for row in each.listings))
        _insert(cursor, batch.staging_rejects, (row for each in its for row in each.rejects))
    connection.commit()
    return batch


def load(connection: Connection, batch_id: str, *sets: Seen, sabotage: Sequence[str] = ()) -> LoadReceipt:
    """Stages and loads; `sabotage` is SQL that runs after the load files and before the checks."""
    return load_staged(connection, stage(connection, batch_id, *sets), sabotage)


def load_staged(
    connection: Connection, batch: Batch, sabotage: Sequence[str] = (), amend: Callable[[str], str] = str
) -> LoadReceipt:
    """Loads a batch whose staging tables are filled; `amend` changes the text of each load file."""
    load_sql = [*(amend(render(name, batch)) for name in LOAD_FILES), *sabotage]
    return load_batch(connection, load_sql, [render(name, batch) for name in CHECK_FILES], batch)


def wake(
    connection: Connection,
    known: Iterable[Seen],
    run_id: str,
    *,
    withdrawn: dict[SetKey, str] | None = None,
    retries: int | None = None,
    has_files: Callable[[ReadySet], bool] = lambda ready: True,
    cannot_load: Callable[[Batch], bool] = lambda batch: False,
    amend: Callable[[str], str] = str,
    day: int = 22,
) -> list[Batch]:
    """One wake of the load: plans what of `known` is to be loaded, loads each batch, and returns the batches.

    What fails its checks, or `cannot_load`, is recorded as suspect.
    """
    its = [each for each in known if each.ready.day == date(2026, 11, day)]
    planned = batches(
        Known(
            [each.ready for each in its],
            loaded_sets(connection, date(2026, 11, day)),
            suspicions(connection, date(2026, 11, day)),
            withdrawn or {},
            has_files,
        ),
        retries=retries,
        run_id=run_id,
    )
    for batch in planned:
        if cannot_load(batch):
            record_suspects(connection, batch, "by hand")
            continue
        try:
            load_staged(connection, stage_planned(connection, batch, its), amend=amend)
        except ChecksFailed as failed:
            record_suspects(connection, batch, failed)
    return planned


def an_hour_passes(connection: Connection) -> None:
    """Makes everything in the audit an hour older: failures alone count by the hour."""
    with closing(connection.cursor()) as cursor:
        cursor.execute("update core.load_audit set recorded_at = dateadd(hour, -1, recorded_at)")
    connection.commit()


def settle(connection: Connection, known: Iterable[Seen], name: str = "settle", **situation: Any) -> int:
    """Wakes the load of each date until nothing is planned any more, and returns how many wakes planned something."""
    its, wakes = list(known), 0
    for day in sorted({each.ready.day.day for each in its}):
        while wake(connection, its, f"{name} {wakes}", day=day, **situation):
            wakes += 1
            assert wakes < 50, "the load plans for ever"
    return wakes


def rows(connection: Connection, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows of a query, as tuples."""
    with closing(connection.cursor()) as cursor:
        found = query(cursor, sql, values)
    connection.rollback()
    return [tuple(row.values()) for row in found]


def core(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in `core` that a business key leads to: not which batch brought it, nor when."""
    watched = ", ".join(WATCHED)
    columns = {
        "listing_snapshots": "source, market, zpid, snapshot_date, price, bedrooms, observed_at, raw_position, set_id",
        "listings": "source, listing, zpid, market, snapshot_date, price, bedrooms, observed_at, raw_position, set_id",
        "listing_history": f"source, listing, zpid, valid_from, valid_to, {watched}, last_seen_on, days_seen",
        "listing_rejects": "source, market, snapshot_date, extract_id, raw_key, raw_position, reason, set_id",
    }
    order = {"listing_snapshots": "1, 2, 3, 4", "listings": "1, 2, 3", "listing_history": "1, 2, 3, 4"}
    return {
        table: rows(connection, f"select {names} from core.{table} order by {order.get(table, '1, 2, 3, 4, 5, 6')}")
        for table, names in columns.items()
    }


def audit(connection: Connection) -> dict[str, tuple[Any, ...]]:
    """Staged, accepted, superseded and superseded_by of every loaded set."""
    found = rows(
        connection,
        "select set_id, staged, accepted, superseded, superseded_by from core.load_audit where status = 'loaded'",
    )
    by_set = {row[0]: row[1:] for row in found}
    assert len(by_set) == len(found), "a set has two loaded rows"
    return by_set


def verdicts(connection: Connection) -> dict[str, str]:
    """Why each loaded set holds its day or does not."""
    return dict(rows(connection, "select set_id, verdict from core.load_audit where status = 'loaded'"))  # type: ignore[arg-type]


def loaded_turns(connection: Connection, day: str) -> frozenset[Turn]:
    """The turns by which the warehouse took the sets of a date, one per set."""
    loaded = "select set_id, replay from core.load_audit where status = 'loaded' and snapshot_date = "
    found = rows(connection, f"{loaded}'{day}'")
    return frozenset(Turn(*row) for row in found)


def mart_rows(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every mart, in the order of its keys."""
    return {table: rows(connection, f"select * from marts.{table} order by {key}") for table, key in MARTS.items()}


def as_the_newest_won(connection: Connection, fuller: Seen, newest: Seen) -> None:
    """Leaves a day as it was when the newest set held it, whatever it had, and nobody asked why; to be migrated.

    To be called when `newest` alone was loaded.
    """
    counted = {name: len(fuller.listings) for name in ("landed", "clean", "staged", "superseded")}
    named = {"set_id": fuller.set_id, "extract_id": fuller.ready.extract_id, "superseded_by": newest.set_id}
    changed = counted | named | {"accepted": 0, "load_number": 0, "observed_at": fuller.ready.observed}
    added = ("verdict", "should_hold", "withdrawn", "withdrawn_because")
    with closing(connection.cursor()) as cursor:
        for column in added:
            cursor.execute(f"alter table core.load_audit drop column {column}")
        cursor.execute("drop table staging.days")
        cursor.execute("drop table staging.exclusions")
        cursor.execute("delete from core.schema_migrations where number = 23")
        cursor.execute("select * from core.load_audit where set_id = %s", (newest.set_id,))
        names = [column[0].decode() if isinstance(column[0], bytes) else column[0] for column in cursor.description]
        row = dict(zip(names, cursor.fetchall()[0], strict=True)) | changed
        _insert(cursor, "core.load_audit", [row])
    connection.commit()


def empty_core(connection: Connection) -> None:
    """Removes all rows from `core`, and leftovers of staging."""
    with closing(connection.cursor()) as cursor:
        for table in TABLES:
            cursor.execute(f"delete from core.{table}")
        cursor.execute("delete from staging.batches")
    connection.commit()


def empty_marts(connection: Connection) -> None:
    """Removes all rows from `marts`, and the ledger of its builds."""
    with closing(connection.cursor()) as cursor:
        for table in (*MARTS, "builds"):
            cursor.execute(f"delete from marts.{table}")
    connection.commit()


def drop_all(connection: Connection) -> None:
    """Drops all that migrations create."""
    with closing(connection.cursor()) as cursor:
        for schema in ("core", "staging", "marts"):
            cursor.execute(f"drop schema if exists {schema} cascade")
    connection.commit()


def _insert(cursor: Any, table: str, found: Iterable[dict[str, Any]]) -> None:
    """Inserts rows with the same columns by one statement; a statement holds 32,767 values at most."""
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in found:
        alike.setdefault(tuple(row), []).append(row)
    for columns, its in alike.items():
        places = f"({', '.join(['%s'] * len(columns))})"
        for at in range(0, len(its), 500):
            some = its[at : at + 500]
            values = tuple(value for row in some for value in row.values())
            cursor.execute(
                f"insert into {table} ({', '.join(columns)}) values {', '.join([places] * len(some))}", values
            )
