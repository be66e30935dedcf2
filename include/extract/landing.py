"""Stores what an extraction receives: pages as they come, then the manifest that completes the set.

A page is put once (`If-None-Match: *`). One that is there is kept and never paid for again: its bytes stand
in the object, the facts about it (when it came, how many listings it carries) in the object's metadata.
Bodies that are not pages go under `errors/`, outside the manifest.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from include.base import claims
from include.base.json_objects import LANDED_MANIFEST, read_object
from include.base.keys import SetKey, page_name, page_number
from include.base.objects import Bucket
from include.base.receipts import ExtractRequest, LandedReceipt
from include.base.version import VERSION
from include.contract.families import PageFacts, Source
from include.extract.bounded_answers import ERROR_BYTES

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
else:
    S3Client = Any


@dataclass(frozen=True)
class StoredPage:
    """One page in the landing bucket; `listings` as counted when it landed, times as ISO 8601 in UTC."""

    name: str
    page: int
    bytes: int
    sha256: str
    listings: int
    received_at: str
    served_at: str | None


class LandingSet:
    """The set that one extraction fills, in one landing bucket."""

    def __init__(self, client: S3Client, bucket: str, request: ExtractRequest) -> None:
        self._bucket = Bucket(client, bucket)
        self.request = request
        self.key = SetKey(request.source, request.market, request.date, request.extract_id)
        self.manifest_uri = self._bucket.uri(self.key.manifest)

    def manifest(self) -> bytes | None:
        """The manifest's bytes, or None while the set is incomplete."""
        return self._bucket.get(self.key.manifest)

    def pages(self, source: Source) -> list[tuple[StoredPage, PageFacts]]:
        """The pages already landed, without a gap from page 1 on, each with what it says of the search."""
        found = {page_number(key) for key, _ in self._bucket.listed(self.key.prefix)}
        landed: list[tuple[StoredPage, PageFacts]] = []
        while (number := len(landed) + 1) in found:
            landed.append(self._read_page(source, number))
        return landed

    def put_page(
        self, source: Source, number: int, body: bytes, received_at: str, served_at: str | None
    ) -> tuple[StoredPage, PageFacts]:
        """Stores page `number` and returns what now stands there: the page that came first is kept.

        Raises `include.contract.families.NotAPage` for a body that is not a page; nothing is stored then.
        """
        facts = source.read_page(body)
        metadata = {"received-at": received_at}
        if served_at:
            metadata["served-at"] = served_at
        if not self._bucket.put_once(self.key.prefix + page_name(number), body, metadata):
            return self._read_page(source, number)
        return _describe(number, body, facts, metadata), facts

    def put_error(self, number: int, status: int, body: bytes) -> str:
        """Keeps a body that is not a page and returns its key; the same body twice is one object.

        More than the first `ERROR_BYTES` of it nobody needs.
        """
        body = body[:ERROR_BYTES]
        name = f"{page_name(number).removesuffix('.json')}-{status}-{sha256(body).hexdigest()[:12]}.body"
        key = self.key.errors_prefix + name
        self._bucket.put(key, body, "application/octet-stream")
        return key

    def complete(self, pages: list[tuple[StoredPage, PageFacts]], quota: dict[str, int] | None) -> bytes:
        """Puts the manifest, which makes the set complete, and returns the bytes that stand there."""
        stored = [page for page, _ in pages]
        pages_claimed = [facts.total_pages for _, facts in pages if facts.total_pages is not None]
        listings_claimed = [facts.total_listings for _, facts in pages if facts.total_listings is not None]
        manifest = {
            "manifest_version": 1,
            "pipeline_version": VERSION,
            "source": self.request.source,
            "market": self.request.market,
            "location": self.request.location,
            "listing": self.request.listing,
            "date": self.request.date,
            "extract_id": self.request.extract_id,
            "run_id": self.request.run_id,
            "observed_at": stored[0].received_at,
            "completed_at": stored[-1].received_at,
            "pages": [asdict(page) for page in stored],
            "listings": sum(page.listings for page in stored),
            # The greatest: an empty page that claims nothing takes back no claim of those before it.
            "pages_claimed": max(pages_claimed, default=None),
            "pages_limit": self.request.page_limit,
            "listings_claimed": max(listings_claimed, default=None),
            "date_override": self.request.date_override,
            "quota": quota,
        }
        body = json.dumps(manifest, indent=1, ensure_ascii=False).encode()
        if not self._bucket.put_once(self.key.manifest, body):
            return self.manifest() or body
        return body

    def _read_page(self, source: Source, number: int) -> tuple[StoredPage, PageFacts]:
        answer = self._bucket.open(self.key.prefix + page_name(number))
        assert answer is not None  # it was listed, or in the way of another
        body = answer["Body"].read()
        facts = source.read_page(body)
        return _describe(number, body, facts, answer["Metadata"]), facts


def receipt(manifest: bytes, uri: str) -> LandedReceipt:
    """The receipt of a complete set, read off its manifest; UnreadableObject for one that is none.

    :param uri: where the manifest lies
    """
    return read_object(manifest, uri, LANDED_MANIFEST, lambda facts: _receipt(manifest, facts))


def _receipt(manifest: bytes, facts: dict[str, Any]) -> LandedReceipt:
    key = SetKey(facts["source"], facts["market"], facts["date"], facts["extract_id"])
    return LandedReceipt(
        source=key.source,
        market=key.market,
        date=key.date,
        extract_id=key.extract_id,
        manifest_key=key.manifest,
        manifest_sha256=sha256(manifest).hexdigest(),
        observed_at=facts["observed_at"],
        pages=len(facts["pages"]),
        listings=facts["listings"],
        bytes=sum(page["bytes"] for page in facts["pages"]),
        pages_claimed=claims.count(facts["pages_claimed"]),
        listings_claimed=claims.count(facts["listings_claimed"]),
    )


def _describe(number: int, body: bytes, facts: PageFacts, metadata: dict[str, str]) -> StoredPage:
    return StoredPage(
        name=page_name(number),
        page=number,
        bytes=len(body),
        sha256=sha256(body).hexdigest(),
        listings=facts.listings,
        received_at=metadata["received-at"],
        served_at=metadata.get("served-at"),
    )
