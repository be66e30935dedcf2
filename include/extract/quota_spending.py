"""What one task spends of the quota: no request goes out that is not reserved, and all are settled at the end."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Self

import requests

from include.extract import retries
from include.extract.quota_account import Reading
from include.extract.quota_ledger import QuotaLedger

log = logging.getLogger(__name__)


class Spending:
    """The requests of one market of one extraction, in one try of its task. Settles when it is left, also by a fault.

    `landed` is how many pages earlier tries have landed. `quota` is what the newest answer's headers said.
    """

    def __init__(self, ledger: QuotaLedger, extract_id: str, market: str, landed: int) -> None:
        self._ledger, self._extract_id, self._market = ledger, extract_id, market
        self._landed = landed
        self._allowed = self._spent = self._unread = 0
        self._reading: Reading | None = None
        self.quota: dict[str, int] | None = None

    def __enter__(self) -> Self:
        """Takes over what an earlier try left: each page it landed and did not settle was a request.

        A reservation that may run out while this try spends it is not taken over: nothing is allowed then, so that
        `reserve` makes a new one.
        """
        if found := self._ledger.reservation(self._extract_id, self._market):
            self._spent = self._unread = max(0, self._landed - found.landed)
            self._allowed = found.requests if found.outlives_a_task(self._ledger.clock()) else 0
            self._landed = found.landed
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._settle()
        except Exception:
            if error is None:
                raise
            # The fault under way is the news; the reservation runs out by itself.
            log.exception("What %s spent could not be settled", self._market)

    def reserve(self, requests: int) -> None:
        """Makes sure that so many requests may go out. Raises QuotaRefused, and then none has."""
        if self._allowed - self._spent >= requests:
            return
        landed = self._landed + self._spent
        if self._spent:
            self._settle()  # else the new one takes the old one's place in one entry, and nobody comes between
        self._ledger.reserve(self._extract_id, self._market, requests, landed)
        self._allowed, self._landed = requests, landed

    def permit(self) -> None:
        """Counts a request that is about to go out; one that was repeated may have to be reserved first."""
        if self._spent >= self._allowed:
            self._ledger.reserve(self._extract_id, self._market, self._spent + 1, self._landed)
            self._allowed = self._spent + 1
        self._spent += 1
        self._unread += 1

    def answered(self, response: requests.Response) -> None:
        """Takes down what an answer's headers say of the quota."""
        found = retries.quota(response)
        self.quota = found or self.quota
        if reading := Reading.of(found, self._ledger.clock()):
            self._reading, self._unread = reading, 0

    def _settle(self) -> None:
        self._ledger.settle(self._extract_id, self._market, self._spent, self._unread, self._reading)
        self._allowed = self._spent = self._unread = 0
