"""What no waiting cures: the root of all that is refused until a person changes something."""

from __future__ import annotations

from collections.abc import Collection


class Refused(ValueError):
    """Refused for good: a task that raises it fails at once, however often it may be tried (`DEFAULT_ARGS`)."""


class PlanRefused(Refused):
    """The run's params cannot be extracted; the message says what was expected, what came, what to do."""


def refuse_unknown(given: Collection[str], known: Collection[str]) -> None:
    """Raises PlanRefused for a param that there is none of: ignored, it would spend requests on the defaults."""
    if strange := sorted(set(given) - set(known)):
        raise PlanRefused(f"unknown in the run's conf: {', '.join(strange)}; known are {', '.join(sorted(known))}")
