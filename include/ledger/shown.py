"""What the Listings page is told of the clean bucket."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Ready:
    """The newest ready marker of a set; `replay` is empty for one that came by itself."""

    replay: str
    put_at: datetime


@dataclass(frozen=True)
class Reported:
    """What the report of a date says of itself."""

    generated_at: datetime
    run_id: str
    partitions: frozenset[str]
