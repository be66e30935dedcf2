"""The manifest that tells Redshift's COPY exactly which files to read."""

from __future__ import annotations

import json
from collections.abc import Iterable


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
