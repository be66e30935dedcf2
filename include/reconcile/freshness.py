"""Which partitions should be in the warehouse by now and are not: a run that never started raises no other alarm."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from datetime import date as Date


@dataclass(frozen=True)
class Expectation:
    """What should come: a partition for each market (`source/market`) and date (UTC), from `start` on.

    It is due `within` after its date begins, that of the very first date `within` after `start`. An API serves a
    date until `tolerance` after its end.
    """

    markets: tuple[str, ...]
    start: datetime
    within: timedelta
    tolerance: timedelta

    def late(
        self, *, since: Date, now: datetime, loaded: Collection[str], landed: Collection[str]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The partitions overdue at `now`, oldest first, and those lost: never landed, and no API serves their date."""
        overdue: list[str] = []
        lost: list[str] = []
        for date in self._dates(since, now):
            for market in self.markets:
                partition = f"{market}|{date}"
                if partition in loaded:
                    continue
                is_lost = partition not in landed and self.is_past(date, now)
                (lost if is_lost else overdue).append(partition)
        return tuple(overdue), tuple(lost)

    def is_past(self, date: Date, now: datetime) -> bool:
        """Whether what an API serves now can no longer stand for that date."""
        return now >= _begin(date) + timedelta(days=1) + self.tolerance

    def _dates(self, since: Date, now: datetime) -> Iterable[Date]:
        """The dates that are due."""
        first = max(since, self.start.astimezone(UTC).date())
        for day in range((now.astimezone(UTC).date() - first).days + 1):
            date = first + timedelta(days=day)
            if max(_begin(date), self.start) + self.within <= now:
                yield date


def _begin(date: Date) -> datetime:
    return datetime.combine(date, time(), UTC)
