"""How much of an answer is read, and for how long: a server decides neither over our memory nor over our time.

A page is read up to a limit, counted after decompression; any other answer up to `ERROR_BYTES`, of which
nobody needs more than its words. Reading one answer, from the request to its last byte, ends after a time.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter

ERROR_BYTES = 1_000_000
PIECE = 65_536


class BoundedAdapter(HTTPAdapter):
    """Sends requests and reads the answers within bounds.

    :param page_bytes: how much of an answer with status 200 is read, at most one byte more.
    :param seconds: how long one answer may take in all; `requests.ReadTimeout` is raised then.
    :param permit: called before each request goes out; what it raises, stops it.
    :param answered: called with each answer when its headers are there.
    """

    def __init__(
        self,
        page_bytes: int,
        seconds: float,
        permit: Callable[[], object] = lambda: None,
        answered: Callable[[requests.Response], object] = lambda response: None,
    ) -> None:
        super().__init__()
        self._page_bytes, self._seconds = page_bytes, seconds
        self._permit, self._answered = permit, answered

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """The answer with as much of its body as may be; the rest is never asked of the network."""
        self._permit()
        deadline = time.monotonic() + self._seconds
        response = super().send(request, *args, **kwargs)
        self._answered(response)
        is_page = response.status_code == 200 and too_big(response, self._page_bytes) is None
        body = _read(response, self._page_bytes if is_page else ERROR_BYTES, deadline, self._seconds)
        _replace(response, body)
        return response


def too_big(response: requests.Response, limit: int) -> str | None:
    """The size of an answer that is bigger than `limit`, in words; None for one that fits.

    The size is what the server announced, else what was read when the limit was passed.
    """
    announced = response.headers.get("Content-Length", "").strip()
    if announced.isascii() and announced.isdigit() and int(announced) > limit:
        return f"{int(announced)} bytes are announced"
    if _is_read(response) and len(response.content) > limit:
        return f"more than {limit} bytes came"
    return None


def forget(response: requests.Response) -> None:
    """Lets go of a body that is stored: HttpOperator keeps every answer of a market to the end."""
    _replace(response, b"")


def _read(response: requests.Response, limit: int, deadline: float, seconds: float) -> bytes:
    """The body up to one byte over the limit, which tells that there was more. Raises what `requests` raises."""
    overdue = threading.Event()

    def give_up() -> None:
        overdue.set()
        # Already read to its end, or closed: then there is nothing to end.
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            response.raw.shutdown()

    # A look at the clock between two pieces would not do: a server that drips keeps one read waiting for ever.
    alarm = threading.Timer(max(0.0, deadline - time.monotonic()), give_up)
    alarm.daemon = True
    alarm.start()
    try:
        body = _pieces(response, limit)
    except requests.RequestException:
        if not overdue.is_set():
            raise
        body = b""
    finally:
        alarm.cancel()
        response.close()
    if overdue.is_set():
        raise requests.ReadTimeout(f"the answer did not end within {seconds:g} s", request=response.request)
    return body


def _pieces(response: requests.Response, limit: int) -> bytes:
    pieces, size = [], 0
    for piece in response.iter_content(PIECE):
        pieces.append(piece[: limit + 1 - size])
        size += len(pieces[-1])
        if size > limit:
            break
    return b"".join(pieces)


def _is_read(response: requests.Response) -> bool:
    state: Mapping[str, Any] = vars(response)
    return isinstance(state["_content"], bytes)


def _replace(response: requests.Response, body: bytes) -> None:
    # requests has no public way to give a response a body; its own adapters and test doubles do the same.
    response._content = body
    response._content_consumed = True  # type: ignore[attr-defined]
