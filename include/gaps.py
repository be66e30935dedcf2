"""Where sets stopped on their way: the differences between the ledgers in S3 and in the warehouse."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import date as Date
from datetime import datetime
from typing import Any

from include.batches import Turn
from include.keys import MANIFEST, SUCCESS, SetKey, set_of
from include.ledger import Ledger


@dataclass(frozen=True)
class Gaps:
    """Sets that stopped on their way, each named once, at the place where it stopped.

    `stuck` sets stopped so long ago that sending them again has not helped; it names their manifests and places.
    """

    not_copied: tuple[SetKey, ...] = ()
    not_clean: tuple[SetKey, ...] = ()
    not_sensed: tuple[SetKey, ...] = ()
    not_loaded: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The gaps as plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Gaps:
        """The gaps back from `to_dict`."""

        def keys(name: str) -> tuple[SetKey, ...]:
            return tuple(SetKey(**each) for each in values[name])

        return cls(
            not_copied=keys("not_copied"),
            not_clean=keys("not_clean"),
            not_sensed=keys("not_sensed"),
            not_loaded=tuple(values["not_loaded"]),
            given_up=tuple(values["given_up"]),
            stuck=tuple(values["stuck"]),
        )


def stopped(
    ledger: Ledger,
    *,
    since: Date,
    put_before: datetime,
    stuck_before: datetime,
    loaded: Collection[Turn],
    given_up: Collection[Turn],
) -> Gaps:
    """Where sets of dates from `since` on, complete before `put_before`, stopped.

    Those complete before `stuck_before` that are not ready yet are stuck. `loaded` and `given_up` are turns
    that the warehouse's audit holds; a set loaded as any version cleaned it has arrived.
    """
    completed = dict(ledger.sets(ledger.where.landing_bucket, MANIFEST, since))
    landed = {key for key, put_at in completed.items() if put_at < put_before}
    copied = {key for key, _ in ledger.sets(ledger.where.raw_bucket, MANIFEST, since)}
    clean = {
        key
        for key, _ in ledger.sets(
            ledger.where.clean_bucket, f"transform={ledger.where.transform_version}/{SUCCESS}", since
        )
    }
    dates = {key.date for key in landed}
    ready = {key: marker for date in dates for key, marker in ledger.markers(date).items()}
    arrived = landed & (ready.keys() | {set_of(turn.set_id) for turn in loaded})
    unloaded = {ready[key].turn for key in landed & ready.keys() if ready[key].put_at < put_before} - set(loaded)
    stopped = {
        "not copied": landed - copied - arrived,
        "not clean": (landed & copied) - clean - arrived,
        "not let through": (landed & copied & clean) - arrived,
    }

    def recent(place: str) -> tuple[SetKey, ...]:
        return tuple(sorted(key for key in stopped[place] if completed[key] >= stuck_before))

    stuck = {
        f"{key.manifest} ({place})" for place, keys in stopped.items() for key in keys if completed[key] < stuck_before
    }
    return Gaps(
        not_copied=recent("not copied"),
        not_clean=recent("not clean"),
        not_sensed=recent("not let through"),
        not_loaded=tuple(sorted(turn.set_id for turn in unloaded - set(given_up))),
        given_up=tuple(sorted(turn.set_id for turn in unloaded & set(given_up))),
        stuck=tuple(sorted(stuck)),
    )
