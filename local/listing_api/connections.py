"""The open connections, so that one can be reset as a network does it: with RST and without an answer."""

import asyncio
import socket
import struct

from uvicorn.protocols.http.h11_impl import H11Protocol

_open: dict[tuple[str, int], asyncio.Transport] = {}


class ResettableProtocol(H11Protocol):
    """uvicorn's HTTP protocol that notes its transport under the client's address."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Notes the connection."""
        super().connection_made(transport)
        _open[_peer(transport)] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the connection."""
        _open.pop(_peer(self.transport), None)
        super().connection_lost(exc)


def is_connected(client: tuple[str, int]) -> bool:
    """Whether a client (host, port) is still there."""
    return (client[0], client[1]) in _open


def reset_connection(client: tuple[str, int]) -> None:
    """Resets the connection of a client (host, port); what is not sent yet is lost."""
    transport = _open.get((client[0], client[1]))
    if transport is None:
        return
    linger_none = struct.pack("ii", 1, 0)  # makes close() send RST instead of FIN
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_none)
    transport.abort()


def _peer(transport: asyncio.Transport) -> tuple[str, int]:
    host, port, *_ = transport.get_extra_info("peername") or ("", 0)
    return str(host), int(port)
