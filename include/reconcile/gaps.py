"""Where sets stopped on their way: the differences between the ledgers in S3 and in the warehouse."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date as Date
from datetime import datetime
from functools import cached_property
from typing import Any

from include.base.batches import Turn
from include.base.keys import (
    LISTINGS_FILE,
    MANIFEST,
    REJECTS_FILE,
    SUCCESS,
    SetKey,
    page_name,
    page_number,
    parse_partition,
    partition_of,
    resent_notice,
    resent_notices,
    set_of,
    transform_folder,
)
from include.ledger import withdrawals
from include.ledger.notices import given
from include.ledger.sets import Cleaned, Ledger, Marker
from include.reconcile.open_partitions import Beyond
from include.warehouse.days import Day, days, holder, pick
from include.warehouse.rows_held import Holding

_OF_SETS = ("not_copied", "not_clean", "not_sensed", "half_extracted")


@dataclass(frozen=True)
class Gaps:
    """Sets and partitions that stopped on their way, each named once, at the place where it stopped.

    The first group is mended by sending on: `suspect` sets failed in a batch and are tried in halves, `unsettled` are
    partitions that the warehouse has otherwise than the rule of the day, `unbuilt` is the partition of the warehouse
    that the report is to be woken for, as somebody dropped a mart. The others wait for a person:

    - `given_up`: sets that failed alone too often.
    - `stuck`: manifests that were sent again for hours, and where they stopped.
    - `dead_lettered`: a line per dead-letter queue that is not empty.
    - `half_extracted`: sets with pages and no manifest; `pages` has how many, in the same order.
    - `overdue`: partitions that are expected, not in the warehouse, and can still be extracted or sent on.
    - `lost`: partitions that are not in the warehouse, nor landed, and whose date no API serves any more.
    - `without_set`: sets that have rows in the warehouse and pages nowhere.
    - `to_replay`: sets that should hold their day, or have rows and no audit, and that no sending brings: only another
      transform than the running one cleaned them, and landing has them no more.
    - `broken`: manifests of sets of which raw or clean lacks objects that nothing brings back, and which.
    - `older`: partitions before the window that another set holds than the one that should.
    """

    not_copied: tuple[SetKey, ...] = ()
    not_clean: tuple[SetKey, ...] = ()
    not_sensed: tuple[SetKey, ...] = ()
    not_loaded: tuple[str, ...] = ()
    suspect: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()
    unbuilt: tuple[str, ...] = ()

    given_up: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()
    dead_lettered: tuple[str, ...] = ()
    half_extracted: tuple[SetKey, ...] = ()
    pages: tuple[int, ...] = ()
    overdue: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    without_set: tuple[str, ...] = ()
    to_replay: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    older: tuple[str, ...] = ()

    def partitions(self) -> frozenset[str]:
        """The partitions with a set that stopped; those that are overdue or lost without one are not among them."""
        keys = (*self.not_copied, *self.not_clean, *self.not_sensed, *self.half_extracted)
        stuck = (SetKey.from_key(line) for line in (*self.stuck, *self.broken))
        named = (*self.not_loaded, *self.suspect, *self.given_up, *self.without_set, *self.to_replay)
        partitions = {key.partition for key in (*keys, *stuck)} | {partition_of(each) for each in named}
        return frozenset(partitions | set(self.unsettled))

    def to_dict(self) -> dict[str, Any]:
        """The gaps as plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Gaps:
        """The gaps back from `to_dict`."""
        found: dict[str, Any] = {
            name: tuple(SetKey(**each) for each in listed) if name in _OF_SETS else tuple(listed)
            for name, listed in values.items()
        }
        return cls(**found)


@dataclass(frozen=True)
class Limits:
    """What counts as stopped: dates from `since` on, and what is `beyond`, by when a thing was put.

    Complete before `put_before`: no longer on its way by itself. First sent again before `stuck_before`: sending has
    not helped. Newest page before `half_before`: nobody extracts it any more.
    """

    since: Date
    put_before: datetime
    stuck_before: datetime
    half_before: datetime
    beyond: Beyond = field(default_factory=Beyond)


@dataclass(frozen=True)
class _Landing:
    """What lies in the landing bucket: when each set was completed, and when each page of each set was put."""

    completed: Mapping[SetKey, datetime]
    pages: Mapping[SetKey, Mapping[int, datetime]]

    @classmethod
    def read(cls, ledger: Ledger, limits: Limits) -> _Landing:
        completed: dict[SetKey, datetime] = {}
        pages: dict[SetKey, dict[int, datetime]] = {}
        for key, name, put_at in ledger.objects(ledger.where.landing_bucket, limits.since, limits.beyond.partitions):
            if name == MANIFEST:
                completed[key] = put_at
            elif number := page_number(f"/{name}"):
                pages.setdefault(key, {})[number] = put_at
        return cls(completed, pages)

    def half_extracted(self, before: datetime, withdrawn: Collection[SetKey]) -> list[SetKey]:
        """Sets whose newest page is older than `before`, unless a later one of their day is complete with as many.

        One with fewer pages may be the poorer look, which does not make good for the rest of a fuller one.
        """
        unfinished = self.pages.keys() - self.completed.keys()
        return sorted(
            key
            for key in unfinished
            if max(self.pages[key].values()) < before
            and not any(
                each.partition == key.partition
                and each.extract_id > key.extract_id
                and len(self.pages.get(each, ())) >= len(self.pages[key])
                for each in self.completed.keys() - withdrawn
            )
        )


def find(
    ledger: Ledger, limits: Limits, *, failed: Mapping[Turn, bool], held: Iterable[Holding]
) -> tuple[Gaps, frozenset[str]]:
    """Where sets stopped, and the partitions that have a complete set in landing.

    `held` is what the warehouse holds and its audit knows. `failed` are turns that failed since they were loaded, and
    whether each was given up. A set loaded as any version cleaned it has arrived, unless its day wants it again.
    """
    since, also = limits.since, limits.beyond.partitions
    landing = _Landing.read(ledger, limits)
    raw_names = _names(ledger.objects(ledger.where.raw_bucket, since, also))
    raw = {key for key, names in raw_names.items() if MANIFEST in names}
    lost_pages = {key: lost for key in raw if (lost := _lost_pages(raw_names[key], landing.pages.get(key, {})))}
    clean_names = _names(ledger.objects(ledger.where.clean_bucket, since, also))
    folder = transform_folder(ledger.where.transform_version)
    clean = {key for key, names in clean_names.items() if folder + SUCCESS in names}
    files = (LISTINGS_FILE, REJECTS_FILE)
    lost_files = {
        key: gone for key in clean if (gone := [name for name in files if folder + name not in clean_names[key]])
    }
    held = list(held)
    loaded = {each.key: each for each in held if each.accepted is not None}
    turns = {each.turn for each in held if each.accepted is not None}
    with_rows = {each.key: each for each in held if each.rows and _is_looked_at(each.key, limits)}
    dates = {key.date for key in (*landing.completed, *raw, *with_rows, *loaded)} | limits.beyond.dates
    ready = {key: marker for date in dates for key, marker in ledger.markers(date).items()}
    withdrawn = _withdrawn(ledger, dates)
    landed = {key for key, put_at in landing.completed.items() if put_at < limits.put_before} - withdrawn.keys()
    its_days = days((each for each in held if each.accepted is not None), withdrawn)
    claims = _Claims(ledger, its_days, ready, turns, failed)
    wanted = claims.wanted()
    clean -= (wanted & ready.keys()) | lost_files.keys()  # its files are gone
    # copy_raw puts what raw lacks, whatever of the set is there.
    to_copy = {
        key
        for key, lost in lost_pages.items()
        if key in landing.completed and set(lost) <= landing.pages.get(key, {}).keys()
    }
    to_clean = (lost_files.keys() & raw) - lost_pages.keys() - withdrawn.keys()
    arrived = landed & ((ready.keys() | loaded.keys()) - wanted)
    # As the loader sees it: what is ready and not loaded, wherever its pages are. What is young is on its way by
    # itself; before the window it is named at once, lest it be forgotten.
    waiting = [key for key in ready if ready[key].put_at < limits.put_before or key.date < since.isoformat()]
    unloaded = {ready[key].turn for key in waiting} - turns
    given_up = {turn for turn in unloaded if failed.get(turn)} | claims.given_up()
    halted = {
        # Raw is kept for good: also what is loaded belongs there.
        "not copied": (landed - raw - (arrived - with_rows.keys())) | to_copy,
        "not clean": (((landed & raw) - clean - arrived) | to_clean) - to_copy,
        "not let through": (landed & raw & clean) - arrived,
    }
    sent_on = {key for keys in halted.values() for key in keys}
    sent = _first_sent(ledger, sent_on)

    def is_stuck(key: SetKey) -> bool:
        return key in sent and sent[key] < limits.stuck_before

    def recent(place: str) -> tuple[SetKey, ...]:
        return tuple(sorted(key for key in halted[place] if not is_stuck(key)))

    def made_good(place: str, key: SetKey) -> bool:
        return place == "not let through" and key not in wanted and _would_lose(ledger, key, its_days)

    half = landing.half_extracted(limits.half_before, withdrawn.keys())
    pages_somewhere = raw | landing.completed.keys()
    without_audit = {key for key, each in with_rows.items() if each.accepted is None} - ready.keys()
    # What is sent on anyhow comes to another turn by itself; what has no pages cannot be cleaned again.
    to_replay = (without_audit | wanted | claims.only_replayed()) & (pages_somewhere - sent_on) - withdrawn.keys()
    gaps = Gaps(
        not_copied=recent("not copied"),
        not_clean=recent("not clean"),
        not_sensed=recent("not let through"),
        not_loaded=_waking((turn.set_id for turn in unloaded - failed.keys()), since),
        suspect=tuple(
            sorted(
                turn.set_id for turn in unloaded if failed.get(turn) is False and set_of(turn.set_id) not in withdrawn
            )
        ),
        unsettled=_waking(claims.unsettled(), since),
        given_up=tuple(sorted(turn.set_id for turn in given_up if set_of(turn.set_id) not in withdrawn)),
        stuck=tuple(
            sorted(
                f"{key.manifest} ({place}{', and should hold its day' if key in wanted else ''})"
                for place, keys in halted.items()
                for key in keys
                if is_stuck(key) and not made_good(place, key)
            )
        ),
        to_replay=tuple(sorted((loaded.get(key) or with_rows[key]).set_id for key in to_replay)),
        without_set=tuple(sorted(each.set_id for key, each in with_rows.items() if key not in pages_somewhere)),
        broken=tuple(
            sorted(
                [
                    f"{key.manifest} (raw lacks {', '.join(map(page_name, lost))})"
                    for key, lost in lost_pages.items()
                    if key not in to_copy
                ]
                + [
                    f"{key.manifest} (clean lacks {', '.join(gone)})"
                    for key, gone in lost_files.items()
                    if key not in raw | landing.completed.keys() | withdrawn.keys()
                ]
            )
        ),
        half_extracted=tuple(half),
        pages=tuple(len(landing.pages[key]) for key in half),
    )
    return gaps, frozenset(key.partition for key in landing.completed)


@dataclass(frozen=True)
class _Claims:
    """Which loaded sets the rule of the day would have where the warehouse has them not."""

    ledger: Ledger
    days: Mapping[str, Day]
    ready: Mapping[SetKey, Marker]
    turns: Collection[Turn]
    failed: Mapping[Turn, bool]

    @cached_property
    def _lacking(self) -> list[Holding]:
        """The rightful holders of whose rows core does not have all."""
        return [each for day in self.days.values() if (each := day.rightful) and not each.is_at_hand]

    def unsettled(self) -> list[str]:
        """Partitions that a wake of the load would change."""
        return [name for name, day in self.days.items() if not day.is_held_by(self._pick(day))]

    def wanted(self) -> set[SetKey]:
        """Those of the lacking that the running transform has not cleaned, or whose clean files are gone."""
        markers = ((each, self.ready.get(each.key)) for each in self._lacking)
        return {
            each.key
            for each, marker in markers
            if marker is None or (marker.set_id == each.set_id and not self._has_files(marker))
        }

    def only_replayed(self) -> set[SetKey]:
        """Those of the lacking that another transform cleaned last, although the running one had them before."""
        markers = ((each, self.ready.get(each.key)) for each in self._lacking)
        return {
            each.key
            for each, marker in markers
            if marker and marker.set_id != each.set_id and marker.turn in self.turns
        }

    def given_up(self) -> set[Turn]:
        """Turns of the lacking that failed too often since they were loaded."""
        return {each.turn for each in self._lacking if self.failed.get(each.turn)}

    def _pick(self, day: Day) -> Holding | None:
        if (rightful := day.rightful) and rightful.is_at_hand:
            return rightful
        can = [each for each in day.counting if each.is_at_hand or self._can_return(each)]
        return pick(day.counting, can)

    def _can_return(self, each: Holding) -> bool:
        if (marker := self.ready.get(each.key)) is None or self.failed.get(each.turn):
            return False
        return marker.set_id == each.set_id and self._has_files(marker)

    def _has_files(self, marker: Marker) -> bool:
        return self.ledger.has_files(self.ledger.read_ready(marker.key))


def _names(objects: Iterable[tuple[SetKey, str, datetime]]) -> dict[SetKey, set[str]]:
    found: dict[SetKey, set[str]] = {}
    for key, name, _ in objects:
        found.setdefault(key, set()).add(name)
    return found


def _lost_pages(names: Collection[str], landed: Collection[int]) -> list[int]:
    """The pages that a set in raw lacks: of page 1 to the last that raw or landing has."""
    there = {number for name in names if (number := page_number(f"/{name}"))}
    return [number for number in range(1, max({1, *there, *landed}) + 1) if number not in there]


def _withdrawn(ledger: Ledger, dates: Iterable[str]) -> dict[SetKey, str]:
    found = (withdrawals.of_date(ledger.client, ledger.where.raw_bucket, date) for date in dates)
    return {key: reason for each in found for key, reason in each.items()}


def _would_lose(ledger: Ledger, key: SetKey, its_days: Mapping[str, Day]) -> bool:
    """Whether a set that a gate holds back would leave its day to another set: then nobody misses it."""
    if not (day := its_days.get(key.partition)) or not day.counting:
        return False
    if not (look := ledger.cleaned(key)):
        return False
    looks: list[Holding | Cleaned] = [*day.counting, look]
    return holder(looks) is not look


def _is_looked_at(key: SetKey, limits: Limits) -> bool:
    return key.date >= limits.since.isoformat() or key.partition in limits.beyond.partitions


def _waking(names: Iterable[str], since: Date) -> tuple[str, ...]:
    """The ids of sets, or partitions; before the window one of each date.

    One is enough to wake the load of its date, and a replay of years may wait with a hundred thousand.
    """
    found: dict[str, str] = {}
    for name in sorted(names):
        date = parse_partition(name)[2] if "|" in name else set_of(name).date
        found.setdefault(date if date < since.isoformat() else name, name)
    return tuple(sorted(found.values()))


def _first_sent(ledger: Ledger, keys: Collection[SetKey]) -> dict[SetKey, datetime]:
    """When each set was first sent again, of those that were."""
    version, found = ledger.where.transform_version, {}
    for date in {key.date for key in keys}:
        found[date] = given(ledger.client, ledger.where.clean_bucket, date, resent_notices(version))
    names = {key: resent_notice(key, version) for key in keys}
    return {key: found[key.date][name] for key, name in names.items() if name in found[key.date]}
