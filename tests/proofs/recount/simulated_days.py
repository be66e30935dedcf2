"""Days of the simulated market on their way into the warehouse, each step by the project's own code: pages of the local
API, landed, cleaned, copied and loaded. What the API sent is kept as it was, for whoever counts it another way."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from include.base.batches import Batch, ReadySet
from include.base.keys import LISTINGS_FILE, REJECTS_FILE, SetKey, extract_id
from include.base.markets import slug
from include.base.receipts import ExtractRequest
from include.contract.families import load_source
from include.contract.listing import load_contract
from include.extract.landing import LandingSet
from include.load.copy_manifests import copy_manifest
from include.warehouse.batch_load import LoadReceipt, create_staging
from include.warehouse.sql_files import Connection
from local.listing_api.families import FAMILIES
from local.listing_api.pages import SimulatedPages
from tests.proofs.recount.raw_report import RawSet
from tests.support.memory_s3 import MemoryS3
from tests.support.staged_sets import load_staged
from tests.support.transform_code import cleaner  # isort: split

from parquet import to_parquet  # of the transform: transform_code puts its folder on the path

from tests.support.warehouse_fixture import KEYS, Warehouse

API = SimulatedPages(seed=7, page_size=41, pages_cap=20, dirty_share=0.01)
SOURCE = "zillow56"
VERSION = "0123456789ab"
RECEIVED_AFTER = timedelta(microseconds=123_456)

Pages = list[dict[str, Any]]


@dataclass(frozen=True)
class Extraction:
    """One market extracted at a moment: its first page is served then, each further one a second later.

    Each of `altered` may change what the API sends, before anybody sees it.
    """

    location: str
    at: datetime
    page_limit: int = 20
    altered: Sequence[Callable[[Pages], None]] = ()

    @property
    def date(self) -> str:
        return self.at.date().isoformat()


@dataclass(frozen=True)
class Landed:
    """A complete set: its manifest and page bodies as they were stored, and its pages parsed."""

    key: SetKey
    manifest: dict[str, Any] = field(repr=False)
    bodies: tuple[bytes, ...] = field(repr=False)
    raw: RawSet


def load_days(warehouse: Warehouse, connection: Connection, batch_id: str, *extractions: Extraction) -> list[RawSet]:
    """Extracts these and loads them as one batch; what the API had sent, as `raw_report` takes it."""
    landed = [land(each) for each in extractions]
    receipt = load(warehouse, connection, batch_id, landed)
    assert len(landed) == len(receipt.sets)
    return [each.raw for each in landed]


def land(extraction: Extraction) -> Landed:
    """Asks for every page of the market and lands it."""
    key = SetKey(SOURCE, slug(extraction.location), extraction.date, extract_id(extraction.at, "test__days"))
    request = ExtractRequest(
        source=key.source,
        market=key.market,
        location=extraction.location,
        date=key.date,
        extract_id=key.extract_id,
        run_id="test__days",
        page_limit=extraction.page_limit,
    )
    pages = _pages(extraction)
    served = [extraction.at + timedelta(seconds=number) for number in range(len(pages))]
    bodies = tuple(json.dumps(page, ensure_ascii=False).encode() for page in pages)
    into = LandingSet(MemoryS3("landing"), "landing", request)
    stored = [
        into.put_page(load_source(SOURCE), number, body, _iso(at + RECEIVED_AFTER), _iso(at))
        for number, (body, at) in enumerate(zip(bodies, served, strict=True), 1)
    ]
    manifest = json.loads(into.complete(stored, None))
    raw = RawSet(
        market=key.market,
        name=extraction.location,
        date=key.date,
        extract_id=key.extract_id,
        observed_at=served[0] + RECEIVED_AFTER,
        pages=tuple(json.loads(body) for body in bodies),
        served_at=tuple(served),
    )
    return Landed(key, manifest, bodies, raw)


def load(warehouse: Warehouse, connection: Connection, batch_id: str, landed: Sequence[Landed]) -> LoadReceipt:
    """Cleans these sets and loads them as one batch: Parquet files, a manifest over them, one COPY a staging table."""
    ready = [clean(warehouse, each) for each in landed]
    batch = Batch(batch_id, f"test__{batch_id}", tuple(ready))
    create_staging(connection, batch)
    files = {
        batch.staging_listings: [(each.listings_uri, each.listings_bytes) for each in ready],
        batch.staging_rejects: [(each.rejects_uri, each.rejects_bytes) for each in ready],
    }
    with closing(connection.cursor()) as cursor:
        for table, found in files.items():
            manifest = warehouse.put(f"loads/batch={batch_id}/{table}.manifest", copy_manifest(found))
            cursor.execute(f"copy {table} from '{manifest}' {KEYS} format as parquet manifest")
    connection.commit()
    return load_staged(connection, batch)


def clean(warehouse: Warehouse, landed: Landed) -> ReadySet:
    """Cleans a set as the Lambda does, and describes it as the gates do."""
    key, manifest = landed.key, landed.manifest
    pages = zip(manifest["pages"], landed.bodies, strict=True)
    cleaned = cleaner(key.source).clean(manifest, pages, key.prefix)
    folder = key.clean_prefix(VERSION)
    bodies = {LISTINGS_FILE: to_parquet(cleaned.listings), REJECTS_FILE: to_parquet(cleaned.rejects)}
    uris = {name: warehouse.put(folder + name, body) for name, body in bodies.items()}
    ready = ReadySet(
        set_id=key.set_id(VERSION),
        source=key.source,
        market=key.market,
        snapshot_date=key.date,
        extract_id=key.extract_id,
        transform_version=VERSION,
        observed_at=manifest["observed_at"],
        **cleaned.counts,
        pages_unreadable=cleaned.pages_unreadable,
        listings_uri=uris[LISTINGS_FILE],
        listings_bytes=len(bodies[LISTINGS_FILE]),
        rejects_uri=uris[REJECTS_FILE],
        rejects_bytes=len(bodies[REJECTS_FILE]),
        contract_version=load_contract().version,
    )
    claims = {
        "market_name": manifest["location"],
        "pages_read": len(manifest["pages"]),
        "pages_claimed": manifest["pages_claimed"],
        "listings_claimed": manifest["listings_claimed"],
    }
    known = {each.name for each in fields(ReadySet)}
    return replace(ready, **{name: value for name, value in claims.items() if name in known})


def _pages(extraction: Extraction) -> Pages:
    """The pages that the API serves, up to the last one that there is or that is asked for."""
    pages: Pages = []
    last = 1
    while len(pages) < last:
        now = extraction.at + timedelta(seconds=len(pages))
        query = load_source(SOURCE).request_params(extraction.location, len(pages) + 1)
        pages.append(json.loads(API.body(FAMILIES[SOURCE], query, len(pages) + 1, now)))
        last = min(extraction.page_limit, pages[0]["totalPages"])
    for alter in extraction.altered:
        alter(pages)
    return pages


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
