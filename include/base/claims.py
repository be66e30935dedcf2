"""Reads the numbers and dates that come beside listings: claims, quota headers, times of an answer.

An API may send them as text, or far beyond what is meant; a proxy may send a clock that stands still. None of that
may cost a listing: what cannot be true says nothing, also when a manifest or marker of an earlier version is read.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

# What an INTEGER column holds; nobody has two thousand million pages or listings.
LARGEST = 2**31 - 1
# A server's clock may be off by its time zone, not by more.
FURTHEST = timedelta(days=1)
NEVER_SET, NEVER_COMES = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_WHOLE = re.compile(r"-?[0-9]{1,15}(\.0*)?")


def count(value: Any) -> int | None:
    """How many pages or listings `value` claims: 0 to LARGEST, also as text or as a float; None for anything else."""
    return whole(value, 0, LARGEST)


def whole(value: Any, least: int, most: int) -> int | None:
    """The whole number that `value` is, in digits or not, when it lies in these bounds; else None."""
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        value = float(value)  # exact below 2**53
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        return None
    return int(value) if value == int(value) else None


def http_date(text: str) -> datetime | None:
    """An HTTP date in UTC, which is also meant where no zone is named; None for any other text."""
    try:
        found = parsedate_to_datetime(text)
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def believed(moment: datetime | None, received: datetime, *, is_overridden: bool) -> datetime | None:
    """The moment when it lies within a day of `received`; else None: the clock that showed it was wrong.

    Where a person gave a reason for another date than today, the API's clock may show another one too: the local API is
    told to. It is believed then, but not before 2000, where clocks stand that were never set, nor beyond 2100.
    """
    if moment is None:
        return None
    was_set = is_overridden and NEVER_SET <= moment <= NEVER_COMES
    return moment if was_set or abs(moment - received) <= FURTHEST else None
