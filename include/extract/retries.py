"""How a call of a listing API is repeated: what passes by waiting, how long to wait, when to give up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
import tenacity

from include.base import claims

PASSING_ERRORS = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
LONGEST_BACKOFF = 30.0
# No server asks for more than this with a date; one that seems to has another clock there than in its answer.
LONGEST_WAIT = timedelta(days=1)
# Beyond what any plan has, and any wait.
MOST = 10**12 - 1

Response = requests.Response


def retry_args(
    patience: float,
    is_permanent: Callable[[int, bytes], bool],
    keep: Callable[[Response], object],
    tell: Callable[[str], object] = lambda words: None,
) -> dict[str, Any]:
    """Arguments for `HttpHook.run_with_advanced_retry` on responses whose status it does not check.

    Repeats time-outs, dropped connections, and errors unless `is_permanent(status, body)`; waits as
    Retry-After says, else longer each time; gives up before a wait would exceed `patience` seconds in all,
    and then returns the last response, or raises the last error, for the caller to judge. `keep` is given
    each response that will be repeated, `tell` a line for a person about each wait.
    """

    def passing(response: Response) -> bool:
        return response.status_code >= 400 and not is_permanent(response.status_code, response.content)

    def before_sleep(state: tenacity.RetryCallState) -> None:
        if state.outcome is None or state.next_action is None:
            return
        wait, fault = state.next_action.sleep, state.outcome.exception()
        if fault is None:
            keep(state.outcome.result())
        what = type(fault).__name__ if fault else f"HTTP {state.outcome.result().status_code}"
        tell(
            f"{what}: asking again in {wait:g} s, {patience - (state.seconds_since_start or 0):.0f} s of patience left"
        )

    return {
        "retry": tenacity.retry_if_exception_type(PASSING_ERRORS) | tenacity.retry_if_result(passing),
        "wait": wait_as_told,
        "stop": tenacity.stop_before_delay(patience),
        "before_sleep": before_sleep,
        "retry_error_callback": lambda state: state.outcome.result() if state.outcome else None,
    }


def wait_as_told(state: tenacity.RetryCallState) -> float:
    """Seconds to wait before the next attempt: what the server's Retry-After says, else 1, 2, 4 … 30.

    A Retry-After of nothing, or in the past, is not taken at its word: the calls would follow each other
    without a pause until the patience ends, and each is paid for.
    """
    backoff = min(2.0 ** (state.attempt_number - 1), LONGEST_BACKOFF)
    if state.outcome is None or state.outcome.failed:
        return backoff
    return retry_after(state.outcome.result()) or backoff


def retry_after(response: Response) -> float | None:
    """The Retry-After header in seconds, whether sent as a number or as a date; None without a usable one."""
    text = response.headers.get("Retry-After", "")
    seconds = claims.whole(text, 0, MOST)
    if seconds is not None:
        return float(seconds)
    until = claims.http_date(text)
    if until is None:
        return None
    now = datetime.now(UTC)
    by_its_clock = until - (served_at(response) or now)
    # A proxy may have set the date of the answer, and not that in it.
    wait = by_its_clock if by_its_clock <= LONGEST_WAIT else until - now
    return max(0.0, wait.total_seconds())


def served_at(response: Response) -> datetime | None:
    """When the server says it answered (the Date header), in UTC; None without a usable one."""
    return claims.http_date(response.headers.get("Date", ""))


def quota(response: Response) -> dict[str, int] | None:
    """What the answer's headers say of the key's quota: `limit` and `remaining` requests, `reset` in seconds.

    What is no whole number of at most twelve digits says nothing.
    """
    told = {name: response.headers.get(f"x-ratelimit-requests-{name}") for name in ("limit", "remaining", "reset")}
    found = {name: claims.whole(text, -MOST, MOST) for name, text in told.items()}
    return {name: number for name, number in found.items() if number is not None} or None
