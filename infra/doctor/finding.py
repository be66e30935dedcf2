"""Knows the three states of a check, and how a check says what it found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """`skip` is no fault: it could not be asked, or need not be, and `found` says why."""

    OK = "ok"
    MEND = "mend"
    SKIP = "skip"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: what was found, and with `mend` the command or the place that mends it."""

    check: str
    state: State
    found: str
    remedy: str = ""


# Begins what is found where a check cannot be asked before another is well; that one's name follows.
NEEDS = "needs "
# Begins what is found where nothing was deployed yet, which is a beginning and no fault of anything.
NOT_DEPLOYED = "not deployed: "


class Stopped(Exception):
    """Ends a check from deep within; `finding` is what it came to."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.found)
        self.finding = finding


# The check's name is put in by who runs the check.
def ok(found: str) -> Finding:
    """All is as it must be."""
    return Finding("", State.OK, found)


def mend(found: str, remedy: str) -> Finding:
    """Something is not as it must be."""
    return Finding("", State.MEND, found, remedy)


def skip(reason: str) -> Finding:
    """It cannot be told, or there is nothing to tell."""
    return Finding("", State.SKIP, reason)


def needs(check: str) -> Finding:
    """It cannot be asked before that check is well."""
    return skip(f"{NEEDS}{check}")
