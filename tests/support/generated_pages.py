"""Makes sets of pages of all families, valid, odd and broken, and says which kinds of trouble each set holds.

A row starts as a listing with every field that its adapter reads, each valid; then up to four of its fields are
spoilt, so that one fault seldom hides another. Only pages that landing would accept are made: the standard
library reads them, and a list of listings is there.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from hypothesis import strategies as st

from include.contract.families import load_source
from tests.support.raw_pages import PLACES, raw_rows

FAMILIES = tuple(PLACES)
ABSENT = object()
# A text that stands for a literal of JSON which json.dumps would not write.
LITERAL = "<<{}>>"


def _nest(depth: int, inside: Any, name: str | None = None) -> Any:
    for _ in range(depth):
        inside = [inside] if name is None else {name: inside}
    return inside


# Kind of trouble -> values to put in the place of a valid one.
VALUES: dict[str, list[Any]] = {
    "absent key": [ABSENT],
    "null": [None],
    "boolean": [True, False],
    "another number": [0, 1, -1, 7, 1.5, -0.0, 0.005, 2.675, 1e9, 1e9 + 0.01, 180.0000004, 86_400_000, 5e-324, 1e308],
    "number as text": [
        "12",
        "0",
        "-3",
        "1e3",
        "7.5",
        " 7",
        "7 ",
        "1_000",
        "٣",
        "0x10",
        "+5",
        "1e400",
        "9" * 400,
        "007",
    ],
    "text": [
        *("--", "$634,500", "", "  ", "nan", "Infinity", "-inf", "null", "true", "acres", "squareFeet", "LOT", "land"),
        *("Houston, TX 77002", "9 Sample Rd, Lot 5, Cañon City, CO", ", , TX", "NE", "x, NE", "\n, A, TX 77001"),
    ],
    "long text": ["x" * 600, "é" * 300, "\U0001f3e0" * 40, "x" * 70_000, f"{'y' * 600}, Houston, TX 77002"],
    "not a number": [float("nan"), float("inf"), float("-inf"), LITERAL.format("1e999")],
    "huge integer": [2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 10**25, -(10**400), 10**400],
    "odd literal": [
        LITERAL.format(each) for each in ("1E5", "-0", "1.00000000000000000000001", "1e-400", "12345678901e0")
    ],
    "lone surrogate": ["\ud800", "a\udc00b", "\udfff\ud800", "9 Sample\ud800 Rd, Houston, TX 77002"],
    "NUL": ["\0", "a\0b", "9 Sample\0 Rd, Houston, TX 77002", "9 Sample Rd, Hous\0ton, TX 77002"],
    "object": [{}, {"a": 1}, {"value": 5}, {"": None}, {"\ud800": {"\0": 1}}],
    "list": [[], [1], [None], [[]], [{"zpid": 1}]],
    "deep nesting": [
        _nest(30, 1),
        _nest(300, None, "a"),
        _nest(700, 1),
        _nest(940, "x", "property"),
        LITERAL.format("deepest"),
    ],
}
# Kinds of trouble that are no single value or page.
ROW_KINDS = (
    *("valid row", "anything", "unknown field", "no object where one belongs", "repeated key", "no row at all"),
    *("rent group", "building", "item without a property", "empty page", "unreadable page", "another encoding"),
    *("surrogate as bytes", "zpid twice on a page", "zpid on two pages"),
)
# Kinds that say more where a text belongs, which is in few places.
_OF_TEXTS = ("text", "long text", "lone surrogate", "NUL")
UNKNOWN = ("zzNew", "été", "", "\0", "\ud800", "price ", "a.b", "x" * 300, "zpid.zpid", "0", "propertyGroup")
_JUNK = st.one_of(st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=8))
_KINDS = st.sampled_from(sorted(VALUES))
NO_ROWS: tuple[Any, ...] = (None, 5, "x", [{"zpid": 1}], True, float("nan"), {}, [], "\ud800", {"message": "busy"})


@dataclass(frozen=True)
class GeneratedSet:
    """One family's pages, each with the rows that landing counted on it, and how often each kind is in them."""

    family: str
    pages: tuple[tuple[bytes, int], ...]
    kinds: Counter[str]


@st.composite
def generated_sets(draw: st.DrawFn, families: Sequence[str] = FAMILIES) -> GeneratedSet:
    """A set of one to three pages of up to five rows."""
    made = draw(st.sampled_from(families))
    kinds: Counter[str] = Counter()
    pages = []
    for _ in range(draw(st.integers(1, 3))):
        rows = [draw(_rows(made, kinds)) for _ in range(draw(st.integers(0, 5)))]
        kinds["empty page"] += not rows
        page = draw(_pages(made, rows, kinds))
        pages.append((page, len(raw_rows(page, made))))
    return GeneratedSet(made, tuple(pages), kinds)


def valid_payload(family: str, zpid: int) -> dict[str, Any]:
    """A listing with a valid value in every path that the family's adapter reads."""
    adapter = load_source(family).adapter
    payload: dict[str, Any] = {}
    for column, rules in adapter.columns.items():
        for rule in rules:
            _put(payload, rule.path, _VALID[rule.conversion])
            if rule.map_name:
                _put(payload, rule.path, next(iter(adapter.maps[rule.map_name])))
        if column == "year_built":
            _put(payload, rules[0].path, 1998)
        if column == "lot_area_unit":
            _put(payload, rules[0].path, "acres")
    _put(payload, adapter.columns["zpid"][0].path, str(zpid) if family == "zillow-com1" else zpid)
    return payload


_VALID: dict[str, Any] = {
    "number": 45.5,
    "money": 45.5,
    "area": 0.25,
    "integer": 12,
    "days_of_ms": 176_400_000,
    "age_ms": 176_400_000,
    "epoch_ms": 1_763_683_200_000,
    "text": "Sample 77001",
    "address_part": "9 Sample Rd, Lot 5, Houston, TX 77002",
    "flag": True,
}


@st.composite
def _rows(draw: st.DrawFn, family: str, kinds: Counter[str]) -> str:
    """One row as JSON text."""
    payload = valid_payload(family, draw(st.integers(1, 12)))
    shape = draw(st.integers(0, 19))
    if shape == 0:
        kinds["no row at all"] += 1
        return _text(draw(st.sampled_from(NO_ROWS)), draw(st.booleans()))
    if shape == 1 and family == "zillow-working-api":
        return _text(draw(_odd_items(payload, kinds)), False)
    if shape == 1 and family == "zillow-com1":
        kinds["building"] += 1
        payload |= {"isBuilding": True, "zpid": draw(st.sampled_from(("29.5--95.1", "29.6--95.1", "7", None, 7)))}
    spoilt = draw(st.sampled_from((1, 1, 1, 2, 4))) if shape > 4 else 0
    kinds["valid row"] += not spoilt
    for _ in range(spoilt):
        _spoil(family, payload, draw, kinds)
    item = {"property": payload, "resultType": "property"} if family == "zillow-working-api" else payload
    text = _text(item, draw(st.booleans()))
    if shape == 19:
        kinds["repeated key"] += 1
        again = draw(
            st.sampled_from(['"zpid": 77', '"price": "--"', '"property": 5', '"zpid": [1]', '"price": {"value": 3}'])
        )
        return "{" + again + "," + text[1:] if draw(st.booleans()) else text[:-1] + "," + again + "}"
    return text


@st.composite
def _odd_items(draw: st.DrawFn, payload: dict[str, Any], kinds: Counter[str]) -> Any:
    """An item of zillow-working-api that wraps no home of its own."""
    if draw(st.booleans()):
        kinds["rent group"] += 1
        lacking = draw(st.sampled_from([("price",), ("price", "bedrooms"), ("price", "zpid"), ("price", "bathrooms")]))
        group = {name: value for name, value in payload.items() if name not in lacking}
        return {"property": group, "resultType": "propertyGroup"}
    kinds["item without a property"] += 1
    return draw(
        st.sampled_from([{"resultType": "propertyGroup"}, {"property": None}, {"property": [payload]}, payload])
    )


@cache
def _paths(family: str, conversions: tuple[str, ...] = ()) -> list[str]:
    """The paths that the family's adapter reads, or those of them that it reads by these conversions."""
    adapter = load_source(family).adapter
    rules = [rule for each in adapter.columns.values() for rule in each]
    if conversions:
        return sorted({rule.path for rule in rules if rule.conversion in conversions})
    units = {rule.unit_path for rule in rules if rule.unit_path}
    return sorted({rule.path for rule in rules} | units | set(adapter.flags.values()))


def _spoil(family: str, payload: dict[str, Any], draw: st.DrawFn, kinds: Counter[str]) -> None:
    """Puts a wrong value, or anything at all, at a path, above it, below it, or where nobody reads."""
    where = draw(st.integers(0, 19))
    kind, value = "anything", ABSENT
    if draw(st.integers(0, 9)):
        # The kind first, so that those of few values are as frequent as others.
        kind = draw(_KINDS)
        value = draw(st.sampled_from(VALUES[kind]))
    else:
        value = draw(_JUNK)
    texts = kind in _OF_TEXTS and draw(st.booleans())
    path = draw(st.sampled_from(_paths(family, ("text", "address_part") if texts else ())))
    if where in (0, 3):
        path = draw(st.sampled_from(UNKNOWN))
        kinds["unknown field"] += 1
        payload[path] = None if value is ABSENT else value
    elif where == 1 and "." in path:
        kinds["no object where one belongs"] += not isinstance(value, dict)
        _put(payload, path.rsplit(".", 1)[0], value)
    elif where == 2:
        kinds["object"] += 1
        _put(payload, path, {draw(st.sampled_from(UNKNOWN)): None if value is ABSENT else value})
    else:
        _put(payload, path, value)
    kinds[kind] += 1


def _put(payload: dict[str, Any], path: str, value: Any) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        inside = payload.get(parent)
        # A copy: what stands there may be one of VALUES, which must stay as they are.
        payload[parent] = dict(inside) if isinstance(inside, dict) else {}
        payload = payload[parent]
    if value is ABSENT:
        payload.pop(name, None)
    else:
        payload[name] = value


def _text(value: Any, ascii_only: bool) -> str:
    text = json.dumps(value, ensure_ascii=ascii_only)
    before, *marked = text.split('"' + LITERAL.split("{}")[0])
    text = before + "".join(each.replace('>>"', "", 1) for each in marked)
    depth = _deepest() - 8
    return text.replace("deepest", "[" * depth + "]" * depth)


# Kind of page -> the text before and after the list of listings, `%s` being the list.
ENVELOPES: dict[str, list[str]] = {
    "plain page": ['{"%(last)s": %(rows)s, "totalPages": 20}'],
    "NaN beside the list": ['{"x": NaN, "%(last)s": %(rows)s}', '{"%(last)s": %(rows)s, "totalPages": -Infinity}'],
    "lone surrogate beside the list": [
        '{"%(last)s": %(rows)s, "note": "\\ud800"}',
        '{"\\udfff": 1, "%(last)s": %(rows)s}',
    ],
    "huge number beside the list": [
        '{"n": 1e999, "%(last)s": %(rows)s}',
        '{"%(last)s": %(rows)s, "n": ' + "9" * 500 + "}",
    ],
    "deep page": ['{"deep": %(open)s%(close)s, "%(last)s": %(rows)s}'],
    # msgspec does not know NaN, and the standard library nests less deeply where the stack is fuller.
    "deep page with NaN": ['{"deep": %(open)sNaN%(close)s, "%(last)s": %(rows)s}'],
    "repeated list": ['{"%(last)s": [1, 2], "%(last)s": %(rows)s}', '{"%(last)s": 5, "%(last)s": %(rows)s}'],
    "white space": ['\r\n\t{ "%(last)s" :\n%(rows)s\t}\n\n'],
    "list in the other place": ['{"data": {"%(last)s": %(rows)s}}'],
    "something else in the first place": [
        f'{{"searchResults": {each}, "data": {{"%(last)s": %(rows)s}}}}' for each in ("null", "5", '"x"', "{}", "NaN")
    ],
}
_OF_WORKING_API = ("list in the other place", "something else in the first place")
_ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-32-be")


def _deepest() -> int:
    """How deep a value beside the list may nest so that the standard library reads it on an empty stack."""
    return sys.getrecursionlimit() - 22


@st.composite
def _pages(draw: st.DrawFn, family: str, rows: list[str], kinds: Counter[str]) -> bytes:
    """A page of these rows, as bytes that the standard library reads."""
    plain = draw(st.booleans())
    fit = [kind for kind in ENVELOPES if kind not in _OF_WORKING_API]
    if family == "zillow-working-api":
        fit += 2 * _OF_WORKING_API
    kind = "plain page" if plain else draw(st.sampled_from(fit))
    kinds[kind] += 1
    depth = draw(st.sampled_from([200, _deepest()]))
    names = {"last": PLACES[family][0][-1], "rows": f"[{','.join(rows)}]", "open": "[" * depth, "close": "]" * depth}
    text = draw(st.sampled_from(ENVELOPES[kind])) % names
    encoding = draw(st.sampled_from(_ENCODINGS)) if draw(st.integers(0, 9)) == 0 else "utf-8"
    kinds["another encoding"] += encoding != "utf-8"
    page = text.encode(encoding, "surrogatepass")
    kinds["surrogate as bytes"] += b"\xed\xa0" in page and encoding == "utf-8"
    return page
