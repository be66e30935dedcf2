"""The manifest that tells Redshift's COPY exactly which files to read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from include.base.batches import Batch
from include.base.keys import copy_manifest_key
from include.base.objects import Bucket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
else:
    S3Client = Any


def copy_manifest(files: Iterable[tuple[str, int]]) -> bytes:
    """The manifest naming `files`, pairs of S3 URI and size in bytes, each of which must be there.

    COPY of Parquet needs the size (`content_length`) of every entry. Raises ValueError on a URI that is not
    S3's, on one named twice (COPY would load it twice) and on no file at all (COPY refuses an empty one).
    """
    entries = []
    seen = set()
    for uri, size in files:
        if not uri.startswith("s3://"):
            raise ValueError(f"COPY manifest: expected an s3:// URI, got {uri!r}")
        if uri in seen:
            raise ValueError(f"COPY manifest: {uri} is named twice and would be loaded twice")
        seen.add(uri)
        entries.append({"url": uri, "mandatory": True, "meta": {"content_length": size}})
    if not entries:
        raise ValueError("COPY manifest: no files to load")
    return json.dumps({"entries": entries}, indent=1).encode()


def put_copy_manifests(client: S3Client, bucket: str, batch: Batch) -> None:
    """Puts the manifests of the batch's listings and of its rejects."""
    files = {
        "listings": [(each.listings_uri, each.listings_bytes) for each in batch.sets],
        "rejects": [(each.rejects_uri, each.rejects_bytes) for each in batch.sets],
    }
    for table, entries in files.items():
        Bucket(client, bucket).put(copy_manifest_key(batch.batch_id, table), copy_manifest(entries))
