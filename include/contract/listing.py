"""Knows the contract: the columns of a clean listing and of a reject, in order, with types and ranges.

The contract itself is `schemas/listing.odcs.yaml` (Open Data Contract Standard v3). This module reads it
into frozen types and derives from it what must agree with it: the Arrow schema, the COPY columns, the data
dictionary, and the compiled form that the build puts beside the transform's handler.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.base.refusals import Refused
from include.contract.yaml_files import read_yaml

if TYPE_CHECKING:
    import pyarrow as pa

CONTRACT_FILE = Path(__file__).parents[1] / "schemas" / "listing.odcs.yaml"
ORIGINS = ("set", "payload", "derived", "lineage")

_ARROW_NAMES: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"VARCHAR\((\d+)\)", lambda m: "string"),
    (r"DECIMAL\((\d+),(\d+)\)", lambda m: f"decimal128({m[1]}, {m[2]})"),
    (r"DATE", lambda m: "date32[day]"),
    # With a zone: Redshift is reported to misread naive microseconds in Parquet (apache/arrow#38000).
    (r"TIMESTAMP", lambda m: "timestamp[us, tz=UTC]"),
    (r"BIGINT", lambda m: "int64"),
    (r"INTEGER", lambda m: "int32"),
    (r"BOOLEAN", lambda m: "bool"),
)


class ContractError(Refused):
    """The contract file says something that this project does not understand."""


@dataclass(frozen=True)
class Column:
    """One column: `physical` is its Redshift type, `arrow` the name of its Arrow type."""

    name: str
    physical: str
    arrow: str
    required: bool
    minimum: Decimal | datetime | None
    maximum: Decimal | datetime | None
    unit: str | None
    origin: str
    description: str

    @property
    def length(self) -> int | None:
        """Bytes of UTF-8 that fit a text column; None for any other type."""
        found = re.fullmatch(r"VARCHAR\((\d+)\)", self.physical)
        return int(found[1]) if found else None


@dataclass(frozen=True)
class Table:
    """One schema object of the contract, its columns in order."""

    name: str
    description: str
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column:
        """The column of that name; KeyError names the ones there are."""
        for column in self.columns:
            if column.name == name:
                return column
        known = ", ".join(c.name for c in self.columns)
        raise KeyError(f"{self.name} has no column {name!r}; it has {known}")


@dataclass(frozen=True)
class Contract:
    """The whole contract, as `load_contract` reads it."""

    version: str
    listing: Table
    reject: Table

    def table(self, name: str) -> Table:
        """`listing` or `reject`; KeyError for anything else."""
        tables = {table.name: table for table in (self.listing, self.reject)}
        if name not in tables:
            raise KeyError(f"the contract has no table {name!r}; it has {', '.join(tables)}")
        return tables[name]

    def copy_columns(self, table: str) -> tuple[str, ...]:
        """Column names in the order of COPY, of Parquet and of the DDL."""
        return tuple(column.name for column in self.table(table).columns)

    def arrow_schema(self, table: str) -> pa.Schema:
        """The Arrow schema of a table; needs pyarrow, which nothing else here does."""
        import pyarrow as pa

        return pa.schema(
            [pa.field(c.name, _arrow_type(c.arrow), nullable=not c.required) for c in self.table(table).columns]
        )


@cache
def load_contract(path: Path = CONTRACT_FILE) -> Contract:
    """Reads the contract; ContractError says which property is wrong and what was expected."""
    document = read_yaml(path)
    tables = {part["name"]: _table(part) for part in document["schema"]}
    if set(tables) != {"listing", "reject"}:
        raise ContractError(f"{path.name}: expected the schema objects listing and reject, found {sorted(tables)}")
    return Contract(str(document["version"]), tables["listing"], tables["reject"])


def compile_contract() -> dict[str, Any]:
    """The contract as plain JSON values, which the transform reads from `contract.json` beside it."""
    contract = load_contract()
    return {
        "version": contract.version,
        **{table.name: [_compiled(c) for c in table.columns] for table in (contract.listing, contract.reject)},
    }


def dictionary(contract: Contract) -> str:
    """The data dictionary in Markdown."""
    parts = [
        "# Data dictionary",
        f"Contract version {contract.version}. Generated from `include/schemas/listing.odcs.yaml` by "
        "`python -m include.contract.listing --dictionary`; do not edit.",
        "Origin: *set* is the same for the whole extraction, *payload* comes from the API's row by its adapter, "
        "*derived* is made by the transform, *lineage* says where in raw the row came from.",
    ]
    for table in (contract.listing, contract.reject):
        head = "| column | type | required | range | unit | origin | meaning |\n|---|---|---|---|---|---|---|"
        rows = "\n".join(_dictionary_row(column) for column in table.columns)
        parts += [f"## {table.name}", table.description, f"{head}\n{rows}"]
    return "\n\n".join(parts) + "\n"


def _table(part: dict[str, Any]) -> Table:
    columns = tuple(_column(part["name"], each) for each in part["properties"])
    return Table(part["name"], part["description"], columns)


def _column(table: str, part: dict[str, Any]) -> Column:
    where = f"{table}.{part.get('name', '?')}"
    custom = {each["property"]: each["value"] for each in part.get("customProperties", [])}
    if custom.get("origin") not in ORIGINS:
        raise ContractError(f"{where}: origin is {custom.get('origin')!r}, expected one of {', '.join(ORIGINS)}")
    options = part.get("logicalTypeOptions", {})
    column = Column(
        name=part["name"],
        physical=part["physicalType"],
        arrow=_arrow_name(where, part["physicalType"]),
        required=part["required"],
        minimum=_bound(part["logicalType"], options.get("minimum")),
        maximum=_bound(part["logicalType"], options.get("maximum")),
        unit=custom.get("unit"),
        origin=custom["origin"],
        description=part["description"],
    )
    if column.length != options.get("maxLength"):
        said = options.get("maxLength")
        raise ContractError(f"{where}: maxLength is {said}, {column.physical} holds {column.length}")
    return column


def _arrow_name(where: str, physical: str) -> str:
    for pattern, name in _ARROW_NAMES:
        found = re.fullmatch(pattern, physical)
        if found:
            return name(found)
    raise ContractError(
        f"{where}: physicalType {physical!r} is none of VARCHAR(n), DECIMAL(p,s), DATE, "
        "TIMESTAMP, BIGINT, INTEGER, BOOLEAN"
    )


def _bound(logical: str, value: Any) -> Decimal | datetime | None:
    if value is None:
        return None
    return datetime.fromisoformat(value.replace("Z", "+00:00")) if logical == "timestamp" else Decimal(str(value))


def _bound_text(value: Decimal | datetime | None) -> str | None:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return None if value is None else str(value)


def _compiled(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "arrow": column.arrow,
        "required": column.required,
        "minimum": _bound_text(column.minimum),
        "maximum": _bound_text(column.maximum),
        "length": column.length,
        "unit": column.unit,
        "origin": column.origin,
    }


def _arrow_type(name: str) -> pa.DataType:
    import pyarrow as pa

    simple = {
        "string": pa.string(),
        "date32[day]": pa.date32(),
        "timestamp[us, tz=UTC]": pa.timestamp("us", "UTC"),
        "int64": pa.int64(),
        "int32": pa.int32(),
        "bool": pa.bool_(),
    }
    if name in simple:
        return simple[name]
    precision, scale = re.findall(r"\d+", name.removeprefix("decimal128"))
    return pa.decimal128(int(precision), int(scale))


def _dictionary_row(column: Column) -> str:
    low, high = _bound_text(column.minimum), _bound_text(column.maximum)
    between = f"{low} to {high}" if low and high else f"at least {low}" if low else ""
    required = "yes" if column.required else ""
    cells = (f"`{column.name}`", column.physical, required, between, column.unit or "", column.origin)
    return f"| {' | '.join(cells)} | {column.description} |"


if __name__ == "__main__":
    if sys.argv[1:] != ["--dictionary"]:
        sys.exit("usage: python -m include.contract.listing --dictionary   (prints the data dictionary in Markdown)")
    sys.stdout.write(dictionary(load_contract()))
