"""Knows how to ask a URL once: no redirect is followed, since a key in a header would go along."""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

MOST_BYTES = 25_000_000


@dataclass(frozen=True)
class Answer:
    """What came back; names of headers are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def ask(
    url: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = 15.0,
    own_certificate: bool = False,
) -> Answer:
    """The answer, whatever its status; raises OSError when none comes, or not to its end within twice `timeout`.

    `own_certificate`: the server made its certificate itself, so it proves nothing, and nothing secret may be sent.
    """
    handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
    if urlsplit(url).hostname in ("127.0.0.1", "localhost"):
        handlers.append(urllib.request.ProxyHandler({}))
    if own_certificate:
        context = ssl._create_unverified_context()  # noqa: S323 - see above
        handlers.append(urllib.request.HTTPSHandler(context=context))
    request = urllib.request.Request(url, body, dict(headers or {}))  # noqa: S310 - http(s): ours or the API's
    deadline = time.monotonic() + 2 * timeout
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=timeout) as came:
            return Answer(came.status, _lower(came.headers), _read(came, deadline))
    except urllib.error.HTTPError as refused:
        with refused:
            return Answer(refused.code, _lower(refused.headers), _read(refused.fp, deadline))
    except http.client.HTTPException as error:
        raise OSError(f"the answer is no HTTP: {type(error).__name__}") from error


def _read(came: Any, deadline: float) -> bytes:
    """The body, as far as it is read: an answer that drips on for ever ends in TimeoutError."""
    body = bytearray()
    while (piece := came.read1(65536)) and len(body) < MOST_BYTES:
        body += piece
        if time.monotonic() > deadline:
            raise TimeoutError("the answer does not come to its end")
    return bytes(body)


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
