"""Knows, for one API family, which values of a listing are read and how: the contract and the adapter joined.

Both come compiled (plain JSON values, put beside the handler by the build). A *leaf* is one path of the
payload that some column needs; two columns may share a leaf.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

NUMBER, INTEGER, TEXT, FLAG, ANYTHING = "number", "integer", "text", "flag", "anything"
_READ_AS = {"number": NUMBER, "money": NUMBER, "area": NUMBER, "text": TEXT, "address_part": TEXT, "flag": FLAG}


class Rule(msgspec.Struct, frozen=True):
    """One way to fill a column; see `include/contract/adapters.py` for the meaning of each part."""

    path: str
    conversion: str
    null_values: tuple[int | str, ...]
    null_of_homes: tuple[int, ...]
    map: Mapping[str, str] | None
    unknown: str | None
    unit_path: str | None
    units: Mapping[str, float] | None
    part: str | None

    def is_unknown(self, value: object) -> bool:
        """Whether the value stands for "not known". Of a text neither case nor the blanks around it matter."""
        return (value.strip().casefold() if isinstance(value, str) else value) in self.null_values

    @property
    def reads(self) -> tuple[tuple[str, str], ...]:
        """The paths that it reads, each with how its value is read from JSON."""
        own = (self.path, _READ_AS.get(self.conversion, INTEGER))
        return (own, (self.unit_path, TEXT)) if self.unit_path else (own,)


class Column(msgspec.Struct, frozen=True):
    """One column of the contract; `rules` is empty where the payload does not fill it.

    `minimum` and `maximum` are numbers, or ISO times for a time; `length` is in bytes.
    """

    name: str
    arrow: str
    required: bool
    minimum: str | None
    maximum: str | None
    length: int | None
    unit: str | None
    origin: str
    rules: tuple[Rule, ...]

    @property
    def digits(self) -> tuple[int, int]:
        """Precision and scale of a decimal column."""
        precision, scale = self.arrow.removeprefix("decimal128(").removesuffix(")").split(",")
        return int(precision), int(scale)

    @property
    def bounds(self) -> tuple[Decimal, Decimal]:
        """Least and greatest number: what the contract says and, where it says nothing, what the type holds."""
        if self.arrow.startswith("decimal128"):
            precision, scale = self.digits
            most = Decimal(10**precision - 1).scaleb(-scale)
            least = -most
        else:
            bits = int(self.arrow.removeprefix("int")) - 1
            least, most = Decimal(-(2**bits)), Decimal(2**bits - 1)
        return (
            least if self.minimum is None else max(least, Decimal(self.minimum)),
            most if self.maximum is None else min(most, Decimal(self.maximum)),
        )


class Plan(msgspec.Struct, frozen=True):
    """All that the transform needs to know to clean the pages of one family."""

    source: str
    contract_version: str
    listing: tuple[Column, ...]
    reject: tuple[Column, ...]
    listings_at: tuple[str, ...]
    each: str | None
    flags: Mapping[str, str]
    ignored: tuple[str, ...]
    expected: tuple[str, ...]
    not_listings: Mapping[str, tuple[bool | str, ...]]

    @property
    def payload(self) -> tuple[Column, ...]:
        """The columns that come from the API's row, in contract order."""
        return tuple(column for column in self.listing if column.origin == "payload")

    @property
    def home_type(self) -> Column:
        """The column that tells plots from homes."""
        return next(column for column in self.listing if column.name == "home_type")

    @property
    def leaves(self) -> dict[str, str]:
        """Path -> how it is read, each path once."""
        rules = (rule for column in self.payload for rule in column.rules)
        read = {path: kind for rule in rules for path, kind in rule.reads}
        return read | {path: ANYTHING for path in self.flags.values() if path not in read}

    @property
    def unread(self) -> list[str]:
        """Paths of a listing that are known, though no column reads them: ignored ones, and those of no listings."""
        inside = f"{self.each}." if self.each else ""
        marks = [path.removeprefix(inside) for path in self.not_listings if path.startswith(inside)]
        return [path for path in (*self.ignored, *marks) if path not in self.leaves]


def make_plan(contract: Mapping[str, Any], source: Mapping[str, Any]) -> Plan:
    """Joins `contract.json` and one entry of `sources.json`."""
    return Plan(
        source=source["source"],
        contract_version=contract["version"],
        listing=tuple(_column(each, source) for each in contract["listing"]),
        reject=tuple(_column(each, None) for each in contract["reject"]),
        listings_at=tuple(source["listings_at"]),
        each=source["each"],
        flags=source["flags"],
        ignored=tuple(source["ignored"]),
        expected=tuple(source["expected"]),
        not_listings={path: tuple(values) for path, values in source["not_listings"].items()},
    )


def _column(said: Mapping[str, Any], source: Mapping[str, Any] | None) -> Column:
    rules: Sequence[Mapping[str, Any]] = source["columns"].get(said["name"], ()) if source else ()
    maps = source["maps"] if source else {}
    return Column(**said, rules=tuple(_rule(each, maps) for each in rules))


def _rule(said: Mapping[str, Any], maps: Mapping[str, Mapping[str, str]]) -> Rule:
    return Rule(
        path=said["path"],
        conversion=said["conversion"],
        null_values=tuple(each.casefold() if isinstance(each, str) else each for each in said["null_values"]),
        null_of_homes=tuple(said["null_of_homes"]),
        map=maps[said["map_name"]] if said["map_name"] else None,
        unknown=said["unknown"],
        unit_path=said["unit_path"],
        units=said["units"],
        part=said["part"],
    )
