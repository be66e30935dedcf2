"""The quota ledger in the landing bucket: numbered entries, each put once, each with the account after it.

An entry is a reservation (made by the plan, or by a task that lacks one) or a settlement (made by a task when
it ends). It is put under the next free number with `If-None-Match: *`: who comes second reads again and judges
anew, so that two runs can never both take the last requests. As on a bank statement each entry carries the
balance: a reader lists one month and reads one entry, however many there are, and from then on only what is new.

Whoever writes a month's first entry closes the month before by an entry of its own: clocks differ, and what one of them
reserved in the old month after the new one took over its balance would be forgotten.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from include.base.json_objects import QUOTA_ENTRY, read_object
from include.base.keys import quota_key, quota_number, quota_prefix
from include.base.objects import Bucket
from include.base.receipts import ExtractRequest
from include.base.settings import resources, tuning
from include.extract.quota_account import Account, Limits, Reading, Reservation, holder, next_month
from include.extract.quota_rules import Wish, refuse_too_many

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
else:
    S3Client = Any

T = TypeVar("T")
TRIES = 60
LONGEST_PAUSE = 0.5
# So long after a month's turn somebody's clock may stand before it.
CLOCKS_DIFFER = timedelta(days=1)
CLOSING = "closing"

Entry = tuple[dict[str, Any], Account]


class LedgerBusy(RuntimeError):
    """Others wrote each time; the message says how often it was tried."""


@dataclass(frozen=True)
class _Last:
    """The newest entry of a month: its number, the account after it, and whether it closes the month."""

    number: int = 0
    account: Account | None = None
    is_closed: bool = False


_NOTHING = _Last()


class QuotaLedger:
    """The ledger of one family's quota."""

    def __init__(
        self,
        client: S3Client,
        bucket: str,
        source: str,
        limits: Limits,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._bucket, self.source = Bucket(client, bucket), source
        self._limits, self.clock = limits, clock
        # By month: the newest entry seen, which never changes.
        self._known: dict[str, _Last] = {}

    @classmethod
    def of(cls, client: S3Client, source: str) -> QuotaLedger:
        """The ledger of the deployed stack, under the limits in the settings."""
        return cls(client, resources().landing_bucket, source, Limits(tuning().quota_budget, tuning().quota_reserve))

    def plan(self, extract_id: str, requests: Mapping[str, int], override: str | None = None) -> None:
        """Reserves what a run may spend per market, unless the run was planned before. Raises QuotaRefused."""
        self._reserve(extract_id, requests, 0, override, once=True)

    def reserve(self, extract_id: str, market: str, requests: int, landed: int, override: str | None = None) -> None:
        """Reserves for one market, in place of what it had reserved. Raises QuotaRefused."""
        self._reserve(extract_id, {market: requests}, landed, override, once=False)

    def reservation(self, extract_id: str, market: str) -> Reservation | None:
        """What a market has reserved and not settled, be it live or not."""
        return self.account().reserved.get(holder(extract_id, market))

    def settle(self, extract_id: str, market: str, spent: int, unread: int, reading: Reading | None) -> None:
        """Counts what a market spent, of which `unread` requests came after `reading`, and gives back the rest."""
        held_by = holder(extract_id, market)

        def settled(account: Account, now: datetime) -> Entry | None:
            if not spent and held_by not in account.reserved:
                return None
            entry = {"kind": "settlement", "extract_id": extract_id, "market": market, "spent": spent, "unread": unread}
            return entry, account.settle(held_by, spent, unread, reading, now)

        self._append(settled)

    def account(self) -> Account:
        """The account as it stands."""
        return self._newest(self.clock())[2]

    def _reserve(
        self, extract_id: str, requests: Mapping[str, int], landed: int, override: str | None, *, once: bool
    ) -> None:
        wish = Wish(
            self.source,
            sum(requests.values()),
            len(requests),
            own=() if once else [holder(extract_id, market) for market in requests],
            override=override,
        )

        def reserved(account: Account, now: datetime) -> Entry | None:
            if once and extract_id in account.planned:
                return None
            refuse_too_many(account, wish, self._limits, now)
            entry = {"kind": "reservation", "extract_id": extract_id, "markets": dict(requests), "override": override}
            # Dropped for good: a request that is repeated, or a task that is cleared, has no reason to give.
            believed = account.believing_no_header() if override else account
            return entry, believed.reserve(extract_id, requests, landed, now)

        self._append(reserved)

    def _append(self, make: Callable[[Account, datetime], Entry | None]) -> None:
        """Puts the entry that `make` gives for the account as it stands, if any; anew when others were faster."""
        identity = uuid4().hex
        for attempt in range(TRIES):
            now = self.clock()
            month, number, account = self._newest(now)
            made = make(account, now)
            if made is None:
                return
            entry, after = made
            if not number and self._close(_before(month), now):
                continue
            key = quota_key(self.source, f"{month:%Y-%m}", number + 1)
            body = {"id": identity, "at": now.isoformat(), **entry, "account": after.to_dict()}
            if self._put_once(key, body) or self._is_there(key, identity):
                return
            time.sleep(min(0.01 * attempt, LONGEST_PAUSE))
        raise LedgerBusy(
            f"the quota ledger {quota_prefix(self.source, f'{self.clock():%Y-%m}')} in {self._bucket.name} could not "
            f"be written in {TRIES} tries, others were faster each time: clear the task"
        )

    def _newest(self, now: datetime) -> tuple[datetime, int, Account]:
        """The month, the number of its newest entry, 0 when there is none yet, and the account after it.

        The month is that of `now`, or the next where somebody's clock has closed this one.
        """
        month = _month(now)
        last = self._last_of(month)
        if last.is_closed:
            month, before = next_month(month), last
            last = self._last_of(month)
        elif last.account is None:
            before = self._last_of(_before(month))
        if last.account is not None:
            return month, last.number, last.account
        return month, 0, before.account.in_a_new_month() if before.account else Account()

    def _close(self, month: datetime, now: datetime) -> bool:
        """Closes a month into which somebody may still write; whether there was one to close, and it is to be read."""
        last = self._last_of(month)
        if last.is_closed or now > next_month(month) + CLOCKS_DIFFER:
            return False
        account = last.account or Account()
        body = {"id": uuid4().hex, "at": now.isoformat(), "kind": CLOSING, "account": account.to_dict()}
        self._put_once(quota_key(self.source, f"{month:%Y-%m}", last.number + 1), body)
        return True

    def _last_of(self, of: datetime) -> _Last:
        month = f"{of:%Y-%m}"
        known = self._known.get(month, _NOTHING)
        listed = self._bucket.listed(quota_prefix(self.source, month), quota_key(self.source, month, known.number))
        if (newest := max((quota_number(key) or 0 for key, _ in listed), default=0)) > known.number:
            key = quota_key(self.source, month, newest)
            known = self._entry(
                key,
                self._bucket.read(key),
                lambda entry: _Last(newest, Account.from_dict(entry["account"]), entry.get("kind") == CLOSING),
            )
            self._known[month] = known
        return known

    def _entry(self, key: str, body: bytes, make: Callable[[dict[str, Any]], T]) -> T:
        return read_object(body, self._bucket.uri(key), QUOTA_ENTRY, make)

    def _is_there(self, key: str, identity: str) -> bool:
        """Whether the entry that was in the way is our own, put by a request whose answer was lost."""
        body = self._bucket.get(key)
        return body is not None and self._entry(key, body, lambda entry: bool(entry.get("id") == identity))

    def _put_once(self, key: str, body: Mapping[str, Any]) -> bool:
        """Puts an entry unless one is there; whether it was put."""
        return self._bucket.put_once(key, json.dumps(body, indent=1).encode())


def reserve_plan(client: S3Client, requests: Sequence[ExtractRequest], override: str | None = None) -> None:
    """Reserves what the requests of one run may spend, a page being a request. Raises QuotaRefused."""
    for source in {request.source for request in requests}:
        wanted = [request for request in requests if request.source == source]
        QuotaLedger.of(client, source).plan(
            wanted[0].extract_id, {request.market: request.page_limit for request in wanted}, override or None
        )


def _month(moment: datetime) -> datetime:
    """When the calendar month of `moment` began, in UTC."""
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _before(month: datetime) -> datetime:
    return _month(month - timedelta(days=1))
