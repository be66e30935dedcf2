"""What no waiting cures: the root of all that is refused until a person changes something."""

from __future__ import annotations


class Refused(ValueError):
    """Refused for good: a task that raises it fails at once, however often it may be tried (`DEFAULT_ARGS`)."""
