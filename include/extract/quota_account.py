"""How many requests of an API family may still go out: what is budgeted, what the API said, what others hold.

An `Account` is what the ledger says after its newest entry (the entries themselves: `quota_ledger.py`). A run
*reserves* what its markets may spend at most; each market's task *settles* what it did spend. What is reserved
and not settled counts in full, since nobody but its task knows how much of it went out: a plan may so be
refused a little early, never let through too late.

A task that was killed settles nothing. Its reservation counts for six hours (`LIFE`): longer than a market may
take and wait for its turn, short enough that a run which never started does not block the month. A task that
begins so late that its reservation might run out under it reserves anew. What a killed task had spent comes out
later: by the pages it landed when the task is cleared, else by the next header.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from include.base.refusals import PlanRefused

LIFE = timedelta(hours=6)
# Then Airflow ends a market's task: twenty pages, each with all the patience that a call may have, are done before.
LONGEST_TASK = timedelta(hours=2)
# By then a cleared task is refused for its date, and nobody asks for its reservation any more.
FORGOTTEN_AFTER = timedelta(hours=60)
LONGEST_RESET = timedelta(days=32).total_seconds()


class QuotaRefused(PlanRefused):
    """The requests do not fit; the message says how many were wanted, how many are left, of what, what to do."""


@dataclass(frozen=True)
class Limits:
    """The settings: requests a month (0: no budget of our own) and requests that are kept back."""

    budget: int
    reserve: int


@dataclass(frozen=True)
class Reading:
    """What an answer's headers said at `read_at`: `remaining` of `limit` requests until `reset_at`."""

    remaining: int
    limit: int | None
    reset_at: datetime
    read_at: datetime

    @classmethod
    def of(cls, headers: Mapping[str, int] | None, read_at: datetime) -> Self | None:
        """The reading of what `api_calls.quota` found; None where it does not say what remains.

        Without a reset, or with one that no month ends in (a point in time instead of seconds, say), it is taken
        to hold until the month ends.
        """
        if not headers or "remaining" not in headers:
            return None
        seconds = headers.get("reset", -1)
        reset_at = read_at + timedelta(seconds=seconds) if 0 <= seconds <= LONGEST_RESET else next_month(read_at)
        return cls(headers["remaining"], headers.get("limit"), reset_at, read_at)


@dataclass(frozen=True)
class Reservation:
    """Requests that one market of one extraction may spend; `landed` pages were there when it was made."""

    requests: int
    at: datetime
    landed: int = 0

    def is_live(self, now: datetime) -> bool:
        """Whether it counts: its task may still be spending it."""
        return now < self.at + LIFE

    def outlives_a_task(self, now: datetime) -> bool:
        """Whether it counts for as long as a task that begins now may run."""
        return self.is_live(now + LONGEST_TASK)


@dataclass(frozen=True)
class Account:
    """The state of one family's quota.

    `spent`: requests settled this month. `unread`: of those settled, the ones that the newest reading may not
    have seen, the last of them at `unread_at`. `reserved` is by `holder`, `planned` says when a run was planned.
    """

    spent: int = 0
    unread: int = 0
    unread_at: datetime | None = None
    reading: Reading | None = None
    reserved: Mapping[str, Reservation] = field(default_factory=dict)
    planned: Mapping[str, datetime] = field(default_factory=dict)

    def believing_no_header(self) -> Account:
        """The account without what the API said, until an answer says it anew."""
        return replace(self, reading=None)

    def reserve(self, extract_id: str, requests: Mapping[str, int], landed: int, now: datetime) -> Account:
        """The account with so many requests per market reserved, in place of what the same markets had reserved."""
        made = {holder(extract_id, market): Reservation(number, now, landed) for market, number in requests.items()}
        fresh = self._forgetting(now)
        return replace(fresh, reserved={**fresh.reserved, **made}, planned={**fresh.planned, extract_id: now})

    def settle(self, held_by: str, spent: int, unread: int, reading: Reading | None, now: datetime) -> Account:
        """The account with a market's requests spent and its reservation gone; `unread` came after `reading`."""
        newest, before = self.reading, self.unread
        if reading and (newest is None or newest.read_at < reading.read_at):
            newest = reading
            before = before if self.unread_at and self.unread_at > reading.read_at else 0
        fresh = self._forgetting(now)
        return replace(
            fresh,
            spent=self.spent + spent,
            unread=before + unread,
            unread_at=now if unread else self.unread_at,
            reading=newest,
            reserved={name: each for name, each in fresh.reserved.items() if name != held_by},
        )

    def in_a_new_month(self) -> Account:
        """The account as the next month begins: what is reserved and what the API said go on."""
        return replace(self, spent=0)

    def held(self, now: datetime, but: Collection[str] = ()) -> list[Reservation]:
        """The reservations that count now, without those of the holders in `but`."""
        return [each for name, each in self.reserved.items() if name not in but and each.is_live(now)]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain: dict[str, Any] = _with_times_as_text(asdict(self))
        return plain

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The account back from `to_dict`; KeyError, TypeError or ValueError for anything else."""
        reading, unread_at = values["reading"], values["unread_at"]
        return cls(
            spent=int(values["spent"]),
            unread=int(values["unread"]),
            unread_at=datetime.fromisoformat(unread_at) if unread_at else None,
            reading=Reading(**_with_times(reading, "reset_at", "read_at")) if reading else None,
            reserved={name: Reservation(**_with_times(each, "at")) for name, each in values["reserved"].items()},
            planned={name: datetime.fromisoformat(at) for name, at in values["planned"].items()},
        )

    def _forgetting(self, now: datetime) -> Account:
        since = now - FORGOTTEN_AFTER
        return replace(
            self,
            reserved={name: each for name, each in self.reserved.items() if each.at > since},
            planned={name: at for name, at in self.planned.items() if at > since},
        )


def holder(extract_id: str, market: str) -> str:
    """Who holds a reservation: one market of one extraction."""
    return f"{extract_id}/{market}"


def next_month(moment: datetime) -> datetime:
    """When the calendar month of `moment` ends, in UTC."""
    day = moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (day + timedelta(days=32)).replace(day=1)


def _with_times(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {**values, **{name: datetime.fromisoformat(values[name]) for name in names}}


def _with_times_as_text(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _with_times_as_text(each) for name, each in value.items()}
    return value.isoformat() if isinstance(value, datetime) else value
