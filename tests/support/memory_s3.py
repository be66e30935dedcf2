"""Knows how S3 behaves in the few calls that `include` makes, over a dict: for unit tests, which have no network.

What real S3 does is proven against the stand-in by the integration tests.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

KEYS_PER_PAGE = 1000


@dataclass(frozen=True)
class StoredObject:
    """One object: its bytes, its metadata, and when it was put."""

    body: bytes
    metadata: dict[str, str]
    put_at: datetime


class MemoryS3:
    """Buckets of objects; `clock` says when a put happens, `calls` lists what was asked, in order."""

    def __init__(self, *buckets: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.buckets: dict[str, dict[str, StoredObject]] = {name: {} for name in buckets}
        self.clock = clock
        self.calls: list[tuple[str, str]] = []

    def put_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        ContentType: str = "binary/octet-stream",  # noqa: N803
        IfNoneMatch: str | None = None,  # noqa: N803
        Metadata: dict[str, str] | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        """Puts an object; with `IfNoneMatch="*"` only where none is."""
        self.calls.append(("put_object", Key))
        objects = self._bucket("PutObject", Bucket)
        if IfNoneMatch == "*" and Key in objects:
            raise _error("PutObject", "PreconditionFailed", 412)
        metadata = {name.lower(): value for name, value in (Metadata or {}).items()}
        objects[Key] = StoredObject(Body, metadata, self.clock())
        return {}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        """The object as a stream, with its metadata."""
        self.calls.append(("get_object", Key))
        objects = self._bucket("GetObject", Bucket)
        if Key not in objects:
            raise _error("GetObject", "NoSuchKey", 404)
        found = objects[Key]
        return {"Body": io.BytesIO(found.body), "Metadata": dict(found.metadata), "LastModified": found.put_at}

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        """What is said of an object without its bytes; one that is absent has the code 404, as HEAD has no body."""
        self.calls.append(("head_object", Key))
        objects = self._bucket("HeadObject", Bucket)
        if Key not in objects:
            raise _error("HeadObject", "404", 404)
        return {"ContentLength": len(objects[Key].body), "LastModified": objects[Key].put_at}

    def delete_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        """Takes an object away; one that is not there is no error."""
        self.calls.append(("delete_object", Key))
        self._bucket("DeleteObject", Bucket).pop(Key, None)
        return {}

    def list_objects_v2(self, *, Bucket: str, Prefix: str = "") -> dict[str, Any]:  # noqa: N803
        """The first page of a listing."""
        return next(_Listing(self).paginate(Bucket=Bucket, Prefix=Prefix))

    def get_paginator(self, operation: str) -> _Listing:
        """The paginator of `list_objects_v2`, the only one there is."""
        assert operation == "list_objects_v2", operation
        return _Listing(self)

    def keys(self, bucket: str) -> list[str]:
        """The keys in a bucket, in order: for a test to look at."""
        return sorted(self.buckets[bucket])

    def _bucket(self, operation: str, name: str) -> dict[str, StoredObject]:
        if name not in self.buckets:
            raise _error(operation, "NoSuchBucket", 404)
        return self.buckets[name]


@dataclass(frozen=True)
class _Listing:
    s3: MemoryS3

    def paginate(
        self,
        *,
        Bucket: str,  # noqa: N803
        Prefix: str = "",  # noqa: N803
        Delimiter: str = "",  # noqa: N803
        StartAfter: str = "",  # noqa: N803
    ) -> Iterator[dict[str, Any]]:
        """Pages of at most 1,000 entries in key order; an empty listing is one page without Contents."""
        self.s3.calls.append(("list_objects_v2", Prefix))
        entries: dict[str, StoredObject | None] = {}
        for key, found in sorted(self.s3._bucket("ListObjectsV2", Bucket).items()):
            if not key.startswith(Prefix) or key <= StartAfter:
                continue
            head, delimiter, _ = key[len(Prefix) :].partition(Delimiter) if Delimiter else (key, "", "")
            if delimiter:
                entries[Prefix + head + delimiter] = None
            else:
                entries[key] = found
        names = list(entries)
        for start in range(0, max(len(names), 1), KEYS_PER_PAGE):
            yield _page({name: entries[name] for name in names[start : start + KEYS_PER_PAGE]})


def _page(entries: dict[str, StoredObject | None]) -> dict[str, Any]:
    contents = [
        {"Key": key, "LastModified": found.put_at, "Size": len(found.body)}
        for key, found in entries.items()
        if found is not None
    ]
    folders = [{"Prefix": name} for name, found in entries.items() if found is None]
    page: dict[str, Any] = {"KeyCount": len(entries)}
    return page | ({"Contents": contents} if contents else {}) | ({"CommonPrefixes": folders} if folders else {})


def _error(operation: str, code: str, status: int) -> ClientError:
    response = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, operation)
