"""Whether two dates hold the same listings, and whether all of `core` follows from its snapshots.

Pure functions of rows (dicts by column), so that the rules of the warehouse are stated here a second time, in
Python, and not read off the SQL that they check.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

Row = Mapping[str, Any]
Key = tuple[Any, ...]

# What says which run brought a row, and when; of raw_key the page is compared, raw_position as it is.
OF_THE_RUN = frozenset({"snapshot_date", "extract_id", "observed_at", "raw_key", "set_id", "batch_id", "loaded_at"})
# In a rejected row's own JSON: an age, which grows from one run to the next.
AGES = ("timeOnZillow",)
WATCHED = ("price", "home_status", "home_type", "bedrooms", "bathrooms", "living_area_sqft")
# Two ages of whole seconds, told in answers whose Date is in whole seconds.
ROUNDING = timedelta(seconds=1)


@dataclass(frozen=True)
class Differences:
    """How a date differs from what it should be, a text per listing or reject; empty when it does not."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(asdict(self).values())


def listings_differ(expected: Sequence[Row], actual: Sequence[Row]) -> Differences:
    """Snapshots of two dates by source, market and zpid, in every column that is not the run's own."""
    return _differ(expected, actual, ("source", "market", "zpid"))


def rejects_differ(expected: Sequence[Row], actual: Sequence[Row]) -> Differences:
    """Rejects of two dates by source, market, page and position."""
    return _differ(expected, actual, ("source", "market", "page", "raw_position"))


def _differ(expected: Sequence[Row], actual: Sequence[Row], keys: tuple[str, ...]) -> Differences:
    wanted = [_comparable(row) for row in expected]
    came = [_comparable(row) for row in actual]
    counts = Counter(_key(row, keys) for row in came)
    before, after = ({_key(row, keys): row for row in rows} for rows in (wanted, came))
    changed = []
    for key in before.keys() & after.keys():
        columns = [name for name in before[key] if not _same(before[key][name], after[key].get(name))]
        if columns or before[key].keys() != after[key].keys():
            changed.append(f"{_text(key)}: {', '.join(columns) or 'columns'}")
    return Differences(
        lost=sorted(_text(key) for key in before.keys() - after.keys()),
        doubled=sorted(_text(key) for key, count in counts.items() if count > 1),
        strange=sorted(_text(key) for key in after.keys() - before.keys()),
        changed=sorted(changed),
    )


def _comparable(row: Row) -> dict[str, Any]:
    values = {name: value for name, value in row.items() if name not in OF_THE_RUN}
    values["page"] = row["raw_key"].rsplit("/", 1)[-1]
    if row.get("body"):
        values["body"] = _without_ages(row["body"])
    return values


def _without_ages(body: str) -> Any:
    try:
        found = json.loads(body)
    except ValueError:
        return body
    return {name: value for name, value in found.items() if name not in AGES} if isinstance(found, dict) else found


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, datetime) and isinstance(other, datetime):
        return abs(one - other) <= ROUNDING
    return bool(one == other)


def _key(row: Row, names: Iterable[str]) -> Key:
    return tuple(row[name] for name in names)


def _text(key: Key) -> str:
    return "/".join(str(part) for part in key)


def broken_rules(tables: Mapping[str, Sequence[Row]]) -> list[str]:
    """What does not hold in all of core, a sentence each.

    `tables` has the rows of listing_snapshots, listings, listing_history, listing_rejects and load_audit.
    """
    snapshots = tables["listing_snapshots"]
    loaded = [row for row in tables["load_audit"] if row["status"] == "loaded"]
    found = [
        *_repeated("listing_snapshots", snapshots, ("source", "market", "snapshot_date", "zpid")),
        *_repeated("listings", tables["listings"], ("source", "listing", "zpid")),
        *_repeated("listing_history", tables["listing_history"], ("source", "listing", "zpid", "valid_from")),
        *_repeated("load_audit (loaded)", loaded, ("set_id",)),
        *_repeated(
            "listing_rejects",
            tables["listing_rejects"],
            ("source", "market", "snapshot_date", "extract_id", "raw_key", "raw_position"),
        ),
        *_two_winners(snapshots),
        *_not_as_derived("listings", _newest(snapshots), tables["listings"], ("source", "listing", "zpid")),
        *_not_as_derived(
            "listing_history",
            _stretches(snapshots),
            tables["listing_history"],
            ("source", "listing", "zpid", "valid_from"),
        ),
    ]
    return found + _audit(loaded, snapshots, tables["listing_rejects"])


def _repeated(table: str, rows: Sequence[Row], keys: tuple[str, ...]) -> list[str]:
    counts = Counter(_key(row, keys) for row in rows)
    return [f"{table}: {_text(key)} stands {count} times" for key, count in counts.items() if count > 1]


def _two_winners(snapshots: Sequence[Row]) -> list[str]:
    holders: dict[Key, set[str]] = defaultdict(set)
    for row in snapshots:
        holders[_key(row, ("source", "market", "snapshot_date"))].add(row["set_id"])
    return [f"{_text(day)} is held by {len(sets)} sets" for day, sets in holders.items() if len(sets) > 1]


def _not_as_derived(table: str, derived: Sequence[Row], actual: Sequence[Row], keys: tuple[str, ...]) -> list[str]:
    wanted = {_key(row, keys): dict(row) for row in derived}
    there = {_key(row, keys): dict(row) for row in actual}
    wrong = [key for key in wanted.keys() | there.keys() if wanted.get(key) != there.get(key)]
    return [f"{table}: {_text(key)} does not follow from the snapshots" for key in sorted(wrong, key=_text)]


def _order(row: Row) -> tuple[Any, ...]:
    """Newest last; of two markets seen at one instant by one extraction, the first by name counts as newer."""
    return row["observed_at"], row["extract_id"], _Backwards(row["market"]), row["snapshot_date"]


@dataclass(frozen=True)
class _Backwards:
    text: str

    def __lt__(self, other: _Backwards) -> bool:
        return self.text > other.text


def _newest(snapshots: Sequence[Row]) -> list[Row]:
    found: dict[Key, Row] = {}
    for row in sorted(snapshots, key=_order):
        found[row["source"], row["listing"], row["zpid"]] = row
    return list(found.values())


def _stretches(snapshots: Sequence[Row]) -> list[dict[str, Any]]:
    """listing_history as its definition says: one row per stretch of observed days that do not differ."""
    days: dict[Key, dict[Any, Row]] = defaultdict(dict)
    for row in sorted(snapshots, key=_order):
        days[row["source"], row["listing"], row["zpid"]][row["snapshot_date"]] = row
    found = []
    for (source, listing, zpid), seen in days.items():
        stretch: dict[str, Any] | None = None
        for day in sorted(seen):
            watched = {name: seen[day][name] for name in WATCHED}
            if stretch and watched == {name: stretch[name] for name in WATCHED}:
                stretch |= {"last_seen_on": day, "days_seen": stretch["days_seen"] + 1}
                continue
            if stretch:
                stretch["valid_to"] = day
            stretch = {"source": source, "listing": listing, "zpid": zpid, "valid_from": day, "valid_to": None}
            stretch |= {**watched, "last_seen_on": day, "days_seen": 1}
            found.append(stretch)
    return found


def _audit(loaded: Sequence[Row], snapshots: Sequence[Row], rejects: Sequence[Row]) -> list[str]:
    held = Counter(row["set_id"] for row in snapshots)
    rejected = Counter(row["set_id"] for row in rejects if row["reason"] != "page_unreadable")
    found = [f"no loaded row of load_audit for {name}" for name in held.keys() - {row["set_id"] for row in loaded}]
    for row in loaded:
        sums = {
            "landed": row["clean"] + row["rejected"] + row["duplicates"] + row["not_listings"] + row["unreadable"],
            "clean": row["staged"],
            "staged": row["accepted"] + row["superseded"] + row["withdrawn"],
            "accepted": held[row["set_id"]],
            "rejected": rejected[row["set_id"]],
        }
        found += [
            f"load_audit: {row['set_id']} has {name} {row[name]}, expected {total}"
            for name, total in sums.items()
            if row[name] != total
        ]
    return found
