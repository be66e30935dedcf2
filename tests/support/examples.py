"""Examples that several unit tests share: a stack's resources, a request, a page, a set on its way."""

from __future__ import annotations

import json
from dataclasses import fields
from hashlib import sha256
from typing import Any

from include.base.batches import ReadySet
from include.base.keys import SetKey
from include.base.receipts import ExtractRequest
from include.base.settings import Resources
from include.contract.listing import load_contract
from tests.support.memory_s3 import MemoryS3

VERSION = "aaaaaaaaaaaa"
OTHER_VERSION = "bbbbbbbbbbbb"

RESOURCES = Resources(
    landing_bucket="landing",
    raw_bucket="raw",
    clean_bucket="clean",
    copy_queue_url="http://queues/copy-raw",
    transform_queue_url="http://queues/transform-listings",
    copy_dead_letter_url="http://queues/copy-raw-dead",
    transform_dead_letter_url="http://queues/transform-listings-dead",
    transform_version=VERSION,
)
ENVIRONMENT = {f"LISTINGS_{field.name.upper()}": getattr(RESOURCES, field.name) for field in fields(RESOURCES)}

KEY = SetKey("zillow56", "houston-tx", "2026-11-22", "20261122T060003Z-1f3a9c")
PREFIX = "listings/source=zillow56/market=houston-tx/date=2026-11-22/extract=20261122T060003Z-1f3a9c/"
REQUEST = ExtractRequest(
    source="zillow56",
    market="houston-tx",
    location="houston, tx",
    date="2026-11-22",
    extract_id="20261122T060003Z-1f3a9c",
    run_id="manual__example",
    page_limit=20,
)
RECEIVED_AT = "2026-11-22T06:00:05.123456Z"


MANIFEST_TEXT = b'{"location": "houston, tx", "pages_claimed": 20, "listings_claimed": 13000}'


def buckets(**options: Any) -> MemoryS3:
    """An S3 with the three buckets of RESOURCES, all empty."""
    return MemoryS3("landing", "raw", "clean", **options)


def page(listings: int, total_pages: int | None = 2, **more: Any) -> bytes:
    """A zillow56 page of so many listings."""
    claims = {} if total_pages is None else {"totalPages": total_pages, "totalResultCount": 60}
    return json.dumps({"results": [{"zpid": 1 + number} for number in range(listings)], **claims, **more}).encode()


def success(**changes: Any) -> dict[str, Any]:
    """A `_SUCCESS.json` that passes every gate: 41 landed, 38 clean, 1 rejected, 2 duplicates."""
    return {
        "success_version": 1,
        "source": KEY.source,
        "market": KEY.market,
        "date": KEY.date,
        "extract_id": KEY.extract_id,
        "observed_at": RECEIVED_AT,
        "transform_version": VERSION,
        "contract_version": load_contract().version,
        "manifest_sha256": sha256(MANIFEST_TEXT).hexdigest(),
        "counts": {"landed": 41, "clean": 38, "rejected": 1, "duplicates": 2, "not_listings": 0, "unreadable": 0},
        "pages": 1,
        "pages_unreadable": 0,
        "rejects_by_reason": {"price_missing": 1},
        "oddities": {},
        "unknown_fields": {},
        "absent_columns": [],
        "impossible_columns": [],
        "absent_claims": [],
        "files": {
            "listings.parquet": {"rows": 38, "bytes": 13, "sha256": sha256(b"38 clean rows").hexdigest()},
            "rejects.parquet": {"rows": 1, "bytes": 10, "sha256": sha256(b"one reject").hexdigest()},
        },
    } | changes


def put_clean_set(s3: MemoryS3, key: SetKey = KEY, manifest: bytes = MANIFEST_TEXT, **changes: Any) -> None:
    """Puts a landed and cleaned set; `changes` are to its `_SUCCESS.json`."""
    folder = key.clean_prefix(VERSION)
    s3.put_object(Bucket="landing", Key=key.manifest, Body=manifest)
    changes = {"manifest_sha256": sha256(manifest).hexdigest()} | changes
    s3.put_object(Bucket="clean", Key=folder + "listings.parquet", Body=b"38 clean rows")
    s3.put_object(Bucket="clean", Key=folder + "rejects.parquet", Body=b"one reject")
    s3.put_object(Bucket="clean", Key=folder + "_SUCCESS.json", Body=json.dumps(success(**changes)).encode())


def ready_set(
    key: SetKey = KEY, version: str = VERSION, observed_at: str = RECEIVED_AT, replay: str | None = None
) -> ReadySet:
    """A set as its ready marker describes it."""
    folder = f"s3://clean/{key.clean_prefix(version)}"
    return ReadySet(
        set_id=key.set_id(version),
        source=key.source,
        market=key.market,
        snapshot_date=key.date,
        extract_id=key.extract_id,
        transform_version=version,
        observed_at=observed_at,
        landed=41,
        clean=38,
        rejected=1,
        duplicates=2,
        unreadable=0,
        pages_unreadable=0,
        listings_uri=folder + "listings.parquet",
        listings_bytes=13,
        rejects_uri=folder + "rejects.parquet",
        rejects_bytes=10,
        contract_version=load_contract().version,
        replay=replay,
        market_name="houston, tx",
        pages_read=1,
        pages_claimed=20,
        listings_claimed=13000,
    )
