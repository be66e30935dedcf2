"""What one load takes: the ready sets of a batch, and the names of its staging tables.

Files under `sql/` see exactly one variable, `batch`. What is rendered into SQL text is the batch's id as part
of a table name, nothing else, and the id is checked here against a narrow pattern. All else is bound.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from include.base import claims
from include.base.keys import SetKey, set_of
from include.base.refusals import Refused
from include.base.searches import SALE

_BATCH_ID = re.compile(r"[0-9a-z_]{1,40}")
_COUNTS = (
    "landed", "clean", "rejected", "duplicates", "unreadable",
    "pages_unreadable", "listings_bytes", "rejects_bytes", "not_listings",
)  # fmt: skip


class InvalidBatch(Refused):
    """A batch or a ready set that cannot be loaded as it is described."""


class Turn(NamedTuple):
    """One turn of a set to be loaded: the first, or that of the replay named. What the audit tells loads apart by."""

    set_id: str
    replay: str | None = None


@dataclass(frozen=True)
class Suspicion:
    """What is known of a turn whose batches failed: the last of them, and in how many hours it failed alone.

    Hours of the clock, not failures: several wakes in one short outage say no more than one.
    """

    batch_id: str
    hours_alone: int

    def is_given_up(self, retries: int | None) -> bool:
        """Whether a set failed alone in so many hours of the clock that it waits for a person."""
        return retries is not None and self.hours_alone > retries


@dataclass(frozen=True)
class ReadySet:
    """One clean set as its ready marker and `_SUCCESS.json` describe it.

    `snapshot_date` is YYYY-MM-DD, `observed_at` ISO 8601 with an offset. Counts are of listings but for
    `pages_unreadable`; `listings_uri` and `rejects_uri` name the Parquet files, their sizes are in bytes.
    `contract_version` is the contract it was cleaned under, empty in markers older than this field; `replay` is
    the id of the replay that had it cleaned again. `market_name` is the market as it was asked for, `pages_claimed` and
    `listings_claimed` what the API said exists; None: the marker is older than these, or the API did not say.
    `reached_end` is False where our page limit ended the set before the market did, None in older markers.
    `listing` is what was searched for: sale, rent or sold; markers older than this field are of homes for sale.
    `not_listings` counts buildings and groups of units; 0 in markers that are older than it.
    """

    set_id: str
    source: str
    market: str
    snapshot_date: str
    extract_id: str
    transform_version: str
    observed_at: str
    landed: int
    clean: int
    rejected: int
    duplicates: int
    unreadable: int
    pages_unreadable: int
    listings_uri: str
    listings_bytes: int
    rejects_uri: str
    rejects_bytes: int
    contract_version: str = ""
    replay: str | None = None
    market_name: str | None = None
    pages_read: int | None = None
    pages_claimed: int | None = None
    listings_claimed: int | None = None
    listing: str = SALE
    not_listings: int = 0
    reached_end: bool | None = None

    def __post_init__(self) -> None:
        parts = (self.source, self.market, self.snapshot_date, self.extract_id, self.transform_version)
        if self.set_id != "/".join(parts):
            raise InvalidBatch(f"set {self.set_id!r}: its parts say {'/'.join(parts)!r}; mend the ready marker")
        for name in _COUNTS:
            count = getattr(self, name)
            if isinstance(count, bool) or not isinstance(count, int) or count < 0:
                raise InvalidBatch(f"set {self.set_id}: {name} must be a count, not {count!r}")
        try:
            date.fromisoformat(self.snapshot_date)
            observed = datetime.fromisoformat(self.observed_at)
        except ValueError as error:
            raise InvalidBatch(f"set {self.set_id}: {error}") from error
        if observed.tzinfo is None:
            raise InvalidBatch(f"set {self.set_id}: observed_at {self.observed_at!r} lacks its offset from UTC")

    @property
    def turn(self) -> Turn:
        """The set and the replay that brought it, if one did."""
        return Turn(self.set_id, self.replay)

    @property
    def key(self) -> SetKey:
        """The set, whatever version cleaned it."""
        return SetKey(self.source, self.market, self.snapshot_date, self.extract_id)

    @property
    def staged_rejects(self) -> int:
        """Rows of the set's rejects file: a page that cannot be read is one row, whatever was on it."""
        return self.rejected + self.pages_unreadable

    @property
    def day(self) -> date:
        """The snapshot date as the driver binds it."""
        return date.fromisoformat(self.snapshot_date)

    @property
    def observed(self) -> datetime:
        """When the set was seen, in UTC and without an offset: as the TIMESTAMP columns hold it."""
        return datetime.fromisoformat(self.observed_at).astimezone(UTC).replace(tzinfo=None)

    def to_dict(self) -> dict[str, Any]:
        """The set as plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ReadySet:
        """The set back from `to_dict`; keys it does not know are ignored, a missing one is a TypeError."""
        known = {field.name for field in fields(cls)}
        bounded = {name: claims.count(values.get(name)) for name in ("pages_claimed", "listings_claimed")}
        return cls(**{name: value for name, value in values.items() if name in known} | bounded)


class Exclusion(NamedTuple):
    """An extraction that cannot hold its day in a load: with a reason, a person withdrew it; with none, its rows
    cannot be brought.
    """

    key: SetKey
    reason: str | None


@dataclass(frozen=True)
class StagingNames:
    """A batch's id, and the names of its staging tables.

    `batch_id` becomes part of table names: lower-case letters, digits and underscores, at most 40.
    """

    batch_id: str

    def __post_init__(self) -> None:
        if not _BATCH_ID.fullmatch(self.batch_id):
            raise InvalidBatch(f"batch_id {self.batch_id!r}: expected 1 to 40 of a-z, 0-9 and _")

    @property
    def staging_listings(self) -> str:
        """COPY fills it with the batch's listings."""
        return f"staging.listings_{self.batch_id}"

    @property
    def staging_rejects(self) -> str:
        """COPY fills it with the batch's rejected rows."""
        return f"staging.rejects_{self.batch_id}"

    @property
    def staging_sets(self) -> str:
        """The batch's sets and their counts, as their `_SUCCESS.json` files state them."""
        return f"staging.sets_{self.batch_id}"

    @property
    def staging_days(self) -> str:
        """The days whose holder the load decides."""
        return f"staging.days_{self.batch_id}"

    @property
    def staging_exclusions(self) -> str:
        """The extractions of these days that cannot hold them."""
        return f"staging.exclusions_{self.batch_id}"

    @property
    def staging_winners(self) -> str:
        """Which set holds each (source, market, date) once the batch is loaded."""
        return f"staging.winners_{self.batch_id}"

    @property
    def staging_touched(self) -> str:
        """The listings whose newest state and history the load builds anew."""
        return f"staging.touched_{self.batch_id}"


@dataclass(frozen=True)
class Batch(StagingNames):
    """What one transaction loads: sets, and days to be decided anew.

    A batch holds one cleaning of an extraction at most: staged rows carry their extract id, not the version
    of the transform. `days` are partitions that are decided without a set of theirs, as one was withdrawn;
    `exclusions` are the extractions of all its days that cannot hold them. `returning` are ids of sets that were loaded
    before by the same turn and whose day is theirs again.
    """

    run_id: str
    sets: tuple[ReadySet, ...]
    days: tuple[str, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    returning: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.sets or self.days):
            raise InvalidBatch(f"batch {self.batch_id} has no sets: skip the load when nothing is ready")
        slots = Counter(s.key for s in self.sets)
        if twice := [key.name for key, times in slots.items() if times > 1]:
            raise InvalidBatch(f"batch {self.batch_id} holds {twice[0]} more than once: load one cleaning of it")

    @property
    def decided(self) -> list[str]:
        """The partitions whose holder the load decides."""
        return sorted({each.key.partition for each in self.sets} | set(self.days))

    @property
    def suspects(self) -> tuple[ReadySet, ...]:
        """Whom a failure makes suspect: the sets that are new, or those that return where there are no others."""
        return tuple(each for each in self.sets if each.set_id not in self.returning) or self.sets

    def to_dict(self) -> dict[str, Any]:
        """The batch as plain JSON types."""
        return {
            "batch_id": self.batch_id,
            "run_id": self.run_id,
            "sets": [s.to_dict() for s in self.sets],
            "days": list(self.days),
            "exclusions": [{"set": each.key.name, "reason": each.reason} for each in self.exclusions],
            "returning": list(self.returning),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Batch:
        """The batch back from `to_dict`."""
        return cls(
            values["batch_id"],
            values["run_id"],
            tuple(map(ReadySet.from_dict, values["sets"])),
            tuple(values.get("days", ())),
            tuple(Exclusion(set_of(each["set"]), each["reason"]) for each in values.get("exclusions", ())),
            tuple(values.get("returning", ())),
        )
