"""Knows how to ask a URL once: no redirect is followed, since a key in a header would go along."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """The answer, whatever its status; raises OSError when none comes.

    `own_certificate`: the server made its certificate itself, so it proves nothing, and nothing secret may be sent.
    """
    handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
    if urlsplit(url).hostname in ("127.0.0.1", "localhost"):
        handlers.append(urllib.request.ProxyHandler({}))
    if own_certificate:
        context = ssl._create_unverified_context()  # noqa: S323 - see above
        handlers.append(urllib.request.HTTPSHandler(context=context))
    request = urllib.request.Request(url, body, dict(headers or {}))  # noqa: S310 - http(s): ours or the API's
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=timeout) as came:
            return _answer(came)
    except urllib.error.HTTPError as error:
        with error:
            return _answer(error)


def _answer(came: Any) -> Answer:
    return Answer(came.status, {name.lower(): value for name, value in came.headers.items()}, came.read(MOST_BYTES))
