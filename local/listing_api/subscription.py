"""What a key may do: its monthly quota, kept over restarts, and its requests per second."""

import hashlib
import time
from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from local.listing_api.state_file import BadState, read_state, write_state


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not let through: status, the API's words and headers."""

    status: int
    message: str
    headers: dict[str, str]


_NO_KEY = Refusal(401, "Invalid API key. Go to https://docs.example.com/keys for more info.", {})
_UNKNOWN_KEY = Refusal(403, "You are not subscribed to this API.", {})


class Subscriptions:
    """The keys and what they have used. Months are those of the simulated clock, seconds are real ones."""

    def __init__(self, keys: list[str], state: Path, quota: int, rate: int) -> None:
        self._path = state / "quota.json"
        self._keys, self.quota, self.rate = frozenset(keys), quota, rate
        self._used: dict[str, int] = read_state(self._path)
        if not all(isinstance(used, int) for used in self._used.values()):
            raise BadState(f"{self._path}: expected whole numbers. Delete it to start anew.")
        self._recent: defaultdict[str, deque[float]] = defaultdict(deque)

    def admit(self, key: str | None, now: datetime) -> Refusal | None:
        """Lets one request of a key through and counts it, or says why not; a refused one costs nothing."""
        if not key:
            return _NO_KEY
        if key not in self._keys:
            return _UNKNOWN_KEY
        refusal = self._too_many_this_month(key, now) or self._too_fast(key)
        if refusal is None:
            self._count(key, now)
        return refusal

    def headers(self, key: str | None, now: datetime) -> dict[str, str]:
        """The quota headers for a key that is known, else none."""
        if key not in self._keys or key is None:
            return {}
        return {
            "x-ratelimit-requests-limit": str(self.quota),
            "x-ratelimit-requests-remaining": str(max(0, self.quota - self.used(key, now))),
            "x-ratelimit-requests-reset": str(_seconds_to_next_month(now)),
        }

    def used(self, key: str, now: datetime) -> int:
        """Requests that a key has spent in the month of `now`."""
        return self._used.get(_account(key, now), 0)

    def forget(self) -> None:
        """Gives every key its whole quota back."""
        self._used.clear()
        self._recent.clear()
        write_state(self._path, {})

    def _too_many_this_month(self, key: str, now: datetime) -> Refusal | None:
        if self.used(key, now) < self.quota:
            return None
        message = (
            "You have exceeded the MONTHLY quota for Requests on your current plan, BASIC. "
            "Upgrade your plan at https://docs.example.com/pricing"
        )
        return Refusal(429, message, {})

    def _too_fast(self, key: str) -> Refusal | None:
        recent, now = self._recent[key], time.monotonic()
        while recent and recent[0] <= now - 1:
            recent.popleft()
        if self.rate and len(recent) >= self.rate:
            message = "You have exceeded the rate limit per second for your plan, PRO, by the API provider"
            return Refusal(429, message, {"Retry-After": "1"})
        recent.append(now)
        return None

    def _count(self, key: str, now: datetime) -> None:
        account = _account(key, now)
        self._used[account] = self._used.get(account, 0) + 1
        write_state(self._path, self._used)


def _account(key: str, now: datetime) -> str:
    """A month and a key's fingerprint: the state file is not a place for keys."""
    return f"{now:%Y-%m} {hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _seconds_to_next_month(now: datetime) -> int:
    year, month = (now.year + 1, 1) if now.month == 12 else (now.year, now.month + 1)
    return int((datetime(year, month, 1, tzinfo=UTC) - now).total_seconds())
