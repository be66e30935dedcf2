"""The API's door: host and key checked, quota counted, faults struck, a page answered, the request noted."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Protocol

from starlette.requests import Request as HttpRequest
from starlette.types import Receive, Scope, Send

from local.listing_api.clock import Clock
from local.listing_api.connections import is_connected, reset_connection
from local.listing_api.families import FAMILIES, Family
from local.listing_api.families.family import BadRequest, whole_number
from local.listing_api.faults import Answer, Fault, Faults
from local.listing_api.places import slug_of
from local.listing_api.request_log import Request, RequestLog
from local.listing_api.subscription import Subscriptions

_BY_HOST = {family.host: family for family in FAMILIES.values()}


class Pages(Protocol):
    """Where pages come from: the simulated market or recordings."""

    def body(self, family: Family, query: Mapping[str, str], page: int, now: datetime) -> bytes:
        """The page as JSON bytes. Raises BadRequest for a search that cannot be answered."""
        ...


@dataclass(frozen=True, slots=True)
class Gateway:
    """The ASGI application for everything that is not under /_control."""

    pages: Pages
    clock: Clock
    subscriptions: Subscriptions
    faults: Faults
    log: RequestLog

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        request, now = HttpRequest(scope, receive), self.clock.now()
        family = _BY_HOST.get(request.headers.get("x-rapidapi-host", ""))
        key = request.headers.get("x-rapidapi-key")
        location = request.query_params.get(family.location_param, "") if family else ""
        page, search, answer, fault = 0, "", self._refuse(request, family, key, now), None
        if family is not None and answer is None:
            page, search, answer = self._search(family, request.query_params, now)
            fault = self.faults.strike(family.name, location, search, page)
        assert answer is not None  # without a family it was refused
        answer.headers |= {"date": format_datetime(now, usegmt=True), **self.subscriptions.headers(key, now)}
        if fault is not None:
            await asyncio.sleep(fault.delay_seconds)
            answer = fault.spoil(answer)
        name = family.name if family else "unknown"
        slug = slug_of(location[:100])
        moment = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.log.add(Request(moment, name, slug, location[:100], search, page, answer.status, fault is not None))
        await _send(answer, fault, scope, send)

    def _refuse(self, request: HttpRequest, family: Family | None, key: str | None, now: datetime) -> Answer | None:
        """What is answered where host, path, method or key are wrong or the quota is used up."""
        if family is None:
            asked = request.headers.get("x-rapidapi-host", "")
            hosts = ", ".join(_BY_HOST)
            return _message(404, f"API doesn't exist: x-rapidapi-host is {asked[:80]!r}, expected one of {hosts}.")
        if request.method != "GET" or request.url.path != family.path:
            return _message(404, f"Endpoint '{request.url.path[:80]}' does not exist, expected GET {family.path}.")
        refusal = self.subscriptions.admit(key, now)
        return _message(refusal.status, refusal.message, refusal.headers) if refusal else None

    def _search(self, family: Family, query: Mapping[str, str], now: datetime) -> tuple[int, str, Answer]:
        """Return the page's number (0 where it is none), what is looked for ("" likewise), and the answer."""
        page, search = 0, ""
        try:
            page = whole_number(query, family.page_param, 1)
            search = family.search(query)
            body = self.pages.body(family, query, page, now)
        except BadRequest as error:
            return page, search, _message(400, str(error))
        return page, search, Answer(200, body, {"content-type": "application/json; charset=utf-8"})


def _message(status: int, text: str, headers: dict[str, str] | None = None) -> Answer:
    body = json.dumps({"message": text}, ensure_ascii=False).encode()
    return Answer(status, body, {"content-type": "application/json", **(headers or {})})


async def _send(answer: Answer, fault: Fault | None, scope: Scope, send: Send) -> None:
    cut = answer.cut_at
    if answer.status:
        headers = answer.headers | ({} if answer.chunked else {"content-length": str(len(answer.body))})
        lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": lines})
        if answer.drip_seconds is not None:
            await _drip(answer.body, answer.drip_seconds, scope, send)
        else:
            await send({"type": "http.response.body", "body": answer.body[:cut], "more_body": cut is not None})
    if cut is not None:
        await asyncio.sleep(fault.stall_seconds if fault else 0)
        reset_connection(scope["client"])


async def _drip(body: bytes, pause: float, scope: Scope, send: Send) -> None:
    """Sends byte after byte, until the client has had enough."""
    for place in range(len(body)):
        if not is_connected(scope["client"]):
            return
        await send({"type": "http.response.body", "body": body[place : place + 1], "more_body": place + 1 < len(body)})
        await asyncio.sleep(pause)
