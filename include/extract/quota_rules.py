"""Whether requests fit into what is left, and what a person is told and can do when they do not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from include.extract.quota_account import LIFE, Account, Limits, QuotaRefused, next_month


@dataclass(frozen=True)
class Wish:
    """Requests that somebody wants: `requests` of `source` for so many `markets`, beside what `own` holders have.

    `override`: a person's reason not to believe the API's last word on what remains.
    """

    source: str
    requests: int
    markets: int
    own: Collection[str] = ()
    override: str | None = None


@dataclass(frozen=True)
class _Left:
    """Requests left of one limit, in words, when there will be more, and what else a person can do about it."""

    requests: int
    words: str
    until: datetime
    remedy: str


def refuse_too_many(account: Account, wish: Wish, limits: Limits, now: datetime) -> None:
    """Raises QuotaRefused when the wish does not fit into the least of budget and API, less the reserve."""
    lefts = [
        left
        for left in (_of_budget(account, wish, limits, now), _of_the_api(account, wish, limits, now))
        if left is not None
    ]
    least = min(lefts, key=lambda left: left.requests, default=None)
    if least is None or wish.requests <= least.requests:
        return
    room = max(0, least.requests)
    raise QuotaRefused(
        f"{wish.requests} requests of {wish.source} are wanted and {room} are left, {wish.requests - room} too few: "
        f"{least.words}. {_what_to_do(wish, room, least)}"
    )


def _of_budget(account: Account, wish: Wish, limits: Limits, now: datetime) -> _Left | None:
    if not limits.budget:
        return None
    words = f"of {limits.budget} budgeted for {now:%Y-%m} (LISTINGS_QUOTA_BUDGET) {account.spent} are spent"
    held, and_held = _held(account, wish, now)
    return _Left(
        limits.budget - account.spent - held - limits.reserve,
        words + and_held + _reserved(limits),
        next_month(now),
        "raise LISTINGS_QUOTA_BUDGET",
    )


def _of_the_api(account: Account, wish: Wish, limits: Limits, now: datetime) -> _Left | None:
    reading = account.reading
    if reading is None or now >= reading.reset_at or wish.override:
        return None
    of_how_many = f" of {reading.limit}" if reading.limit is not None else ""
    words = f"the API said at {_minute(reading.read_at)} that {reading.remaining}{of_how_many} remain"
    if account.unread:
        words += f", {account.unread} were spent since"
    held, and_held = _held(account, wish, now)
    return _Left(
        reading.remaining - account.unread - held - limits.reserve,
        words + and_held + _reserved(limits),
        reading.reset_at,
        'say why in the param "quota_override" of a run if your plan at the API was raised since',
    )


def _held(account: Account, wish: Wish, now: datetime) -> tuple[int, str]:
    """Requests that others hold, and the words that say so."""
    held = account.held(now, but=wish.own)
    requests = sum(each.requests for each in held)
    if not requests:
        return 0, ""
    free = max(each.at for each in held) + LIFE
    return requests, f", {requests} are reserved by tasks not ended yet (free again by {_minute(free)})"


def _reserved(limits: Limits) -> str:
    return f", {limits.reserve} are kept back (LISTINGS_QUOTA_RESERVE)" if limits.reserve else ""


def _what_to_do(wish: Wish, room: int, least: _Left) -> str:
    ways = []
    if wish.markets > 1:
        ways.append("name fewer markets")
        if each := room // wish.markets:
            ways.append(f"lower the page limit to {each}")
    elif room and not wish.own:
        ways.append(f"lower the page limit to {room}")
    ways += [least.remedy, f"or wait until {_minute(least.until)}"]
    return f"No request went out for them; {', '.join(ways)}"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
