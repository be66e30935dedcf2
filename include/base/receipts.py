"""The typed records that travel between tasks and DAGs: keys, counts and checksums, never rows.

Each turns into plain JSON types (`to_dict`) and back (`from_dict`): XCom and asset events carry the dicts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from include.base.searches import SALE, market_name

FAULT = "fault"
"""The XCom in which a task that failed leaves the reason."""


class Record:
    """A frozen dataclass of JSON scalars, lists and dicts."""

    def to_dict(self) -> dict[str, Any]:
        """The record as plain JSON types."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The record back from `to_dict`; keys it does not know are ignored, a missing one is a TypeError."""
        known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        return cls(**{name: value for name, value in values.items() if name in known})


@dataclass(frozen=True)
class ExtractRequest(Record):
    """What one mapped extraction is to fetch: one market of one source for one date.

    `listing` is the kind of search: sale, rent or sold.
    """

    source: str
    market: str
    location: str
    date: str
    extract_id: str
    run_id: str
    page_limit: int
    date_override: str | None = None
    listing: str = SALE

    @property
    def market_name(self) -> str:
        """The market in words: the location as typed, and the search unless it is for sale."""
        return market_name(self.location, self.listing)


@dataclass(frozen=True)
class LandedReceipt(Record):
    """A complete set in the landing bucket; counts are of pages, listings and bytes as received."""

    source: str
    market: str
    date: str
    extract_id: str
    manifest_key: str
    manifest_sha256: str
    observed_at: str
    pages: int
    listings: int
    bytes: int
    pages_claimed: int | None = None
    listings_claimed: int | None = None


@dataclass(frozen=True)
class CleanReceipt(Record):
    """A set that passed its gates and has a ready marker in the clean bucket; counts are of listings and of fields.

    `not_listings` counts buildings and groups of units. 0 in a receipt that is older than this field.
    """

    set_id: str
    ready_key: str
    landed: int
    clean: int
    rejected: int
    duplicates: int
    unreadable: int
    unknown_fields: int = 0
    not_listings: int = 0
