"""How long something is waited for: counted from the last progress, and longer on a machine that is busy."""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")

# What a part raises that does not answer at this moment, be it busy or on its way back.
SILENCE: tuple[type[Exception], ...] = (OSError, http.client.HTTPException)
# Where so many processes wait for each processor, nobody waits longer still.
MOST_CROWDED = 5.0


def crowding() -> float:
    """How many processes there are for each processor, from 1 to MOST_CROWDED: so much longer does a step take."""
    return min(MOST_CROWDED, max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))


class Patience:
    """Ends when nothing has moved for `seconds`, which are those of a machine with nothing else to do."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: object = None
        self._since = time.monotonic()

    @property
    def waited(self) -> float:
        """Seconds since the last progress."""
        return time.monotonic() - self._since

    def is_over(self, seen: object = None) -> bool:
        """Whether it is: `seen` is how things stand, and progress is when that differs from the last time."""
        if seen != self._seen:
            self._seen, self._since = seen, time.monotonic()
        return self.waited > self._seconds * crowding()


def asked_again(
    question: Callable[[], Answer], seconds: float, silence: tuple[type[Exception], ...] = SILENCE
) -> Answer:
    """What `question` gives, which is put again while it raises `silence`; what it raised last when patience is over.

    So it must be one that may be put twice.
    """
    waiting = Patience(seconds)
    while True:
        try:
            return question()
        except silence:
            if waiting.is_over():
                raise
            time.sleep(1)
