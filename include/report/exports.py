"""The marts as files: one CSV and one Parquet each, of what a date's report is about."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date as Date
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from include.report.reading import DAYS
from include.warehouse.sql_files import Connection, read

_SPAN = f"the {DAYS} days up to the report's date"
_ON_SPAN = "snapshot_date between %(first)s and %(last)s"


@dataclass(frozen=True)
class _Choice:
    """Which rows of a mart a date's export holds, and in which order; `span` says it in words."""

    rows: str
    order: str
    span: str = _SPAN


EXPORTS = {
    "market_by_day": _Choice(_ON_SPAN, "source, market, snapshot_date"),
    "zip_by_day": _Choice("snapshot_date = %(last)s", "source, market, zipcode", "the report's date"),
    "price_cuts": _Choice("seen_on between %(first)s and %(last)s", "source, listing, seen_on, zpid"),
    "zestimate_gaps": _Choice(
        "snapshot_date <= %(last)s", "source, market, zpid", "each market's newest day, if not after the report's date"
    ),
    "coverage": _Choice(_ON_SPAN, "source, market, snapshot_date"),
    "rejects_by_day": _Choice(_ON_SPAN, "source, market, snapshot_date, reason"),
    "listing_presence": _Choice(
        "first_seen_on <= %(last)s and last_seen_on >= %(last)s",
        "source, market, zpid",
        "listings first seen by the report's date and last seen on it or later",
    ),
    "jumps": _Choice(_ON_SPAN, "source, market, snapshot_date, measure"),
}
_TYPES: dict[str, pa.DataType] = {
    "bigint": pa.int64(),
    "integer": pa.int32(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp without time zone": pa.timestamp("us"),
    "character varying": pa.string(),
}


@dataclass(frozen=True)
class Export:
    """One mart's rows for a date, as files; `span` says in words which days they are of."""

    mart: str
    rows: int
    span: str
    csv: bytes
    parquet: bytes


def exports(connection: Connection, date: str) -> Iterator[Export]:
    """Each mart's export for the date YYYY-MM-DD, one after the other; money and shares stay decimals."""
    last = Date.fromisoformat(date)
    schemas = _schemas(connection)
    days = {"first": last - timedelta(days=DAYS - 1), "last": last}
    for mart, choice in EXPORTS.items():
        names = ", ".join(schemas[mart].names)
        # Names of our own tables and columns, nothing that came from outside.
        sql = f"select {names} from marts.{mart} where {choice.rows} order by {choice.order}"  # noqa: S608
        table = _table(read(connection, *_bound(sql, days)), schemas[mart])
        yield Export(mart, table.num_rows, choice.span, _csv(table), _parquet(table))


def _bound(sql: str, days: Mapping[str, Date]) -> tuple[str, tuple[Date, ...]]:
    """The statement with the driver's own marks, and the dates in their order."""
    names = re.findall(r"%\((\w+)\)s", sql)
    return re.sub(r"%\(\w+\)s", "%s", sql), tuple(days[name] for name in names)


def _schemas(connection: Connection) -> dict[str, pa.Schema]:
    """The Arrow schema of each mart, from the warehouse's catalog: a mart without rows has types too."""
    columns = read(
        connection,
        "select table_name, column_name, data_type, numeric_precision, numeric_scale"
        " from information_schema.columns where table_schema = 'marts' order by table_name, ordinal_position",
    )
    found: dict[str, list[pa.Field]] = {}
    for row in columns:
        if row["table_name"] not in EXPORTS:
            continue
        if row["data_type"] == "numeric":
            kind: pa.DataType = pa.decimal128(int(row["numeric_precision"]), int(row["numeric_scale"]))
        else:
            kind = _TYPES[row["data_type"]]
        found.setdefault(row["table_name"], []).append(pa.field(row["column_name"], kind))
    return {mart: pa.schema(found[mart]) for mart in EXPORTS}


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.table({name: pa.array([row[name] for row in rows], schema.field(name).type) for name in schema.names})


def _csv(table: pa.Table) -> bytes:
    """The table as CSV, in which a text that a spreadsheet would take for a formula begins with an apostrophe."""
    for place, kind in enumerate(table.schema):
        if pa.types.is_string(kind.type):
            texts = pc.replace_substring_regex(table.column(place), r"^([=+\-@\t\r\n])", r"'\1")
            table = table.set_column(place, kind, texts)
    out = io.BytesIO()
    pa.csv.write_csv(table, out)
    return out.getvalue()


def _parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pa.parquet.write_table(table, out, compression="snappy")
    return out.getvalue()
