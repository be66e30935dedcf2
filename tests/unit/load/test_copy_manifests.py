"""The manifest that COPY reads."""

from __future__ import annotations

import json

import pytest

from include.load.copy_manifests import copy_manifest


def test_each_file_is_mandatory_and_has_its_size() -> None:
    """COPY of Parquet refuses an entry without content_length, and skips a missing file that is not mandatory."""
    manifest = json.loads(copy_manifest([("s3://clean/a/listings.parquet", 10), ("s3://clean/b/listings.parquet", 20)]))
    assert {
        "entries": [
            {"url": "s3://clean/a/listings.parquet", "mandatory": True, "meta": {"content_length": 10}},
            {"url": "s3://clean/b/listings.parquet", "mandatory": True, "meta": {"content_length": 20}},
        ]
    } == manifest


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ([], "no files"),
        ([("clean/listings.parquet", 1)], "expected an s3:// URI"),
        ([("s3://clean/a", 1), ("s3://clean/a", 1)], "named twice"),
    ],
)
def test_a_manifest_that_would_load_wrongly_is_refused(files: list[tuple[str, int]], complaint: str) -> None:
    """No file, a file elsewhere, or a file twice is an error before COPY sees it."""
    with pytest.raises(ValueError, match=complaint):
        copy_manifest(files)
