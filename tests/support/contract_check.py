"""Holds rows against the contract, value by value in plain Python, as no part of the product does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from include.contract.listing import Column, Table

_TYPES = {
    "string": str,
    "bool": bool,
    "int32": int,
    "int64": int,
    "date32[day]": date,
    "timestamp[us, tz=UTC]": datetime,
}


def violations(table: Table, rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """What in these rows the contract forbids, in words; empty where all is well."""
    names = [column.name for column in table.columns]
    found = []
    for row in rows:
        if names != list(row):
            found.append(f"columns are {list(row)}, expected {names}")
        found += [
            f"{column.name}: {problem}" for column in table.columns for problem in _problems(column, row[column.name])
        ]
    return found


def _problems(column: Column, value: Any) -> Iterable[str]:
    if value is None:
        if column.required:
            yield "null, and required"
        return
    expected = Decimal if column.arrow.startswith("decimal") else _TYPES[column.arrow]
    if type(value) is not expected:
        yield f"{value!r} is {type(value).__name__}, expected {expected.__name__}"
        return
    if column.minimum is not None and value < column.minimum:
        yield f"{value} is below {column.minimum}"
    if column.maximum is not None and value > column.maximum:
        yield f"{value} is above {column.maximum}"
    yield from _misfits(column, value)


def _misfits(column: Column, value: Any) -> Iterable[str]:
    """What the column's type cannot hold, where Python's can."""
    if isinstance(value, str):
        if len(value.encode()) > (column.length or 0) or "\0" in value:
            yield f"{value[:40]!r} of {len(value.encode())} bytes in {column.physical}"
    elif isinstance(value, Decimal):
        precision, scale = (int(part) for part in column.arrow.removeprefix("decimal128(").rstrip(")").split(","))
        if not value.is_finite() or abs(value) >= 10 ** (precision - scale) or value.as_tuple().exponent != -scale:
            yield f"{value} in {column.physical}"
    elif isinstance(value, datetime):
        if value.utcoffset() != timedelta(0):
            yield f"{value} is not UTC"
    elif column.arrow == "int32" and abs(value) > 2**31 - 1:
        yield f"{value} in {column.physical}"
