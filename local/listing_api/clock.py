"""The simulated clock: real time until somebody sets it, then ticking on from what was set, over restarts."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from local.listing_api.state_file import BadState, read_state, write_state


class Clock:
    """Tells the time that the API pretends it is; `shift` is what is added to real time."""

    def __init__(self, state: Path) -> None:
        self._path = state / "clock.json"
        shift = read_state(self._path).get("shift_seconds", 0.0)
        if not isinstance(shift, int | float):
            raise BadState(f"{self._path}: expected shift_seconds to be a number. Delete it to start anew.")
        self._shift = timedelta(seconds=shift)

    def now(self) -> datetime:
        """The simulated time, UTC."""
        return datetime.fromtimestamp(time.time(), UTC) + self._shift

    @property
    def is_set(self) -> bool:
        """Whether the clock tells another time than the real one."""
        return self._shift != timedelta(0)

    def unset(self) -> None:
        """Goes back to real time."""
        self.set(None)

    def set(self, now: datetime | None) -> None:
        """Makes it `now` (an aware time), or real time again for None; kept over restarts."""
        self._shift = timedelta(0) if now is None else now - datetime.fromtimestamp(time.time(), UTC)
        write_state(self._path, {"shift_seconds": self._shift.total_seconds()})


def parse_moment(text: object) -> datetime:
    """The time that "2026-11-20T06:00:00Z" names. Raises ValueError saying what was expected and what came."""
    expected = f'Expected "now" as an ISO time with a time zone, such as "2026-11-20T06:00:00Z", got {text!r}.'
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not 2000 <= moment.year < 2200:
        raise ValueError(expected)
    return moment.astimezone(UTC)
