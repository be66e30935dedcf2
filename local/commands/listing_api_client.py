"""Steers the local listing API: its clock, its faults, and what was asked of it."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class ListingApi:
    """The controls of the listing API on a loopback port."""

    port: int

    def set_clock(self, now: datetime | None) -> None:
        """Sets the market's clock, which goes on ticking; None for the real time."""
        self._call("PUT", "clock", {"now": now.isoformat() if now else None})

    def set_faults(self, faults: Sequence[dict[str, Any]]) -> None:
        """Replaces the scripted faults; `listing_api/faults.py` says what one may be."""
        self._call("PUT", "faults", list(faults))

    def add_faults(self, faults: Sequence[dict[str, Any]]) -> None:
        """Adds scripted faults to those that are there."""
        self._call("POST", "faults", list(faults))

    def set_quota(self, limit: int) -> None:
        """Sets how many requests each key may make a month, those made already included."""
        self._call("PUT", "quota", {"limit": limit})

    def requests(self) -> Any:
        """What was asked so far: counts and the last requests."""
        return self._call("GET", "requests?last=1000")

    def asked(self) -> int:
        """How many requests were made of it since it started."""
        return int(self._call("GET", "requests?last=0")["total"])

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/_control/{path}",
            json.dumps(body).encode() if body is not None else None,
            {"Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise ConnectionError(f"the listing API on port {self.port} did not answer: {error}") from error
