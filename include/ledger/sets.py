"""What is landed, clean, ready, loaded and suspect: the ledgers in S3 and in the warehouse.

Events wake, ledgers decide: an asset event may be lost, so no consumer asks which event came, only what lies there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from datetime import date as Date
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from include.base.batches import ReadySet, Turn
from include.base.json_objects import CLEANED, READY, read_json, read_object
from include.base.keys import (
    REPLAYS,
    SETS,
    SetKey,
    just_before,
    just_before_replay,
    market_in,
    market_prefix,
    parse_partition,
    parse_ready,
    parse_replay,
    ready_prefix,
    source_prefix,
)
from include.base.objects import Bucket
from include.base.settings import Resources

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
else:
    S3Client = Any


@dataclass(frozen=True, order=True)
class Marker:
    """A ready marker of the stack's own transform; of a set's markers the greatest counts, the newest replay's.

    `replay` is empty for a set that came by itself.
    """

    replay: str
    put_at: datetime
    key: str
    set_id: str

    @property
    def turn(self) -> Turn:
        """What the audit must have, or the set is not loaded."""
        return Turn(self.set_id, self.replay or None)


@dataclass(frozen=True)
class Cleaned:
    """A set that is clean and perhaps not ready: when it was seen, in UTC without an offset, and its clean rows."""

    extract_id: str
    observed: datetime
    clean: int


@dataclass(frozen=True)
class Ledger:
    """The ledgers of one stack's buckets."""

    client: S3Client
    where: Resources

    def landed(self, source: str, market: str, date: str) -> list[SetKey]:
        """The complete sets of one partition, oldest extraction first."""
        prefix = market_prefix(source, market, date)
        found = self._keys(self.where.landing_bucket, prefix)
        keys = {key: SetKey.of(key) for key, _ in found}
        return sorted(of for key, of in keys.items() if of and key == of.manifest)

    def kept(self, first: Date, last: Date, source: str | None, markets: Collection[str]) -> list[SetKey]:
        """The complete sets in raw of the dates `first` to `last`; no source or no markets: of all."""
        bucket = self.where.raw_bucket
        sources = [source_prefix(source)] if source else list(self._folders(bucket, SETS))
        folders = [folder for each in sources for folder in self._folders(bucket, each)]
        wanted = [folder for folder in folders if not markets or market_in(folder) in markets]
        return sorted(key for folder in wanted for key in self._kept_of_market(folder, first, last))

    def _kept_of_market(self, folder: str, first: Date, last: Date) -> Iterator[SetKey]:
        for name, _ in self._keys(self.where.raw_bucket, folder, after=just_before(folder, first.isoformat())):
            key = SetKey.of(name)
            if key and key.date > last.isoformat():
                return
            if key and name == key.manifest:
                yield key

    def unsensed(self, source: str, market: str, date: str) -> list[SetKey]:
        """The complete sets of one partition that wait to be let through as this stack's transform cleans them.

        A set that another transform let through is not waited for, it may be loaded as that one cleaned it; only
        when this one has cleaned it again (somebody sent it) it is to be let through once more.
        """
        own = self.where.transform_version
        names = self._keys(self.where.clean_bucket, ready_prefix(date, source, market))
        markers = [found for name, _ in names if (found := parse_ready(name))]
        sensed = {each.key for each in markers if each.transform_version == own}
        by_others = {each.key for each in markers} - sensed
        return [
            key
            for key in self.landed(source, market, date)
            if key not in sensed and (key not in by_others or self._is_clean(key))
        ]

    def ready(self, date: str) -> list[ReadySet]:
        """The date's ready sets as the stack's own transform cleaned them, each as its newest replay brought it.

        What only another version let through is not among them: where the contract has changed since, COPY, which
        goes by position, would put its columns in the wrong places.
        """
        newest = self.markers(date).values()
        return [self.read_ready(marker) for marker in sorted(each.key for each in newest)]

    def markers(self, date: str) -> dict[SetKey, Marker]:
        """The marker that counts of each of the date's sets that are ready in the stack's own version."""
        newest: dict[SetKey, Marker] = {}
        for name, put_at in self._keys(self.where.clean_bucket, ready_prefix(date)):
            found = parse_ready(name)
            if found and found.transform_version == self.where.transform_version:
                set_id = found.key.set_id(found.transform_version)
                marker = Marker(found.replay or "", put_at, name, set_id)
                newest[found.key] = max(marker, newest.get(found.key, marker))
        return newest

    def _is_clean(self, key: SetKey) -> bool:
        success = key.success(self.where.transform_version)
        return any(name == success for name, _ in self._keys(self.where.clean_bucket, success))

    def read_ready(self, marker: str) -> ReadySet:
        """The set that the ready marker at this key describes; UnreadableObject where it describes none."""
        clean = Bucket(self.client, self.where.clean_bucket)
        return read_object(clean.read(marker), clean.uri(marker), READY, ReadySet.from_dict)

    def cleaned(self, key: SetKey) -> Cleaned | None:
        """How the stack's own transform cleaned a set, by its `_SUCCESS.json`; None where that cannot be read."""
        try:
            record = key.success(self.where.transform_version)
            clean = Bucket(self.client, self.where.clean_bucket)
            facts = read_json(clean.read(record), clean.uri(record), CLEANED)
            observed = datetime.fromisoformat(facts["observed_at"]).astimezone(UTC).replace(tzinfo=None)
            return Cleaned(key.extract_id, observed, int(facts["counts"]["clean"]))
        except (ClientError, ValueError):
            return None

    def has_files(self, ready: ReadySet) -> bool:
        """Whether a ready set's clean files lie where it says, with the bytes that it says."""
        files = {ready.listings_uri: ready.listings_bytes, ready.rejects_uri: ready.rejects_bytes}
        return all(self._size(uri) == size for uri, size in files.items())

    def _size(self, uri: str) -> int | None:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        found = Bucket(self.client, bucket).head(key)
        return None if found is None else found["ContentLength"]

    def replays(self, since: str) -> dict[str, set[str]]:
        """The ids of replays from `since` on, each with the dates that it asked for; an id begins with the moment."""
        found: dict[str, set[str]] = {}
        for name, _ in self._keys(self.where.clean_bucket, REPLAYS, after=just_before_replay(since)):
            if of := parse_replay(name):
                found.setdefault(of[0], set()).add(of[1])
        return found

    def objects(self, bucket: str, since: Date, also: Collection[str] = ()) -> Iterator[tuple[SetKey, str, datetime]]:
        """Every object of sets of dates from `since` on: its set, its name within it, when it was put.

        Listed market by market, so that history costs nothing. `also`: partitions of earlier dates, a listing each.
        """
        for source in self._folders(bucket, SETS):
            for market in self._folders(bucket, source):
                yield from self._objects(bucket, market, after=just_before(market, since.isoformat()))
        for partition in also:
            yield from self._objects(bucket, market_prefix(*parse_partition(partition)))

    def _objects(self, bucket: str, prefix: str, after: str = "") -> Iterator[tuple[SetKey, str, datetime]]:
        for key, put_at in self._keys(bucket, prefix, after):
            if found := SetKey.of(key):
                yield found, key.removeprefix(found.prefix), put_at

    def _folders(self, bucket: str, prefix: str) -> Iterator[str]:
        return Bucket(self.client, bucket).folders(prefix)

    def _keys(self, bucket: str, prefix: str, after: str = "") -> Iterator[tuple[str, datetime]]:
        return Bucket(self.client, bucket).listed(prefix, after)
