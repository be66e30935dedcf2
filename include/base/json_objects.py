"""Reads the JSON objects that the pipeline keeps in S3. One that another hand wrote is named, with what to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from include.base.keys import LISTINGS_FILE, REJECTS_FILE
from include.base.refusals import Refused

T = TypeVar("T")
_PUT_BACK = "Put back the version of the object that the pipeline wrote"
_FILE = {"bytes": int, "sha256": str}


class UnreadableObject(Refused):
    """An object is not what the pipeline puts there; the message names it, what was expected, what came, what to do."""


@dataclass(frozen=True)
class Kind:
    """One kind of object: its name, what it must hold (a type by name, nested as the object is), what to do if not."""

    name: str
    holds: Mapping[str, Any]
    remedy: str


MANIFEST = Kind("manifest of a set", {}, _PUT_BACK)
LANDED_MANIFEST = Kind(
    "manifest of a set",
    {
        **dict.fromkeys(("source", "market", "date", "extract_id", "observed_at"), str),
        "pages": list,
        "listings": int,
    },
    _PUT_BACK,
)
SUCCESS = Kind(
    "record of a clean set",
    {
        **dict.fromkeys(("observed_at", "manifest_sha256", "contract_version"), str),
        **dict.fromkeys(("rejects_by_reason", "unknown_fields"), dict),
        "absent_columns": list,
        "pages": int,
        "pages_unreadable": int,
        "counts": dict.fromkeys(("landed", "clean", "rejected", "duplicates", "unreadable"), int),
        "files": {LISTINGS_FILE: _FILE, REJECTS_FILE: _FILE},
    },
    "Clean the set again from raw: make replay, with its date and market",
)
CLEANED = Kind(SUCCESS.name, {"observed_at": str, "counts": {"clean": int}}, SUCCESS.remedy)
READY = Kind("ready marker", {}, "Delete it: reconcile_listings has the set let through again")
QUOTA_ENTRY = Kind("entry of the quota ledger", {"account": dict}, _PUT_BACK)
PARTITIONS = Kind("list of partitions", {"partitions": list}, "Delete it: reconcile_listings writes it anew")
REPLAY_REQUEST = Kind("request of a replay", {"id": str, "sets": list}, "Start another replay of the date")
REPLAY_OUTCOME = Kind(
    "outcome of a replay", {"request": str, "asked": int, "let_through": list, "refused": dict}, "Clear let_through"
)
REPORT = Kind("record of a report", {"generated_at": str}, "Delete it: the next run of report_listings publishes again")


def read_object(body: bytes, uri: str, kind: Kind, make: Callable[[dict[str, Any]], T]) -> T:
    """What `make` makes of the JSON of an object; raises UnreadableObject for one that is none of its kind.

    :param uri: where the object lies, `s3://bucket/key`
    :param make: may raise KeyError, TypeError, ValueError or AttributeError for what it cannot take
    """
    try:
        found = json.loads(body)
        _check(found, kind.holds)
        return make(found)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
        what = f"no {fault}" if isinstance(fault, KeyError) else str(fault)
        raise UnreadableObject(f"{uri} is no {kind.name} ({len(body)} bytes, {what}). {kind.remedy}") from fault


def read_json(body: bytes, uri: str, kind: Kind) -> dict[str, Any]:
    """The same, as plain JSON values."""
    return read_object(body, uri, kind, dict)


def _check(found: Any, holds: Mapping[str, Any], inside: str = "") -> None:
    if not isinstance(found, dict):
        raise TypeError(f"expected a JSON object{inside and f' in {inside}'}, came {str(found)[:40]!r}")
    for name, expected in holds.items():
        place = f"{inside}.{name}" if inside else name
        if name not in found:
            raise ValueError(f"expected {place} in it, came {', '.join(sorted(found)[:10]) or 'nothing'}")
        if isinstance(expected, Mapping):
            _check(found[name], expected, place)
        elif not isinstance(found[name], expected):
            raise ValueError(f"expected {place} as {expected.__name__}, came {str(found[name])[:40]!r}")
