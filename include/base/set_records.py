"""The two records that a set is handed over by, as types: `_manifest.json` of landing, `_SUCCESS.json` of the Lambda.

Their forms are include/schemas/manifest.schema.json and success.schema.json; tests hold both writers to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from include.base import claims
from include.base.json_objects import MANIFEST, SUCCESS, read_object
from include.base.objects import Bucket
from include.base.searches import SALE

_PARTS = ("clean", "rejected", "duplicates", "not_listings", "unreadable")


@dataclass(frozen=True)
class Counts:
    """What became of the rows of a set: each landed row is in one of the other five."""

    landed: int
    clean: int
    rejected: int
    duplicates: int
    unreadable: int
    not_listings: int = 0
    """Buildings and groups of units; a set that was cleaned before they were counted apart has none."""

    @property
    def parts(self) -> dict[str, int]:
        """What the landed rows are the sum of."""
        return {name: getattr(self, name) for name in _PARTS}

    @property
    def adds_up(self) -> bool:
        """Whether no row is lost and none counted twice."""
        return self.landed == sum(self.parts.values())

    @property
    def listings(self) -> int:
        """How many of the landed rows may be listings. Buildings and groups never were: no share is of them."""
        return self.landed - self.not_listings

    @property
    def lost(self) -> int:
        """Listings of which nothing can be loaded."""
        return self.rejected + self.unreadable


@dataclass(frozen=True)
class StoredFile:
    """A file as `_SUCCESS.json` states it."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Success:
    """What the transform says of a set that it cleaned."""

    observed_at: str
    manifest_sha256: str
    contract_version: str
    counts: Counts
    pages: int
    pages_unreadable: int
    rejects_by_reason: Mapping[str, int]
    unknown_fields: Mapping[str, int]
    absent_columns: tuple[str, ...]
    files: Mapping[str, StoredFile]
    impossible_columns: tuple[str, ...] = ()
    """Columns of times none of which can be meant; earlier transforms wrote no such list."""
    absent_claims: tuple[str, ...] = ()
    """Claims that stood on no page, likewise."""

    @classmethod
    def read(cls, bucket: Bucket, key: str) -> Success:
        """The record at this key of the clean bucket; UnreadableObject for an object that is none."""
        return read_object(bucket.read(key), bucket.uri(key), SUCCESS, cls._of)

    @classmethod
    def _of(cls, facts: dict[str, Any]) -> Success:
        known = _known(cls, facts)
        return cls(
            **known
            | {
                "counts": Counts(**_known(Counts, facts["counts"])),
                "files": {name: StoredFile(**_known(StoredFile, each)) for name, each in facts["files"].items()},
                **{name: tuple(facts.get(name, ())) for name in _LISTS},
            }
        )


_LISTS = ("absent_columns", "impossible_columns", "absent_claims")


@dataclass(frozen=True)
class Manifest:
    """What a set consists of, and what its API claimed. Of a manifest put by hand much may be absent."""

    location: str | None = None
    listing: str = SALE
    listings_by_page: tuple[int, ...] = field(default=())
    pages_claimed: int | None = None
    listings_claimed: int | None = None

    @classmethod
    def read(cls, body: bytes, uri: str) -> Manifest:
        """The manifest of these bytes, for sale if it does not say; UnreadableObject where they are none."""
        return read_object(body, uri, MANIFEST, cls._of)

    @classmethod
    def _of(cls, facts: dict[str, Any]) -> Self:
        return cls(
            location=facts.get("location"),
            listing=facts.get("listing", SALE),
            listings_by_page=tuple(page["listings"] for page in facts.get("pages") or ()),
            pages_claimed=claims.count(facts.get("pages_claimed")),
            listings_claimed=claims.count(facts.get("listings_claimed")),
        )


def _known(kind: Any, facts: Mapping[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in facts.items() if name in names}
