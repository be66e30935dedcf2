"""Binds the loopback port and serves gateway and control endpoints on it."""

import socket
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from local.listing_api.connections import ResettableProtocol
from local.listing_api.control import control_app
from local.listing_api.gateway import Gateway

HOST = "127.0.0.1"


class PortTaken(OSError):
    """The port cannot be bound; the message says which one and what to do."""


def bind(port: int) -> socket.socket:
    """A listening socket on loopback; port 0 takes a free one. Raises PortTaken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise PortTaken(
            f"port {port} on {HOST} cannot be used ({error}): stop what listens there, or choose another --port"
        ) from error
    return listener


def application(gateway: Gateway, facts: dict[str, Any]) -> ASGIApp:
    """The whole server: /_control/… to the controls, everything else through the gateway."""
    control = control_app(gateway, facts)

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        controls = scope["type"] != "http" or scope["path"].startswith("/_control")
        await (control if controls else gateway)(scope, receive, send)

    return dispatch


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Serves until SIGTERM or SIGINT. Answers carry the simulated Date, so uvicorn adds none of its own."""
    config = uvicorn.Config(
        app,
        http=ResettableProtocol,
        loop="asyncio",
        ws="none",
        log_level="warning",
        access_log=False,
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run(sockets=[listener])
