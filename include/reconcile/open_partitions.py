"""Dates before the window of reconciliation that are looked at all the same: those with something open or replayed.

Which partitions have something open is one object in the clean bucket, written anew when that changes: without it
what waits for a person would be forgotten as soon as its date is older than the window.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date as Date
from typing import TYPE_CHECKING, Any

from include.base.json_objects import PARTITIONS, read_json
from include.base.keys import OPEN_PARTITIONS, SAID_PARTITIONS, parse_partition
from include.base.objects import Bucket
from include.ledger.sets import Ledger

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
else:
    S3Client = Any


@dataclass(frozen=True)
class Beyond:
    """What is looked at before the window.

    - `partitions`: something of them was open when it was last looked.
    - `replayed`: dates that were lately asked for again: their sets may wait to be loaded.
    """

    partitions: frozenset[str] = frozenset()
    replayed: frozenset[str] = frozenset()

    @property
    def open_dates(self) -> frozenset[str]:
        """The dates of the partitions."""
        return frozenset(parse_partition(each)[2] for each in self.partitions)

    @property
    def dates(self) -> frozenset[str]:
        """All dates before the window on which a set may wait to be loaded."""
        return self.open_dates | self.replayed


def beyond(ledger: Ledger, since: Date) -> Beyond:
    """What is to be looked at before `since`; replays count that were started on that date or later."""
    first = since.isoformat()
    return Beyond(
        frozenset(
            each for each in _noted(ledger.client, ledger.where.clean_bucket) if parse_partition(each)[2] < first
        ),
        frozenset(date for dates in ledger.replays(f"{since:%Y%m%d}").values() for date in dates if date < first),
    )


def note(client: S3Client, bucket: str, partitions: Iterable[str]) -> None:
    """Writes down which partitions have something open, for the runs to come."""
    _write(client, bucket, OPEN_PARTITIONS, partitions)


def unsaid(client: S3Client, bucket: str, partitions: Collection[str]) -> tuple[str, ...]:
    """Of the partitions whose day another set holds than the one that should, those that nobody was told of.

    What is such no more is forgotten, so that it would be told of again.
    """
    told = set(_noted(client, bucket, SAID_PARTITIONS)) & set(partitions)
    _write(client, bucket, SAID_PARTITIONS, told)
    return tuple(sorted(set(partitions) - told))


def said(client: S3Client, bucket: str, partitions: Collection[str]) -> None:
    """Writes down of which such partitions a person was told."""
    if partitions:
        _write(client, bucket, SAID_PARTITIONS, {*_noted(client, bucket, SAID_PARTITIONS), *partitions})


def _write(client: S3Client, bucket: str, key: str, partitions: Iterable[str]) -> None:
    names = sorted(set(partitions))
    if names != _noted(client, bucket, key):
        body = json.dumps({"partitions": names}, indent=1).encode()
        Bucket(client, bucket).put(key, body)


def _noted(client: S3Client, bucket: str, key: str = OPEN_PARTITIONS) -> list[str]:
    found = Bucket(client, bucket)
    body = found.get(key)
    return [] if body is None else list(read_json(body, found.uri(key), PARTITIONS)["partitions"])
