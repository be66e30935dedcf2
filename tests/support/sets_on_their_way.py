"""Buckets on which sets go their way, for tests of the ledgers and of the gaps between them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from include.base.batches import Turn
from include.base.keys import LISTINGS_FILE, REJECTS_FILE, SetKey, notice_key, resent_notice, set_of, withdrawal_key
from include.ledger.sets import Ledger
from include.reconcile.gaps import Gaps, Limits, find
from include.reconcile.open_partitions import Beyond
from include.warehouse.rows_held import Holding
from tests.support.examples import KEY, RESOURCES, VERSION, buckets, ready_set
from tests.support.memory_s3 import MemoryS3

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SIX_HOURS_BEFORE = NOON - timedelta(hours=6)
SINCE = date(2026, 11, 15)
FIRST_REPLAY, LAST_REPLAY = "20261123T080000Z-ffffff", "20261123T080001Z-000000"
LATER_EXTRACTION = replace(KEY, extract_id="20261122T100003Z-aaaaaa")


class Stack:
    """Buckets on which sets go their way, and the ledger over them; `now` is when the next object is put."""

    def __init__(self) -> None:
        self.now = NOON - timedelta(hours=1)
        self.s3: MemoryS3 = buckets(clock=lambda: self.now)
        self.ledger = Ledger(self.s3, RESOURCES)

    def put(self, bucket: str, key: str, body: bytes = b"{}") -> None:
        """Puts any object."""
        self.s3.put_object(Bucket=bucket, Key=key, Body=body)

    def land(self, *sets: SetKey) -> None:
        """Lands complete sets of two pages."""
        for key in sets:
            for name in ("page-0001.json", "page-0002.json", "_manifest.json"):
                self.put("landing", key.prefix + name)

    def copy(self, *sets: SetKey) -> None:
        """Copies sets of two pages to raw."""
        for key in sets:
            for name in ("page-0001.json", "page-0002.json", "_manifest.json"):
                self.put("raw", key.prefix + name)

    def clean(self, *sets: SetKey, version: str = VERSION, rows: int = 38) -> None:
        """Cleans sets, each to so many rows, as seen at the hour that its extraction names."""
        for key in sets:
            hour = key.extract_id[9:11]
            facts = {"observed_at": f"{key.date}T{hour}:00:05Z", "counts": {"clean": rows}}
            for name, size in ((LISTINGS_FILE, 13), (REJECTS_FILE, 10)):  # as ready_set says
                self.put("clean", key.clean_prefix(version) + name, b"x" * size)
            self.put("clean", key.success(version), json.dumps(facts).encode())

    def sense(self, *sets: SetKey, version: str = VERSION, replay: str | None = None) -> None:
        """Puts the ready markers of sets."""
        for key in sets:
            body = json.dumps(ready_set(key, version, replay=replay).to_dict()).encode()
            self.put("clean", key.ready(version, replay), body)

    def bring(self, key: SetKey, version: str = VERSION) -> None:
        """Brings a set as far as the loader."""
        self.land(key)
        self.copy(key)
        self.clean(key, version=version)
        self.sense(key, version=version)

    def page(self, key: SetKey, number: int = 1) -> None:
        """Lands a page of a set."""
        self.put("landing", f"{key.prefix}page-{number:04d}.json")

    def resend(self, *sets: SetKey, version: str = VERSION) -> None:
        """Notes that sets were sent again."""
        for key in sets:
            self.put("clean", notice_key(key.date, resent_notice(key, version)))

    def withdraw(self, key: SetKey) -> None:
        """Withdraws a set."""
        self.put("raw", withdrawal_key(key), b'{"reason": "by hand"}')

    def gaps(
        self,
        loaded: tuple[Turn, ...] = (),
        failed: Mapping[Turn, bool] | None = None,
        held: tuple[Holding, ...] = (),
        stuck_before: datetime = SIX_HOURS_BEFORE,
        since: date = SINCE,
        beyond: Beyond | None = None,
    ) -> Gaps:
        """The gaps at noon: but for what was put in the ten minutes before, half after an hour without a page.

        What is `loaded` holds its day with 38 rows, unless `held` says otherwise of the set.
        """
        limits = Limits(
            since, NOON - timedelta(minutes=10), stuck_before, NOON - timedelta(hours=1), beyond or Beyond()
        )
        said = {each.set_id for each in held}
        plain = [holding(each.set_id, replay=each.replay) for each in loaded if each.set_id not in said]
        return find(self.ledger, limits, failed=failed or {}, held=[*plain, *held])[0]


def holding(set_id: str, rows: int = 38, clean: int = 38, verdict: str = "holds", **more: Any) -> Holding:
    """A loaded set of 38 clean rows that holds its day, or as said; seen at the hour that its extraction names."""
    accepted = clean if verdict == "holds" else 0
    observed = datetime.strptime(set_of(set_id).extract_id[:15], "%Y%m%dT%H%M%S")  # noqa: DTZ007 - as TIMESTAMP
    return Holding(set_id, rows, accepted, observed=observed, clean=clean, verdict=verdict, **more)


def turn(key: SetKey, version: str = VERSION, replay: str | None = None) -> Turn:
    """The turn of a set as the audit has it."""
    return Turn(key.set_id(version), replay)
