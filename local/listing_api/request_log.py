"""Which requests came: counts for as long as the process runs, and the last ones in full. Never a key."""

from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any

_KEPT = 5000


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it was answered; status 0 means that the connection was cut.

    `market` is a slug. `search` is sale, rent or sold, empty where the request was refused before it was understood.
    """

    at: str
    family: str
    market: str
    location: str
    search: str
    page: int
    status: int
    fault: bool


class RequestLog:
    """Counts requests by family, market, page and status."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forgets all requests."""
        self._last: deque[Request] = deque(maxlen=_KEPT)
        self._counts = {name: Counter[str]() for name in ("by_family", "by_market", "by_page", "by_status")}

    def add(self, request: Request) -> None:
        """Counts a request."""
        self._last.append(request)
        self._counts["by_family"][request.family] += 1
        self._counts["by_market"][request.market] += 1
        self._counts["by_page"][f"{request.family}/{request.market}/{request.page}"] += 1
        self._counts["by_status"][str(request.status)] += 1

    def report(self, last: int) -> dict[str, Any]:
        """Totals and the last requests, oldest first, as JSON."""
        recent = list(self._last)[-last:] if last else []
        total = self._counts["by_status"].total()
        return {"total": total, **self._counts, "log": [asdict(request) for request in recent]}
