"""Knows the form of an adapter file: what may stand in `schemas/sources/<family>.yaml`, and what it means.

An adapter describes; it converts nothing. The extract side asks it how to make a request and how to know a
page, the transform is built from its columns. A file that says something else than this module understands
is refused with the place, what was found there and what was expected.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, TypeVar

from include.base.refusals import Refused
from include.base.searches import SEARCHES
from include.contract.listing import Column, load_contract

# Conversion -> the Arrow types that it can fill. The transform implements exactly these.
CONVERSIONS = MappingProxyType(
    {
        "number": ("decimal128",),
        "money": ("decimal128",),
        "area": ("decimal128",),
        "integer": ("int32", "int64"),
        "days_of_ms": ("int32", "int64"),
        "text": ("string",),
        "address_part": ("string",),
        "flag": ("bool",),
        "epoch_ms": ("timestamp",),
        "age_ms": ("timestamp",),
    }
)
# Conversion -> how its value is read from JSON; a path that two columns share must be read in one way.
_READ_AS = {"number": "number", "money": "number", "area": "number"}
_READ_AS |= {"text": "text", "address_part": "text", "flag": "flag"}
_RULE_KEYS = {"path", "as", "null_values", "null_of_homes", "map", "unknown", "unit_path", "units", "part"}
_KEYS = {"source", "connection", "request", "listings", "page_facts", "errors", "columns", "flags", "maps"}
_KEYS |= {"ignored", "expected", "not_listings"}
PAGE_FACTS = ("total_pages", "total_listings")
# What an address sent as one text is taken apart into.
ADDRESS_PARTS = ("street", "city", "state", "zipcode")

T = TypeVar("T")
# From the host on: another host, or a search with parameters of its own, would not be what the file says.
_PATH = re.compile(r"/([\w.~-]+(/[\w.~-]+)*/?)?")


class AdapterError(Refused):
    """An adapter file says something that is not understood; the message names the place."""


@dataclass(frozen=True)
class Request:
    """How to ask for a page. `page_cap` is the most pages that the API serves for one search.

    `listing` holds, per kind of search that the family offers (sale, rent, sold), the parameters that ask for it.
    """

    method: str
    host: str
    path: str
    location_param: str
    page_param: str
    first_page: int
    page_cap: int
    params: Mapping[str, str]
    listing: Mapping[str, Mapping[str, str]]
    page_size_param: str | None = None
    page_size: int | None = None


@dataclass(frozen=True)
class Rule:
    """One way to fill a column from a listing: the value at `path`, converted.

    `null_values` are values that mean "unknown" (of an address, of its part); `null_of_homes` mean it unless the
    listing is a plot (home_type LOT). `map_name` translates a text, `unknown` standing for one that the map lacks.
    `unit_path` and `units` turn an area into square feet; `unit_path` of money has its currency. `part` says which part
    of an address is meant; an address that cannot be taken apart is its street as a whole.
    """

    path: str
    conversion: str
    null_values: tuple[int | str, ...] = ()
    null_of_homes: tuple[int, ...] = ()
    map_name: str | None = None
    unknown: str | None = None
    unit_path: str | None = None
    units: Mapping[str, float] | None = None
    part: str | None = None


@dataclass(frozen=True)
class Adapter:
    """One adapter file, checked against the contract. `columns` holds, per column, the rules in order.

    `ignored` are paths that the family sends and nobody reads, each with all below it, so that they are no news.
    `expected` are columns that some listing of any set of 20 or more fills: when none does, a field was renamed.
    `page_facts`: where a page may claim how many pages and listings there are, for each the first place first.
    `not_listings` tells rows that are no listings, as buildings: path -> the values that say so, any of which suffices.
    Its paths begin at the row, beside what `each` names.
    """

    source: str
    connection: str
    request: Request
    listings_at: tuple[str, ...]
    each: str | None
    page_facts: Mapping[str, tuple[str, ...]]
    message_at: tuple[str, ...]
    permanent: tuple[str, ...]
    columns: Mapping[str, tuple[Rule, ...]]
    flags: Mapping[str, str]
    maps: Mapping[str, Mapping[str, str]]
    ignored: tuple[str, ...]
    expected: tuple[str, ...]
    not_listings: Mapping[str, tuple[bool | str, ...]]


def parse_adapter(name: str, document: Any) -> Adapter:
    """The adapter that a YAML document describes; `name` is the file's stem, which `source` must repeat."""
    top = _mapping(name, document)
    _only(name, top, _KEYS)
    if top.get("source") != name:
        raise AdapterError(f"{name}: source is {top.get('source')!r}, expected the file's own name, {name!r}")
    listings = _mapping(f"{name}.listings", top.get("listings"))
    errors = _mapping(f"{name}.errors", top.get("errors"))
    maps = {
        key: _words(f"{name}.maps.{key}", each) for key, each in _mapping(f"{name}.maps", top.get("maps", {})).items()
    }
    columns = _columns(name, _mapping(f"{name}.columns", top.get("columns")), maps)
    said_flags = _mapping(f"{name}.flags", top.get("flags", {}))
    flags = _frozen({flag: _path(f"{name}.flags.{flag}", path) for flag, path in said_flags.items()})
    read = [*_paths_read(columns), *flags.values()]
    inside = f"{listings['each']}." if listings.get("each") else ""
    not_listings = _not_listings(f"{name}.not_listings", top, inside, read)
    marks = [path.removeprefix(inside) for path in not_listings if path.startswith(inside)]
    return Adapter(
        source=name,
        connection=_need(name, top, "connection", str),
        request=_request(f"{name}.request", _mapping(f"{name}.request", top.get("request"))),
        listings_at=_paths(f"{name}.listings.at", listings.get("at")),
        each=_each(f"{name}.listings.each", listings),
        page_facts=_page_facts(f"{name}.page_facts", _mapping(f"{name}.page_facts", top.get("page_facts"))),
        message_at=_paths(f"{name}.errors.message_at", errors.get("message_at")),
        permanent=_texts(f"{name}.errors.permanent", errors.get("permanent")),
        columns=columns,
        flags=flags,
        maps=_frozen(maps),
        ignored=_ignored(f"{name}.ignored", top, [*read, *marks]),
        expected=_expected(f"{name}.expected", top, columns),
        not_listings=not_listings,
    )


def _request(where: str, part: dict[str, Any]) -> Request:
    _only(where, part, {field.name for field in fields(Request)})
    listing = _mapping(f"{where}.listing", part.get("listing"))
    _only(f"{where}.listing", listing, set(SEARCHES))
    if not listing:
        raise AdapterError(f"{where}.listing: empty; it says how to ask for one or more of {', '.join(SEARCHES)}")
    if part.get("method") != "GET":
        raise AdapterError(f"{where}: method is {part.get('method')!r}, expected 'GET': params go into the address")
    path = _need(where, part, "path", str)
    if not _PATH.fullmatch(path):
        raise AdapterError(f"{where}: path is {path!r}, expected one that begins at the host, like '/search'")
    if (cap := _need(where, part, "page_cap", int)) < 1:
        raise AdapterError(f"{where}: page_cap is {cap}, expected 1 or more")
    return Request(
        method="GET",
        host=_need(where, part, "host", str),
        path=path,
        location_param=_need(where, part, "location_param", str),
        page_param=_need(where, part, "page_param", str),
        first_page=_need(where, part, "first_page", int),
        page_cap=cap,
        params=_params(f"{where}.params", part.get("params", {})),
        listing=_frozen({kind: _params(f"{where}.listing.{kind}", each) for kind, each in listing.items()}),
        page_size_param=part.get("page_size_param"),
        page_size=part.get("page_size"),
    )


def _params(where: str, part: Any) -> Mapping[str, str]:
    params = _mapping(where, part)
    for key, value in params.items():
        if not isinstance(key, str) or isinstance(value, bool) or not isinstance(value, str | int | float):
            raise AdapterError(f"{where}: {key!r}: {value!r}, expected a text or a number; 'true' and 'no' are quoted")
    return _frozen({key: str(value) for key, value in params.items()})


def _page_facts(where: str, part: dict[str, Any]) -> Mapping[str, tuple[str, ...]]:
    _only(where, part, set(PAGE_FACTS))
    paths = {fact: [said] if isinstance(said, str) else said for fact, said in part.items()}
    return _frozen({fact: _paths(f"{where}.{fact}", each) for fact, each in paths.items()})


def _columns(name: str, part: dict[str, Any], maps: Mapping[str, Mapping[str, str]]) -> Mapping[str, tuple[Rule, ...]]:
    payload = {column.name: column for column in load_contract().listing.columns if column.origin == "payload"}
    rules: dict[str, tuple[Rule, ...]] = {}
    for column, said in part.items():
        where = f"{name}.columns.{column}"
        if column not in payload:
            raise AdapterError(f"{where}: not a payload column of the contract; those are {', '.join(payload)}")
        each = said if isinstance(said, list) else [said]
        rules[column] = tuple(_rule(where, _mapping(where, one), payload[column], maps) for one in each)
    missing = [column.name for column in payload.values() if _must_have(column) and column.name not in rules]
    if missing:
        raise AdapterError(f"{name}.columns: no rule for {', '.join(missing)}, which the contract requires")
    _check_shared_paths(name, rules)
    return _frozen(rules)


def _must_have(column: Column) -> bool:
    # A flag that no rule fills is false, as one that is absent from the payload.
    return column.required and column.arrow != "bool"


def _rule(where: str, part: dict[str, Any], column: Column, maps: Mapping[str, Mapping[str, str]]) -> Rule:
    _only(where, part, _RULE_KEYS)
    conversion = _need(where, part, "as", str)
    if conversion not in CONVERSIONS:
        raise AdapterError(f"{where}: unknown conversion {conversion!r}; there are {', '.join(CONVERSIONS)}")
    if not column.arrow.startswith(CONVERSIONS[conversion]):
        fit = ", ".join(CONVERSIONS[conversion])
        raise AdapterError(f"{where}: {conversion!r} makes {fit}, the contract's column is {column.arrow}")
    map_name = part.get("map")
    if map_name is not None and (map_name not in maps or conversion != "text"):
        raise AdapterError(f"{where}: map {map_name!r} must be one of {sorted(maps)}, on a text")
    if (map_name is None) != (part.get("unknown") is None):
        raise AdapterError(f"{where}: map and unknown go together: unknown is what a value outside the map becomes")
    if {"area": {"unit_path", "units"}, "money": {"unit_path"}}.get(conversion, set()) != {"unit_path", "units"} & set(
        part
    ):
        raise AdapterError(f"{where}: an area has unit_path and units, money unit_path, and nothing else has either")
    part_of_address = part.get("part")
    if (conversion == "address_part") != (part_of_address is not None):
        raise AdapterError(f"{where}: an address_part, and nothing else, has a part")
    if part_of_address not in (None, *ADDRESS_PARTS):
        raise AdapterError(f"{where}: part is {part_of_address!r}, expected one of {', '.join(ADDRESS_PARTS)}")
    return Rule(
        path=_path(where, part.get("path")),
        conversion=conversion,
        null_values=_unknowns(where, part, "null_values", (bool,) if conversion == "flag" else (int, str)),
        null_of_homes=_unknowns(where, part, "null_of_homes", (int,)),
        map_name=map_name,
        unknown=part.get("unknown"),
        unit_path=_path(where, part["unit_path"]) if "unit_path" in part else None,
        units=_units(f"{where}.units", part["units"]) if "units" in part else None,
        part=part_of_address,
    )


def _units(where: str, value: Any) -> Mapping[str, float]:
    units = _mapping(where, value)
    for unit, factor in units.items():
        is_number = isinstance(factor, (int, float)) and not isinstance(factor, bool)
        if not isinstance(unit, str) or not unit.strip() or not is_number or not 0 < factor < math.inf:
            raise AdapterError(f"{where}: {unit!r}: {factor!r}, expected a unit's name and how many square feet it is")
    if not units:
        raise AdapterError(f"{where}: empty; it says how many square feet a unit is")
    return _frozen(units)


def _words(where: str, value: Any) -> Mapping[str, str]:
    """A family's words in the contract's vocabulary. A bare yes, no, on or off is no word to YAML: true or false."""
    words = _mapping(where, value)
    for word, meaning in words.items():
        if not isinstance(word, str) or not isinstance(meaning, str):
            raise AdapterError(
                f"{where}: {word!r}: {meaning!r}, expected two texts; what YAML reads otherwise is quoted"
            )
    if not words:
        raise AdapterError(f"{where}: empty; it translates a family's words")
    return _frozen(words)


_NAMED: dict[type, str] = {bool: "true or false", int: "whole numbers", str: "texts"}


def _unknowns(where: str, part: Mapping[str, Any], key: str, kinds: tuple[type, ...]) -> tuple[Any, ...]:
    """Values that mean "not known". Null means it without being named."""
    values = part.get(key, [])
    if not isinstance(values, list) or not all(type(each) in kinds for each in values):
        expected = " and ".join(_NAMED[kind] for kind in kinds)
        raise AdapterError(f"{where}: {key} is {values!r}, expected a list of {expected}")
    return tuple(values)


def _check_shared_paths(name: str, rules: Mapping[str, tuple[Rule, ...]]) -> None:
    read: dict[str, tuple[str, str]] = {}
    for column, each in rules.items():
        for rule in each:
            ways = [(rule.path, _READ_AS.get(rule.conversion, "integer"))]
            ways += [(rule.unit_path, "text")] if rule.unit_path else []
            for path, way in ways:
                first, before = read.setdefault(path, (column, way))
                if before != way:
                    raise AdapterError(f"{name}.columns: {first} reads {path} as {before}, {column} as {way}")


def _paths_read(rules: Mapping[str, tuple[Rule, ...]]) -> list[str]:
    each = [rule for of_column in rules.values() for rule in of_column]
    return [rule.path for rule in each] + [rule.unit_path for rule in each if rule.unit_path]


def _ignored(where: str, top: Mapping[str, Any], read: list[str]) -> tuple[str, ...]:
    """The ignored paths: none may hold, or lie in, what is read or ignored already."""
    ignored = _paths(where, top["ignored"]) if "ignored" in top else ()
    for index, path in enumerate(ignored):
        for other in (*read, *ignored[:index]):
            if f"{path}.".startswith(f"{other}.") or f"{other}.".startswith(f"{path}."):
                what = "read" if other in read else "ignored"
                raise AdapterError(f"{where}: {path} overlaps with {other}, which is {what} already")
    return ignored


def _not_listings(
    where: str, top: Mapping[str, Any], inside: str, read: list[str]
) -> Mapping[str, tuple[bool | str, ...]]:
    """Return the values that tell no listings, by path; refuse what no row can have.

    `read` are the paths that columns and flags read, below `inside`: what lies around or inside of a value is none.
    """
    marks: dict[str, tuple[bool | str, ...]] = {}
    for path, values in _mapping(where, top["not_listings"]).items() if "not_listings" in top else ():
        _path(where, path)
        if not isinstance(values, list) or not values or not all(isinstance(each, bool | str) for each in values):
            raise AdapterError(f"{where}.{path}: {values!r}, expected a list of texts, true or false")
        for other in (*(inside + each for each in read), *marks):
            if f"{path}.".startswith(f"{other}.") != f"{other}.".startswith(f"{path}."):
                raise AdapterError(f"{where}: {path} matches nothing, as {other} is read")
        marks[path] = tuple(values)
    return _frozen(marks)


def _expected(where: str, top: Mapping[str, Any], rules: Mapping[str, tuple[Rule, ...]]) -> tuple[str, ...]:
    expected = _texts(where, top["expected"]) if "expected" in top else ()
    arrow = {column.name: column.arrow for column in load_contract().listing.columns}
    for index, column in enumerate(expected):
        if column not in rules:
            raise AdapterError(f"{where}: {column} has no rule; columns with one are {', '.join(rules)}")
        if arrow[column] == "bool":
            raise AdapterError(f"{where}: {column} is a flag, which is false where nothing is sent and never absent")
        if column in expected[:index]:
            raise AdapterError(f"{where}: {column} stands there twice")
    return expected


def _mapping(where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise AdapterError(f"{where}: {value!r}, expected a mapping")
    return value


def _path(where: str, value: Any) -> str:
    """The path as it stands; refused where nothing can be: an answer has objects with names, a list has no places."""
    names = value.split(".") if isinstance(value, str) else [""]
    if any(name.isdigit() or "[" in name or name in ("", "*") or not _is_name(name) for name in names):
        raise AdapterError(
            f"{where}: nothing stands at {value!r}; expected names of fields with dots between, without blanks around "
            "them, and no place in a list"
        )
    return str(value)


def _is_name(text: str) -> bool:
    """Whether no blank stands around it and no line break in it, as a slip of the hand leaves them."""
    return text == text.strip() and text.isprintable()


def _paths(where: str, value: Any) -> tuple[str, ...]:
    return tuple(_path(where, each) for each in _texts(where, value))


def _each(where: str, listings: Mapping[str, Any]) -> str | None:
    if "each" not in listings:
        return None
    if "." in (each := _path(where, listings["each"])):
        raise AdapterError(f"{where}: {each!r}, expected one name: the field of an item that holds its listing")
    return each


def _texts(where: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
        raise AdapterError(f"{where}: {value!r}, expected a list of texts")
    return tuple(value)


def _need(where: str, part: Mapping[str, Any], key: str, kind: type[T]) -> T:
    value = part.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise AdapterError(f"{where}: {key} is {value!r}, expected {kind.__name__}")
    return value


def _only(where: str, part: Mapping[str, Any], known: set[str]) -> None:
    strange = sorted(set(part) - known)
    if strange:
        raise AdapterError(f"{where}: unknown key {', '.join(strange)}; there are {', '.join(sorted(known))}")


def _frozen(value: Mapping[str, T]) -> Mapping[str, T]:
    return MappingProxyType(dict(value))
