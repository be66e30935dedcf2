"""Lets a test import the transform's files as the function does, by their bare names, and makes sets for it."""

import hashlib
import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "lambda_functions" / "transform_listings"
if str(FOLDER) not in sys.path:
    sys.path.append(str(FOLDER))

from plan import make_plan  # noqa: E402
from transform import Cleaned, Cleaner  # noqa: E402

from include.contract.adapters import parse_adapter  # noqa: E402
from include.contract.families import compile_adapter, compile_source  # noqa: E402
from include.contract.listing import compile_contract  # noqa: E402

PREFIX = "listings/source=zillow56/market=houston-tx/date=2026-11-22/extract=20261122T060003Z-1f3a9c/"
RECEIVED_AT = "2026-11-22T06:00:05.123456Z"


def fixture(source: str, page: int = 1) -> bytes:
    """A hand-made page of a family."""
    return (ROOT / "tests" / "fixtures" / source / f"page-{page:04d}.json").read_bytes()


@cache
def cleaner(source: str = "zillow56") -> Cleaner:
    """A cleaner from the contract and the adapter as they are now."""
    return Cleaner(make_plan(compile_contract(), compile_source(source)))


def manifest_of(pages: Sequence[tuple[bytes, int]], source: str = "zillow56", **changes: Any) -> dict[str, Any]:
    """The manifest of pages given as bytes and the listings counted at landing."""
    entries = [
        {
            "name": f"page-{number:04d}.json",
            "page": number,
            "bytes": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "listings": listings,
            "received_at": RECEIVED_AT,
            "served_at": None,
        }
        for number, (body, listings) in enumerate(pages, 1)
    ]
    return {
        "manifest_version": 1,
        "source": source,
        "market": "houston-tx",
        "date": "2026-11-22",
        "extract_id": "20261122T060003Z-1f3a9c",
        "observed_at": RECEIVED_AT,
        "pages": entries,
        "listings": sum(listings for _, listings in pages),
        **changes,
    }


def clean(*pages: tuple[bytes, int], source: str = "zillow56", served_at: str | None = None) -> Cleaned:
    """Cleans a set of pages given as bytes and the listings counted at landing."""
    manifest = manifest_of(pages, source)
    for entry in manifest["pages"]:
        entry["served_at"] = served_at
    bodies = (body for body, _ in pages)
    return cleaner(source).clean(manifest, zip(manifest["pages"], bodies, strict=True), PREFIX)


def clean_rows(*rows: Any, source: str = "zillow56", served_at: str | None = None) -> Cleaned:
    """Cleans one page of these rows."""
    key = compile_source(source)["listings_at"][0]
    return clean((json.dumps({key: list(rows)}).encode(), len(rows)), source=source, served_at=served_at)


def clean_under(document: dict[str, Any], rows: list[dict[str, Any]]) -> Cleaned:
    """Cleans a page of zillow56 rows under another adapter file."""
    body = json.dumps({"results": rows}).encode()
    manifest = manifest_of([(body, len(rows))])
    plan = make_plan(compile_contract(), compile_adapter(parse_adapter("zillow56", document)))
    return Cleaner(plan).clean(manifest, [(manifest["pages"][0], body)], PREFIX)


def row(zpid: int = 1, **values: Any) -> dict[str, Any]:
    """A zillow56 listing with no more than the contract requires, and these values."""
    return {"zpid": zpid, "price": 100000.0, **values}
