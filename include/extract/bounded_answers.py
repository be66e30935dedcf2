"""How much of an answer is read, and for how long: a server decides neither over our memory nor over our time.

A page is read up to a limit, counted after decompression; any other answer up to `ERROR_BYTES`, of which
nobody needs more than its words. Reading one answer, its headers and its body, ends after a time that begins
before the request goes out.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

ERROR_BYTES = 1_000_000
PIECE = 65_536
MOST_DIGITS = 18


class _Alarm:
    """Shuts the socket that an answer is read from when `seconds` are over: whoever waits for it finds its end.

    A look at the clock between two reads would not do: a server that drips keeps one read waiting for ever.
    """

    def __init__(self, seconds: float) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.rang = False
        self._timer = threading.Timer(seconds, self._ring)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._set = _alarm.set(self)
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        _alarm.reset(self._set)

    def watch(self, sock: socket.socket | None) -> None:
        """Takes the socket that the answer will come from."""
        with self._lock:
            self._socket = sock
            if self.rang:
                self._shut()

    def _ring(self) -> None:
        with self._lock:
            self.rang = True
            self._shut()

    def _shut(self) -> None:
        # Closed already: then there is nothing to end.
        with contextlib.suppress(OSError, ValueError):
            if self._socket is not None:
                self._socket.shutdown(socket.SHUT_RD)


_alarm: ContextVar[_Alarm] = ContextVar("alarm")


class _Watched(HTTPConnection):
    """A connection that tells the alarm its socket before the first byte of an answer is waited for."""

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as its own base class
        """The answer, as soon as its headers are there."""
        _alarm.get().watch(self.sock)
        return super().getresponse()


class _WatchedTls(_Watched, HTTPSConnection):
    """The same under TLS."""


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Watched


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _WatchedTls


class BoundedAdapter(HTTPAdapter):
    """Sends requests and reads the answers within bounds.

    :param page_bytes: how much of an answer with status 200 is read, at most one byte more.
    :param seconds: how long one answer may take in all, headers and body; `requests.ReadTimeout` is raised then.
        Looking up the name and connecting have the time-out of the request, each.
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
        with _Alarm(self._seconds) as alarm:
            try:
                response = super().send(request, *args, **kwargs)
                # Headers that were cut off by the alarm would look like whole ones.
                if not alarm.rang:
                    self._answered(response)
                _replace(response, self._read(response))
            except (OSError, ValueError):  # what `requests` raises, and what TLS says of a socket shut under it
                if not alarm.rang:
                    raise
        if alarm.rang:
            raise requests.ReadTimeout(f"the answer did not end within {self._seconds:g} s", request=request)
        return response

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """A pool manager whose connections are watched."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """The same for a proxy of HTTP."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager

    def _read(self, response: requests.Response) -> bytes:
        """The body up to one byte over its limit, which tells that there was more. Raises what `requests` raises."""
        is_page = response.status_code == 200 and too_big(response, self._page_bytes) is None
        with contextlib.closing(response):
            return _pieces(response, self._page_bytes if is_page else ERROR_BYTES)


_POOLS = {"http": _Pool, "https": _TlsPool}


def too_big(response: requests.Response, limit: int) -> str | None:
    """The size of an answer that is bigger than `limit`, in words; None for one that fits.

    The size is what the server announced, else what was read when the limit was passed.
    """
    announced = response.headers.get("Content-Length", "").strip()
    if announced.isascii() and announced.isdigit():
        if len(announced) > MOST_DIGITS:
            return f"a number of bytes with {len(announced)} digits is announced"
        if int(announced) > limit:
            return f"{int(announced)} bytes are announced"
    if _is_read(response) and len(response.content) > limit:
        return f"more than {limit} bytes came"
    return None


def forget(response: requests.Response) -> None:
    """Lets go of a body that is stored: HttpOperator keeps every answer of a market to the end."""
    _replace(response, b"")


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
