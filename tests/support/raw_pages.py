"""Reads raw pages with nothing but the standard library, to count and find rows another way than the product does."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

# Where each family puts its list of listings: the first of these that is a list.
PLACES: dict[str, tuple[tuple[str, ...], ...]] = {
    "zillow56": (("results",),),
    "zillow-com4": (("data",),),
    "zillow-com1": (("props",),),
    "zillow-working-api": (("searchResults",), ("data", "searchResults")),
}


def raw_rows(page: bytes, family: str) -> list[Any]:
    """The rows of a page as plain JSON values; ValueError where it holds no list of them."""
    return with_an_empty_stack(partial(_read, page, family))


def with_an_empty_stack(read: Callable[[], T]) -> T:
    """What `read` gives, if need be on a thread of its own: how deep JSON may nest depends on how full the stack is.

    That it nests too deeply must be a RecursionError, or a ValueError because of one.
    """
    try:
        return read()
    except (ValueError, RecursionError) as fault:
        if RecursionError not in (type(fault), type(fault.__cause__)):
            raise
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(read).result()


def payload_of(row: Any, family: str) -> Any:
    """What describes the home in a row: the row itself, or what it wraps."""
    return row.get("property") if family == "zillow-working-api" and isinstance(row, dict) else row


def is_no_listing(row: Any, family: str) -> bool:
    """Whether a row is a building or a group of units, as its family says so."""
    mark, value = {"zillow-com1": ("isBuilding", True), "zillow-working-api": ("resultType", "propertyGroup")}.get(
        family, ("", None)
    )
    return isinstance(row, dict) and mark in row and row[mark] == value and type(row[mark]) is type(value)


def is_zpid(sent: Any, zpid: int) -> bool:
    """Whether what was sent as zpid is that number, be it written as a number or as text."""
    if isinstance(sent, bool) or not isinstance(sent, int | float | str):
        return False
    try:
        return Decimal(sent) == zpid
    except InvalidOperation:
        return False


def _read(page: bytes, family: str) -> list[Any]:
    document = json.loads(page)
    for place in PLACES[family]:
        there = document
        for name in place:
            there = there.get(name) if isinstance(there, dict) else None
        if isinstance(there, list):
            return there
    raise ValueError(f"no list of listings in {page[:80]!r}")
