"""A landed set made by hand: two pages of the zillow56 shape, four listings, and the manifest that lists them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from include.base.version import VERSION

SOURCE, MARKET, DATE = "zillow56", "houston-tx", "2026-11-22"

PAGES: dict[str, dict[str, Any]] = {
    "page-0001.json": {
        "totalPages": 20,
        "totalResultCount": 13798,
        "results": [
            {"zpid": 101, "price": 250000.0, "homeType": "SINGLE_FAMILY", "homeStatus": "FOR_SALE", "zipcode": "77002"},
            {"zpid": 102, "price": 310000.0, "homeType": "CONDO", "homeStatus": "FOR_SALE", "zipcode": "77003"},
        ],
    },
    "page-0002.json": {
        "totalPages": 20,
        "totalResultCount": 13798,
        "results": [
            # Sent twice: the later one is kept.
            {"zpid": 102, "price": 305000.0, "homeType": "CONDO", "homeStatus": "FOR_SALE", "zipcode": "77003"},
            # Without a price: rejected.
            {"zpid": 103, "homeType": "TOWNHOUSE", "homeStatus": "FOR_SALE", "zipcode": "77004"},
        ],
    },
}

# Counted by hand from the pages above.
COUNTS = {"landed": 4, "clean": 2, "rejected": 1, "duplicates": 1, "not_listings": 0, "unreadable": 0}
REJECTS_BY_REASON = {"price_missing": 1}


def prefix(extract_id: str) -> str:
    """The folder of this set's extraction, the same in landing and in raw."""
    return f"listings/source={SOURCE}/market={MARKET}/date={DATE}/extract={extract_id}/"


def objects(extract_id: str, pages: dict[str, dict[str, Any]] = PAGES) -> dict[str, bytes]:
    """The objects of the set, or of one with these pages, by key, the manifest last, as they must be put."""
    bodies = {name: json.dumps(page).encode() for name, page in pages.items()}
    found = {prefix(extract_id) + name: body for name, body in bodies.items()}
    found[prefix(extract_id) + "_manifest.json"] = json.dumps(_manifest(extract_id, bodies, pages)).encode()
    return found


def _manifest(extract_id: str, bodies: dict[str, bytes], pages: dict[str, dict[str, Any]]) -> dict[str, Any]:
    received = f"{DATE}T06:00:05.123456Z"
    return {
        "manifest_version": 1,
        "pipeline_version": VERSION,
        "source": SOURCE,
        "market": MARKET,
        "location": "houston, tx",
        "date": DATE,
        "extract_id": extract_id,
        "run_id": "by-hand",
        "observed_at": received,
        "completed_at": received,
        "pages": [
            {
                "name": name,
                "page": number,
                "bytes": len(body),
                "sha256": hashlib.sha256(body).hexdigest(),
                "listings": len(pages[name]["results"]),
                "received_at": received,
                "served_at": None,
            }
            for number, (name, body) in enumerate(bodies.items(), start=1)
        ],
        "listings": sum(len(page["results"]) for page in pages.values()),
        "pages_claimed": 20,
        "pages_limit": 20,
        "listings_claimed": 13798,
        "date_override": None,
        "quota": None,
    }
