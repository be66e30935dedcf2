"""How a call is repeated, over real sockets: what passes by waiting, what never does, and when to give up."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests
import tenacity
from hypothesis import example, given
from hypothesis import strategies as st

from include.contract.families import load_source
from include.extract import retries
from tests.support.loopback import Answer, ScriptedServer

TOO_MANY = Answer(429, b'{"message": "Too many requests"}')
MONTHLY = Answer(429, b'{"message": "You have exceeded the MONTHLY quota for Requests on your current plan, BASIC."}')
PAGE = Answer(200, b'{"results": []}')


class Call:
    """One call as the HTTP hook makes it, with what was kept and how long it would have waited."""

    def __init__(self, patience: float = 120.0, *, really_wait: bool = False) -> None:
        self.kept: list[int] = []
        self.waits: list[float] = []
        sleep: Callable[[float], None] = time.sleep if really_wait else self.waits.append
        is_permanent = load_source("zillow56").is_permanent
        arguments = retries.retry_args(patience, is_permanent, lambda each: self.kept.append(each.status_code))
        self._retrying = tenacity.Retrying(sleep=sleep, **arguments)

    def __call__(self, url: str, timeout: float = 5.0) -> requests.Response:
        answer = self._retrying(requests.get, url, timeout=timeout)
        assert isinstance(answer, requests.Response)
        return answer


def response(**headers: str) -> requests.Response:
    """A response with these headers, dashes written as underscores."""
    made = requests.Response()
    made.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return made


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_what_passes_by_waiting_is_asked_again(status: int) -> None:
    """5xx, and the 4xx that waiting cures, are repeated until the page comes, and every answer before it is kept."""
    call = Call()
    with ScriptedServer([Answer(status), Answer(status), PAGE]) as server:
        assert 200 == call(server.url).status_code

    assert (3, [status, status]) == (len(server.asked), call.kept)


@pytest.mark.parametrize("status", [200, 204, 304, 400, 401, 403, 404])
def test_any_other_answer_is_taken_as_it_is(status: int) -> None:
    """A page, and whatever waiting does not cure, is asked for once."""
    call = Call()
    with ScriptedServer([Answer(status, b"")]) as server:
        assert status == call(server.url).status_code

    assert (1, [], []) == (len(server.asked), call.kept, call.waits)


def test_a_monthly_quota_is_not_waited_for() -> None:
    """A 429 whose words say that the month's quota is gone is returned at once, for the caller to refuse."""
    call = Call()
    with ScriptedServer([MONTHLY, PAGE]) as server:
        assert MONTHLY.body == call(server.url).content

    assert (1, []) == (len(server.asked), call.waits)


@pytest.mark.parametrize(
    "fault", [Answer(200, PAGE.body, cut=True), Answer(200, PAGE.body, delay=0.5)], ids=["cut off", "too slow"]
)
def test_a_connection_that_breaks_is_tried_again(fault: Answer) -> None:
    """A body cut off in the middle and an answer that takes too long are repeated; half a page is never a page."""
    call = Call()
    with ScriptedServer([fault, PAGE]) as server:
        assert PAGE.body == call(server.url, timeout=0.2).content

    assert (2, [1.0], []) == (len(server.asked), call.waits, call.kept)


def test_a_server_that_is_gone_raises_the_last_error() -> None:
    """Where nothing listens the call ends, after its patience, with the connection's own error."""
    with ScriptedServer([PAGE]) as server:
        pass
    call = Call(patience=0.5)

    with pytest.raises(requests.ConnectionError):
        call(server.url)
    assert [] == call.waits


def test_waits_grow_and_stay_bounded() -> None:
    """Without Retry-After the waits are 1, 2, 4, 8, 16, 30, 30 seconds."""
    call = Call()
    with ScriptedServer([Answer(500)] * 7 + [PAGE]) as server:
        call(server.url)

    assert [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] == call.waits


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": " 7 "}, 7.0),
        ({"Retry-After": "Sun, 22 Nov 2026 06:00:40 GMT", "Date": "Sun, 22 Nov 2026 06:00:05 GMT"}, 35.0),
        ({"Retry-After": "Sun, 22 Nov 2026 06:00:40 -0000", "Date": "Sun, 22 Nov 2026 06:00:05 GMT"}, 35.0),
        ({"Retry-After": "Sun, 22 Nov 2026 07:00:40 +0100", "Date": "Sun, 22 Nov 2026 06:00:05 GMT"}, 35.0),
        ({"Retry-After": "0"}, 1.0),
        ({"Retry-After": "Sun, 22 Nov 2026 05:00:00 GMT", "Date": "Sun, 22 Nov 2026 06:00:05 GMT"}, 1.0),
        ({"Retry-After": "soon"}, 1.0),
        ({"Retry-After": "-5"}, 1.0),
        ({"Retry-After": "\xb2"}, 1.0),
        ({"Retry-After": ""}, 1.0),
    ],
)
def test_the_server_says_how_long_to_wait(headers: dict[str, str], seconds: float) -> None:
    """Retry-After counts as a number and as a date by the server's clock; without a usable one the back-off does."""
    call = Call()
    with ScriptedServer([Answer(429, TOO_MANY.body, headers), PAGE]) as server:
        assert 200 == call(server.url).status_code

    assert [seconds] == call.waits


def test_a_date_that_a_proxy_set_is_not_counted_from() -> None:
    """Where the answer is dated 1970, the date to come back at counts from our clock: half a minute, not 56 years."""
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    wait = retries.retry_after(response(Date="Thu, 01 Jan 1970 00:00:00 GMT", Retry_After=soon))

    assert wait is not None
    assert 27 < wait <= 30


def test_retry_after_is_really_waited_for() -> None:
    """The second request comes no earlier than the server asked."""
    with ScriptedServer([Answer(429, TOO_MANY.body, {"Retry-After": "1"}), PAGE]) as server:
        Call(really_wait=True)(server.url)

    first, second = server.asked_at
    assert 1.0 <= second - first < 2.0


def test_a_wait_beyond_the_patience_is_not_begun() -> None:
    """Asked to wait an hour with two minutes of patience, the call gives the answer back at once."""
    call = Call(patience=120)
    with ScriptedServer([Answer(429, TOO_MANY.body, {"Retry-After": "3600"}), PAGE]) as server:
        assert TOO_MANY.body == call(server.url).content

    assert (1, [], []) == (len(server.asked), call.waits, call.kept)


def test_patience_is_for_all_waits_together() -> None:
    """With 2.5 seconds in all, one second is waited and the two that would follow are not."""
    call = Call(patience=2.5, really_wait=True)
    with ScriptedServer([Answer(503)]) as server:
        before = time.monotonic()
        assert 503 == call(server.url).status_code

    assert (2, [503]) == (len(server.asked), call.kept)
    assert 1.0 <= time.monotonic() - before < 2.5


def test_the_time_of_an_answer_is_its_date_in_utc() -> None:
    """served_at is the Date header in UTC, whatever zone it names."""
    moments = [
        retries.served_at(response(Date=text))
        for text in (
            "Sun, 22 Nov 2026 06:00:05 GMT",
            "Sun, 22 Nov 2026 07:00:05 +0100",
            "Sun, 22 Nov 2026 06:00:05 -0000",
        )
    ]

    assert ["2026-11-22T06:00:05+00:00"] * 3 == [moment.isoformat() for moment in moments if moment]


@given(st.text(st.characters(max_codepoint=255), max_size=40) | st.from_regex(r"\w+, \d+ \w+ \d+ \d+:\d+ .?\d+"))
@example("\xb2")
@example("Sun, 22 Nov 2026 06:00:05")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
@example("--5")
@example("9" * 5000)
def test_no_header_breaks_a_call(text: str) -> None:
    """Whatever a server sends as times and quotas, reading it never raises."""
    answer = response(Date=text, Retry_After=text, x_ratelimit_requests_limit=text)

    waits: Sequence[float | None] = [retries.retry_after(answer)]
    assert [] == [wait for wait in waits if wait is not None and wait < 0]
    retries.served_at(answer)
    retries.quota(answer)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"x_ratelimit_requests_limit": "500"}, {"limit": 500}),
        (
            {
                "x_ratelimit_requests_limit": "500",
                "x_ratelimit_requests_remaining": "-1",
                "x_ratelimit_requests_reset": "86400",
            },
            {"limit": 500, "remaining": -1, "reset": 86400},
        ),
        ({"x_ratelimit_requests_limit": "many", "x_ratelimit_requests_remaining": "--5"}, None),
        (
            {
                "x_ratelimit_requests_limit": "9" * 5000,
                "x_ratelimit_requests_remaining": "-" + "9" * 12,
                "x_ratelimit_requests_reset": "1795000000000",
            },
            {"remaining": -999_999_999_999},
        ),
    ],
)
def test_the_quota_is_what_the_headers_say(headers: dict[str, str], expected: dict[str, int] | None) -> None:
    """Limit, remaining and reset are read where they are numbers, and left out where they are not."""
    assert expected == retries.quota(response(**headers))
