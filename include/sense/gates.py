"""The gates a clean set passes before it may be loaded, and the ready marker that says it did."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from include.base.batches import ReadySet
from include.base.keys import LISTINGS_FILE, REJECTS_FILE, SetKey
from include.base.objects import Bucket
from include.base.receipts import CleanReceipt
from include.base.refusals import Refused
from include.base.searches import listing_of, market_name
from include.base.set_records import Manifest, StoredFile, Success
from include.base.settings import Resources
from include.contract.families import load_source
from include.contract.listing import load_contract

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
else:
    S3Client = Any


_NAMED_AT_MOST = 5


class GateClosed(Refused):
    """The set must not be loaded; the message names the set, the gate, what was expected and what came."""


@dataclass(frozen=True)
class Gatekeeper:
    """Looks at one clean set after the other, in the buckets of one stack.

    :param reject_share_limit: the share of listings, 0 to 1, above which a set is held back.
    """

    client: S3Client
    where: Resources
    reject_share_limit: float

    def let_through(self, key: SetKey, replay: str | None = None) -> CleanReceipt:
        """Checks the set and puts its ready marker; raises GateClosed when it must not be loaded.

        UnreadableObject is raised for a record or a manifest that is none.

        `replay` is the id of the replay that had it cleaned again; the marker carries it.
        """
        clean = Bucket(self.client, self.where.clean_bucket)
        success = Success.read(clean, key.success(self.where.transform_version))
        manifest = self._manifest(key, success, replay)
        self._check_counts(key, success)
        self._check_times(key, success)
        self._check_columns(key, success)
        self._check_share(key, success)
        for name in (LISTINGS_FILE, REJECTS_FILE):
            self._check_file(key, name, success.files[name])
        ready = self._ready_set(key, success, manifest, replay)
        ready_key = key.ready(self.where.transform_version, replay)
        clean.put(ready_key, json.dumps(ready.to_dict(), indent=1).encode())
        return CleanReceipt(
            set_id=ready.set_id,
            ready_key=ready_key,
            landed=ready.landed,
            clean=ready.clean,
            rejected=ready.rejected,
            duplicates=ready.duplicates,
            unreadable=ready.unreadable,
            unknown_fields=len(success.unknown_fields),
            not_listings=ready.not_listings,
        )

    def _manifest(self, key: SetKey, success: Success, replay: str | None) -> Manifest:
        """The manifest that the set was cleaned from, by the deployed contract; GateClosed when it was another."""
        # A set that is replayed may be in raw only: the landing bucket forgets after some months.
        bucket = self.where.raw_bucket if replay else self.where.landing_bucket
        manifest = self._read(key.manifest, bucket)
        landed = sha256(manifest).hexdigest()
        if success.manifest_sha256 != landed:
            raise GateClosed(
                f"{key.manifest}: cleaned from a manifest with checksum {success.manifest_sha256}, but the "
                f"one in {bucket} has {landed}: clean the set again from raw"
            )
        version = load_contract().version
        if success.contract_version != version:
            raise GateClosed(
                f"{key.manifest}: cleaned under contract {success.contract_version}, expected {version}: "
                "deploy the transform of this version and clean the set again"
            )
        facts = Manifest.read(manifest, f"s3://{bucket}/{key.manifest}")
        _check_listing(key, facts)
        return facts

    def _check_counts(self, key: SetKey, success: Success) -> None:
        counts = success.counts
        if not counts.adds_up:
            parts = " + ".join(counts.parts)
            raise GateClosed(
                f"{key.manifest}: {counts.landed} listings landed, but {parts} = {sum(counts.parts.values())} "
                f"({counts.parts})"
            )

    def _check_columns(self, key: SetKey, success: Success) -> None:
        """That no listing at all has a price means that the API calls it otherwise now: its nulls are no news."""
        if not (absent := success.absent_columns):
            return
        unknown = list(success.unknown_fields)
        raise GateClosed(
            f"{key.manifest}: of {success.counts.listings} listings of {key.source}/{key.market} none has "
            f"{_in_words([_with_paths(key.source, column) for column in absent])}. Nothing was loaded, the "
            "warehouse keeps the market's earlier state. "
            + (f"Fields that the adapter does not know: {_in_words(unknown)}. " if unknown else "")
            + _mend_the_adapter(
                key, "where the value stands now (if the API has it no more, take the column out of `expected`)"
            )
        )

    def _check_times(self, key: SetKey, success: Success) -> None:
        """That no time at all can be meant means that the API sends another unit now.

        Functions that are deployed a moment after this code write no such list yet.
        """
        if not (impossible := success.impossible_columns):
            return
        columns = _in_words([_with_paths(key.source, column) for column in impossible])
        raise GateClosed(
            f"{key.manifest}: of {success.counts.listings} listings of {key.source}/{key.market} none has a "
            f"time that can be meant in {columns}: before the year 2000, or only hours old. The API seems to send "
            "another unit than milliseconds. Nothing was loaded, the warehouse keeps the market's earlier state. "
            + _mend_the_adapter(key, "the times as they come now")
        )

    def _check_share(self, key: SetKey, success: Success) -> None:
        lost, listings = success.counts.lost, success.counts.listings
        if lost > 1 and lost / listings > self.reject_share_limit:  # one bad row is no share
            raise GateClosed(
                f"{key.manifest}: {lost} of {listings} listings were rejected "
                f"({lost / listings:.1%}, limit {self.reject_share_limit:.1%}; mostly "
                f"{_commonest(success.rejects_by_reason)}): the warehouse keeps the market's earlier state. Look at "
                f"{key.clean_prefix(self.where.transform_version)}{REJECTS_FILE}; if the rejects are right, raise "
                "LISTINGS_REJECT_SHARE_LIMIT and clear pass_gates"
            )

    def _check_file(self, key: SetKey, name: str, stated: StoredFile) -> None:
        path = key.clean_prefix(self.where.transform_version) + name
        body = self._read(path)
        if (len(body), sha256(body).hexdigest()) != (stated.bytes, stated.sha256):
            raise GateClosed(
                f"{path}: {len(body)} bytes with checksum {sha256(body).hexdigest()}, but _SUCCESS.json states "
                f"{stated.bytes} bytes with {stated.sha256}: clean the set again from raw"
            )

    def _ready_set(self, key: SetKey, success: Success, manifest: Manifest, replay: str | None = None) -> ReadySet:
        counts, files = success.counts, success.files
        version = self.where.transform_version
        folder = f"s3://{self.where.clean_bucket}/{key.clean_prefix(version)}"
        return ReadySet(
            set_id=key.set_id(version),
            source=key.source,
            market=key.market,
            snapshot_date=key.date,
            extract_id=key.extract_id,
            transform_version=version,
            observed_at=success.observed_at,
            landed=counts.landed,
            clean=counts.clean,
            rejected=counts.rejected,
            duplicates=counts.duplicates,
            unreadable=counts.unreadable,
            pages_unreadable=success.pages_unreadable,
            listings_uri=folder + LISTINGS_FILE,
            listings_bytes=files[LISTINGS_FILE].bytes,
            rejects_uri=folder + REJECTS_FILE,
            rejects_bytes=files[REJECTS_FILE].bytes,
            contract_version=success.contract_version,
            replay=replay,
            market_name=_market_name(key, manifest),
            pages_read=success.pages,
            pages_claimed=manifest.pages_claimed,
            listings_claimed=manifest.listings_claimed,
            listing=listing_of(key.market),
            not_listings=counts.not_listings,
            reached_end=_reached_end(key, manifest),
        )

    def _read(self, key: str, bucket: str | None = None) -> bytes:
        return Bucket(self.client, bucket or self.where.clean_bucket).read(key)


def _check_listing(key: SetKey, manifest: Manifest) -> None:
    """Homes for rent in the market of those for sale would take their place. A manifest without it is of sale."""
    if (listing := manifest.listing) != (expected := listing_of(key.market)):
        raise GateClosed(
            f"{key.manifest}: its listing is {str(listing)[:40]!r}, but the market {key.market} is of homes for "
            f"{expected!r}: nothing was loaded. Extract the market again"
        )


def _reached_end(key: SetKey, manifest: Manifest) -> bool | None:
    """Whether the last page is empty, or the last that the API claims or shows: else our page limit ended the set."""
    if not (pages := manifest.listings_by_page):
        return None
    last = load_source(key.source).request.page_cap
    if claimed := manifest.pages_claimed:
        last = min(last, claimed)
    return pages[-1] == 0 or len(pages) >= last


def _market_name(key: SetKey, manifest: Manifest) -> str | None:
    return market_name(manifest.location, listing_of(key.market)) if manifest.location else None


def _mend_the_adapter(key: SetKey, what: str) -> str:
    return (
        f"Let include/schemas/sources/{key.source}.yaml read {what}, deploy the transform, and clean the set again "
        f"from raw: make replay FROM={key.date} TO={key.date} MARKETS={key.market}"
    )


def _with_paths(source: str, column: str) -> str:
    """A column with where in the payload its value was looked for."""
    adapter = load_source(source).adapter
    inside = f"{adapter.each}." if adapter.each else ""
    paths = [inside + rule.path for rule in adapter.columns.get(column, ())]
    return f"{column} ({' or '.join(paths)} in the payload)" if paths else column


def _commonest(reasons: Mapping[str, int]) -> str:
    """The commonest reasons, each with its count."""
    ordered = sorted(reasons.items(), key=lambda each: (-each[1], each[0]))
    return _in_words([f"{count} {reason}" for reason, count in ordered], 3)


def _in_words(names: Sequence[str], at_most: int = _NAMED_AT_MOST) -> str:
    shown = ", ".join(names[:at_most])
    return shown if len(names) <= at_most else f"{shown} and {len(names) - at_most} more"
