"""What a person or a test may tell the server under /_control/: clock, faults, requests, reset. No key."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.listing_api.clock import parse_moment
from local.listing_api.gateway import Gateway

Endpoint = Callable[[Request], Awaitable[Response]]
_LOOPBACK = ("127.0.0.1", "::1")


def control_app(gateway: Gateway, facts: dict[str, Any]) -> Starlette:
    """The control endpoints for a gateway; `facts` (seed, recordings …) are told by /_control/health."""
    controls = _Controls(gateway, facts)
    routes = [
        Route("/_control/health", _guarded(controls.health), methods=["GET"]),
        Route("/_control/clock", _guarded(controls.clock), methods=["GET", "PUT"]),
        Route("/_control/requests", _guarded(controls.requests), methods=["GET"]),
        Route("/_control/faults", _guarded(controls.faults), methods=["GET", "PUT", "POST"]),
        Route("/_control/quota", _guarded(controls.quota), methods=["GET", "PUT"]),
        Route("/_control/reset", _guarded(controls.reset), methods=["POST"]),
    ]
    return Starlette(routes=routes)


def _guarded(endpoint: Endpoint) -> Endpoint:
    """Refuses callers from elsewhere, and turns a ValueError into a 400 with its words."""

    async def guarded(request: Request) -> Response:
        if request.client is None or request.client.host not in _LOOPBACK:
            return JSONResponse({"message": "/_control is for this machine only."}, 403)
        try:
            return await endpoint(request)
        except ValueError as error:
            return JSONResponse({"message": str(error)}, 400)

    return guarded


class _Controls:
    def __init__(self, gateway: Gateway, facts: dict[str, Any]) -> None:
        self._gateway, self._facts = gateway, facts

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok", **self._facts, **self._told_time()})

    async def clock(self, request: Request) -> Response:
        if request.method == "PUT":
            wanted = await _json(request)
            if not isinstance(wanted, dict) or "now" not in wanted:
                raise ValueError('Expected {"now": "2026-11-20T06:00:00Z"}, or {"now": null} for the real time.')
            self._gateway.clock.set(None if wanted["now"] is None else parse_moment(wanted["now"]))
        return JSONResponse(self._told_time())

    async def requests(self, request: Request) -> Response:
        last = request.query_params.get("last", "200")
        if not (last.isascii() and last.isdigit()):
            raise ValueError(f"Expected last to be a whole number, got {last[:40]!r}.")
        return JSONResponse(self._gateway.log.report(int(last)))

    async def faults(self, request: Request) -> Response:
        if request.method == "PUT":
            self._gateway.faults.put(await _json(request))
        elif request.method == "POST":
            self._gateway.faults.add(await _json(request))
        return JSONResponse(self._gateway.faults.report())

    async def quota(self, request: Request) -> Response:
        """What each key may ask a month; a PUT changes it, as somebody does who takes another plan."""
        if request.method == "PUT":
            wanted = await _json(request)
            limit = wanted.get("limit") if isinstance(wanted, dict) else None
            if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
                raise ValueError('Expected {"limit": 500}, requests a month, 0 or more.')
            self._gateway.subscriptions.quota = limit
        return JSONResponse({"limit": self._gateway.subscriptions.quota})

    async def reset(self, request: Request) -> Response:
        """Forgets requests, faults, used quota and the set clock, or `?only=` one or more of them."""
        parts = {
            "requests": self._gateway.log.clear,
            "faults": self._gateway.faults.clear,
            "quota": self._gateway.subscriptions.forget,
            "clock": self._gateway.clock.unset,
        }
        wanted = request.query_params.get("only", ",".join(parts)).split(",")
        if unknown := [part for part in wanted if part not in parts]:
            raise ValueError(f"Expected only to be some of {','.join(parts)}, got {unknown[0][:40]!r}.")
        for part in wanted:
            parts[part]()
        return JSONResponse({"reset": wanted})

    def _told_time(self) -> dict[str, Any]:
        now = self._gateway.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"now": now, "set": self._gateway.clock.is_set}


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError as error:
        raise ValueError(f"Expected a JSON body ({error}).") from error
