"""`python -m local.redshift`: listens on loopback and gives each client a session in front of PostgreSQL."""

import argparse
import asyncio
import json
import logging
import signal
import struct
from pathlib import Path

from psycopg.conninfo import make_conninfo

from local.redshift import wire
from local.redshift.copy_load import Loader
from local.redshift.copy_source import S3Service
from local.redshift.session import Session

log = logging.getLogger("local.redshift")
HOST = "127.0.0.1"

# What PostgreSQL takes of a client's start-up parameters; redshift_connector sends others it would refuse.
_PASSED = frozenset({"user", "database", "application_name", "client_encoding", "DateStyle", "TimeZone", "options"})
_FAKE_ROOT = {"aws_access_key_id": "000000000000", "aws_secret_access_key": "example-secret-not-real"}


class Endpoint:
    """All sessions: knows PostgreSQL's port, the loader, and whom a cancel request means."""

    def __init__(self, postgres_port: int, loader: Loader) -> None:
        self._postgres_port = postgres_port
        self._loader = loader
        self._sessions: dict[tuple[int, bytes], Session] = {}

    def protocol(self) -> asyncio.StreamReaderProtocol:
        """What a new connection is served by."""
        line = wire.Line()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(wire.Peer(reader, writer), line.hung_up)

        return asyncio.StreamReaderProtocol(line, serve)

    async def _serve(self, client: wire.Peer, hung_up: asyncio.Event) -> None:
        """One connection from its first byte to its last."""
        try:
            await self._start(client, hung_up)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # either side hung up: nobody is left to tell
        except Exception:
            log.exception("a session failed")
        finally:
            client.close()

    async def _start(self, client: wire.Peer, hung_up: asyncio.Event) -> None:
        body = await client.startup()
        while (code := struct.unpack_from("!I", body)[0]) in (wire.SSL_REQUEST, wire.GSS_REQUEST):
            client.write(b"N")
            body = await client.startup()
        backend = wire.Peer(*await asyncio.open_connection(HOST, self._postgres_port))
        try:
            if code == wire.CANCEL_REQUEST:
                await self._cancel(backend, body)
            elif code >> 16 == 3:
                await self._converse(client, backend, wire.startup_parameters(body), hung_up)
        finally:
            backend.close()

    async def _cancel(self, backend: wire.Peer, body: bytes) -> None:
        session = self._sessions.get((struct.unpack_from("!I", body, 4)[0], body[8:]))
        if session is not None:
            session.cancelled = True  # a COPY may be reading S3 while PostgreSQL waits
        backend.write(struct.pack("!I", len(body) + 4) + body)
        await backend.drain()

    async def _converse(
        self, client: wire.Peer, backend: wire.Peer, given: dict[str, str], hung_up: asyncio.Event
    ) -> None:
        parameters = {key: value for key, value in given.items() if key in _PASSED}
        user = parameters.get("user", "")
        parameters.setdefault("database", user)
        backend.write(wire.startup_frame(parameters))
        redshift_driver = "client_protocol_version" in given or "driver_version" in given
        session = Session(
            client,
            backend,
            self._loader,
            user=user,
            database=parameters["database"],
            old_server=redshift_driver,
            hung_up=hung_up,
        )
        if not await session.authenticate():
            return
        key = (session.process, session.secret)
        self._sessions[key] = session
        try:
            await session.run()
        finally:
            del self._sessions[key]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.redshift", description=__doc__)
    parser.add_argument("--port", type=int, default=5439, help="where to listen, on 127.0.0.1")
    parser.add_argument("--postgres-port", type=int, required=True)
    parser.add_argument("--secrets", type=Path, required=True, help="JSON with postgres_admin's password")
    parser.add_argument("--s3-endpoint", required=True, help="URL that answers for S3 and STS")
    parser.add_argument("--service-credentials", type=Path, help="JSON with the keys that may assume COPY's roles")
    parser.add_argument("--region", default="us-east-1")
    return parser.parse_args()


async def _main(given: argparse.Namespace) -> None:
    admin = json.loads(given.secrets.read_text())["postgres_admin"]
    keys = json.loads(given.service_credentials.read_text()) if given.service_credentials else _FAKE_ROOT
    service = S3Service(given.s3_endpoint, given.region, keys["aws_access_key_id"], keys["aws_secret_access_key"])
    loader = Loader(service, make_conninfo(host=HOST, port=given.postgres_port, user="postgres", password=admin))
    endpoint = Endpoint(given.postgres_port, loader)
    server = await asyncio.get_running_loop().create_server(endpoint.protocol, HOST, given.port)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    log.info("listening on %s:%d, in front of PostgreSQL on port %d", HOST, given.port, given.postgres_port)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(_main(_arguments()))
