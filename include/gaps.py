"""Where sets stopped on their way: the differences between the ledgers in S3 and in the warehouse."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date as Date
from datetime import datetime
from typing import Any

from include.batches import Turn
from include.holdings import Holding
from include.horizon import Beyond
from include.keys import MANIFEST, SUCCESS, SetKey, page_number, partition_of, set_of
from include.ledger import Ledger, Marker
from include.notices import given

_OF_SETS = ("not_copied", "not_clean", "not_sensed", "half_extracted")


@dataclass(frozen=True)
class Gaps:
    """Sets and partitions that stopped on their way, each named once, at the place where it stopped.

    The first group is mended by sending on: `suspect` sets failed in a batch and are tried in halves, `without_rows`
    are those whose rows in the warehouse are not as many as its audit says. The others wait for a person:

    - `given_up`: sets that failed alone too often.
    - `stuck`: manifests that were sent again for hours, and where they stopped.
    - `dead_lettered`: a line per dead-letter queue that is not empty.
    - `half_extracted`: sets with pages and no manifest; `pages` has how many, in the same order.
    - `overdue`: partitions that are expected, not in the warehouse, and can still be extracted or sent on.
    - `lost`: partitions that are not in the warehouse, nor landed, and whose date no API serves any more.
    - `without_set`: sets that have rows in the warehouse and pages nowhere.
    - `to_replay`: sets whose rows and audit differ, and that only another transform than the running one cleaned.
    """

    not_copied: tuple[SetKey, ...] = ()
    not_clean: tuple[SetKey, ...] = ()
    not_sensed: tuple[SetKey, ...] = ()
    not_loaded: tuple[str, ...] = ()
    suspect: tuple[str, ...] = ()
    without_rows: tuple[str, ...] = ()

    given_up: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()
    dead_lettered: tuple[str, ...] = ()
    half_extracted: tuple[SetKey, ...] = ()
    pages: tuple[int, ...] = ()
    overdue: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    without_set: tuple[str, ...] = ()
    to_replay: tuple[str, ...] = ()

    def partitions(self) -> frozenset[str]:
        """The partitions with a set that stopped; those that are overdue or lost without one are not among them."""
        keys = (*self.not_copied, *self.not_clean, *self.not_sensed, *self.half_extracted)
        stuck = (SetKey.from_key(line) for line in self.stuck)
        set_ids = (*self.not_loaded, *self.suspect, *self.without_rows, *self.given_up)
        named = (*set_ids, *self.without_set, *self.to_replay)
        return frozenset({key.partition for key in (*keys, *stuck)} | {partition_of(each) for each in named})

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
    """What lies in the landing bucket: when each set was completed, and the pages of those that are not."""

    completed: Mapping[SetKey, datetime]
    unfinished: Mapping[SetKey, list[datetime]]

    @classmethod
    def read(cls, ledger: Ledger, limits: Limits) -> _Landing:
        completed: dict[SetKey, datetime] = {}
        pages: dict[SetKey, list[datetime]] = {}
        for key, name, put_at in ledger.objects(ledger.where.landing_bucket, limits.since, limits.beyond.partitions):
            if name == MANIFEST:
                completed[key] = put_at
            elif page_number(f"/{name}"):
                pages.setdefault(key, []).append(put_at)
        return cls(completed, {key: put for key, put in pages.items() if key not in completed})

    def half_extracted(self, before: datetime) -> list[SetKey]:
        """Sets whose newest page is older than `before`, unless a later extraction of their partition is complete."""
        newest = _newest(self.completed)
        return sorted(
            key
            for key, put in self.unfinished.items()
            if max(put) < before and key.extract_id > newest.get(key.partition, "")
        )


def find(
    ledger: Ledger, limits: Limits, *, loaded: Collection[Turn], failed: Mapping[Turn, bool], held: Iterable[Holding]
) -> tuple[Gaps, frozenset[str]]:
    """Where sets stopped, and the partitions that have a complete set in landing.

    `loaded` and `failed` are turns of the warehouse's audit; `failed` says of each whether it was given up. `held`
    is what the warehouse holds. A set loaded as any version cleaned it has arrived.
    """
    since, also = limits.since, limits.beyond.partitions
    landing = _Landing.read(ledger, limits)
    landed = {key for key, put_at in landing.completed.items() if put_at < limits.put_before}
    raw = {key for key, _ in ledger.sets(ledger.where.raw_bucket, MANIFEST, since, also)}
    success = f"transform={ledger.where.transform_version}/{SUCCESS}"
    clean = {key for key, _ in ledger.sets(ledger.where.clean_bucket, success, since, also)}
    held = [each for each in held if _is_looked_at(set_of(each.set_id), limits)]
    holdings = {set_of(each.set_id): each for each in held if each.rows}
    dates = {key.date for key in (*landed, *raw, *holdings)} | {set_of(turn.set_id).date for turn in loaded}
    dates |= limits.beyond.dates
    ready = {key: marker for date in dates for key, marker in ledger.markers(date).items()}
    arrived = landed & (ready.keys() | {set_of(turn.set_id) for turn in loaded})
    # As the loader sees it: what is ready and not loaded, wherever its pages are. What is young is on its way by
    # itself; before the window it is named at once, lest it be forgotten.
    waiting = [key for key in ready if ready[key].put_at < limits.put_before or key.date < since.isoformat()]
    unloaded = {ready[key].turn for key in waiting} - set(loaded)
    halted = {
        # Raw is kept for good: also what is loaded belongs there.
        "not copied": landed - raw - (arrived - holdings.keys()),
        "not clean": (landed & raw) - clean - arrived,
        "not let through": (landed & raw & clean) - arrived,
    }
    sent_on = {key for keys in halted.values() for key in keys}
    sent = _first_sent(ledger, sent_on)

    newest = _newest(arrived)

    def is_stuck(key: SetKey) -> bool:
        return key in sent and sent[key] < limits.stuck_before

    def is_made_good(key: SetKey) -> bool:
        """Held back at a gate for hours, and a later extraction of its partition has the day."""
        return key in halted["not let through"] and key.extract_id < newest.get(key.partition, "")

    def recent(place: str) -> tuple[SetKey, ...]:
        return tuple(sorted(key for key in halted[place] if not is_stuck(key)))

    half = landing.half_extracted(limits.half_before)
    pages_somewhere = raw | landing.completed.keys()
    without_rows, differing = _differing(held, ready, loaded)
    # What is sent on anyhow comes to another turn by itself; what has no pages cannot be cleaned again.
    to_replay = tuple(each for each in differing if set_of(each) in pages_somewhere - sent_on)
    gaps = Gaps(
        not_copied=recent("not copied"),
        not_clean=recent("not clean"),
        not_sensed=recent("not let through"),
        not_loaded=_waking(unloaded - failed.keys(), since),
        suspect=tuple(sorted(turn.set_id for turn in unloaded if failed.get(turn) is False)),
        given_up=tuple(sorted(turn.set_id for turn in unloaded if failed.get(turn))),
        stuck=tuple(
            sorted(
                f"{key.manifest} ({place})"
                for place, keys in halted.items()
                for key in keys
                if is_stuck(key) and not is_made_good(key)
            )
        ),
        without_rows=without_rows,
        to_replay=to_replay,
        without_set=tuple(sorted(each.set_id for key, each in holdings.items() if key not in pages_somewhere)),
        half_extracted=tuple(half),
        pages=tuple(len(landing.unfinished[key]) for key in half),
    )
    return gaps, frozenset(key.partition for key in landing.completed)


def _newest(keys: Iterable[SetKey]) -> dict[str, str]:
    """The id of the latest extraction of each partition."""
    newest: dict[str, str] = {}
    for key in keys:
        newest[key.partition] = max(key.extract_id, newest.get(key.partition, ""))
    return newest


def _is_looked_at(key: SetKey, limits: Limits) -> bool:
    return key.date >= limits.since.isoformat() or key.partition in limits.beyond.partitions


def _waking(turns: Iterable[Turn], since: Date) -> tuple[str, ...]:
    """The sets of the turns; before the window one of each date.

    One is enough to wake the load of its date, and a replay of years may wait with a hundred thousand.
    """
    names: dict[str, str] = {}
    for set_id in sorted(turn.set_id for turn in turns):
        date = set_of(set_id).date
        names.setdefault(date if date < since.isoformat() else set_id, set_id)
    return tuple(sorted(names.values()))


def resent_notice(key: SetKey, transform_version: str) -> str:
    """The notice that the set was sent again; of the version, as a new one begins anew."""
    return f"resent~{transform_version}~{key.source}~{key.market}~{key.extract_id.lower()}"


def _first_sent(ledger: Ledger, keys: Collection[SetKey]) -> dict[SetKey, datetime]:
    """When each set was first sent again, of those that were."""
    version, found = ledger.where.transform_version, {}
    for date in {key.date for key in keys}:
        found[date] = given(ledger.client, ledger.where.clean_bucket, date, f"resent~{version}~")
    names = {key: resent_notice(key, version) for key in keys}
    return {key: found[key.date][name] for key, name in names.items() if name in found[key.date]}


def _differing(
    held: Iterable[Holding], ready: Mapping[SetKey, Marker], loaded: Collection[Turn]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Sets with other rows than the audit says: those that a new turn of their marker mends, and the others.

    Rows of a set that lost its day are mended by the set that holds it: its load replaces the whole day.
    """
    differing = {
        each.superseded_by or each.set_id for each in held if each.accepted is not None and each.rows != each.accepted
    }
    without_audit = {each.set_id for each in held if each.accepted is None}
    marked = {marker.set_id for marker in ready.values()}
    # What is ready and not loaded by its newest turn waits anyhow; one more turn after a failed one would begin its
    # tries anew for ever.
    mendable = {marker.set_id for marker in ready.values() if marker.turn in loaded}
    return tuple(sorted(differing & mendable)), tuple(sorted((differing | without_audit) - marked))
