"""One client's conversation: takes its frames in order, has each statement planned, keeps PostgreSQL's state true.

Frames are handled one after the other. What PostgreSQL still owes an answer to is counted in `_pending`, so that
an answer of the endpoint's own never overtakes one of PostgreSQL's. An error of the endpoint makes PostgreSQL fail
as well: the state of the transaction that the client sees is the real one.
"""

import asyncio
import contextlib
import logging
import struct
from collections.abc import Awaitable, Callable, Iterator

from local.redshift.copy_load import BackendError, Loader
from local.redshift.ddl import BYTES_CONSTRAINT
from local.redshift.errors import SqlError
from local.redshift.plan import Plan, plan_batch, plan_statement
from local.redshift.wire import (
    Peer,
    c_string,
    error_fields,
    error_frame,
    frame,
    info_frame,
    read_c_string,
    row_values,
)

log = logging.getLogger(__name__)
_ANSWERS = b"123nTCIs"  # frames that end PostgreSQL's answer to one request (T or n for Describe)
_FLUSH, _SYNC = frame(b"H"), frame(b"S")
_GRACE_SECONDS = 1.0
_OWN = b"_rs"  # the name of the endpoint's own statements in the client's session
_ABORTED = "current transaction is aborted, commands ignored until end of transaction block"


class Session:
    """A client after its start-up: `run` until it leaves."""

    def __init__(
        self,
        client: Peer,
        backend: Peer,
        loader: Loader,
        *,
        user: str,
        database: str,
        old_server: bool,
        hung_up: asyncio.Event,
    ) -> None:
        self.user, self.database, self.process = user, database, 0
        self.cancelled = False
        self._client, self._backend, self._loader = client, backend, loader
        self._old_server = old_server
        self._hung_up = hung_up
        self._pending = 0
        self._failed = False  # PostgreSQL skips everything up to the next Sync
        self._status = b"I"
        self._statements: dict[bytes, Plan] = {}
        self._portals: dict[bytes, Plan] = {}
        self.secret = b""

    # -- start-up

    async def authenticate(self) -> bool:
        """Pass passwords through, end to end; whether PostgreSQL let the client in."""
        while True:
            raw = await self._backend.next()
            if raw[:1] == b"K":
                self.process, self.secret = struct.unpack_from("!I", raw, 5)[0], raw[9:]
            self._client.write(self._for_client(raw))
            await self._client.drain()
            if raw[:1] == b"E":
                return False
            if raw[:1] == b"Z":
                return True
            if raw[:1] == b"R" and struct.unpack_from("!I", raw, 5)[0] in (3, 5, 10, 11):
                self._backend.write(await self._client.next())

    def _for_client(self, raw: bytes) -> bytes:
        """A frame of PostgreSQL as the client is to see it."""
        kind = raw[:1]
        if kind == b"E" and BYTES_CONSTRAINT.encode() in raw:
            constraint = error_fields(raw[5:]).get("n", "")
            if constraint.startswith(BYTES_CONSTRAINT):
                limit = constraint.split("_")[2]
                return error_frame(SqlError("22001", f"value too long for type character varying({limit})"))
        if self._old_server and kind == b"R" and raw[5:9] == b"\0\0\0\x0a":
            return frame(b"R", raw[5:-1])  # redshift_connector does not expect the list's terminator
        if self._old_server and kind == b"S" and raw[5:].startswith(b"server_version\0"):
            return frame(b"S", c_string("server_version") + c_string("8.0.2"))
        return raw

    # -- PostgreSQL to client

    async def _relay(self, ready: bool, hide: bytes = b"", instead: bytes | None = None) -> None:
        """Pass answers on: up to ReadyForQuery, or until none is owed. `instead` replaces the next error."""
        out = bytearray()
        while ready or (self._pending > 0 and not self._failed):
            if not self._backend.buffered() or len(out) > 1 << 16:
                self._client.write(bytes(out))
                out.clear()
                await self._client.drain()
            raw = await self._backend.next()
            kind = raw[:1]
            self._note(kind, raw)
            if kind == b"E" and instead is not None:
                raw, instead = instead, None
            if kind not in hide or kind == b"":
                out += self._for_client(raw)
            if kind == b"Z":
                break
        self._client.write(bytes(out))
        await self._client.drain()

    def _note(self, kind: bytes, raw: bytes) -> None:
        """Keep the books: what is owed, whether a transaction is open, whether it failed."""
        if kind == b"E":
            self._failed, self._pending = True, 0
        elif kind == b"Z":
            self._status, self._failed, self._pending = raw[5:6], False, 0
        elif kind in _ANSWERS:
            self._pending -= 1
            if kind == b"C" and raw[5:-1] in (b"BEGIN", b"START TRANSACTION"):
                self._status = b"T"
            elif kind == b"C" and raw[5:-1] in (b"COMMIT", b"ROLLBACK"):
                self._status = b"I"

    async def _settle(self) -> None:
        """Have PostgreSQL answer what it still owes."""
        if self._pending > 0 and not self._failed:
            self._backend.write(_FLUSH)
            await self._relay(ready=False)

    async def _refuse(self, error: SqlError) -> None:
        """Answer with our error, after making PostgreSQL fail: its parser gets what it cannot parse."""
        await self._settle()
        if not self._failed:
            self._backend.write(frame(b"P", b"\0refused by the Redshift endpoint\0\0\0") + _FLUSH)
            self._pending = 1
            await self._relay(ready=False, instead=error_frame(error))

    # -- the endpoint's own statements in the client's session

    async def send(self, data: bytes) -> None:
        """Send rows to PostgreSQL, waiting until it takes them; SqlError when the client cancelled or is gone."""
        if self.cancelled:
            raise SqlError("57014", f"Query ({self.process}) cancelled on user's request")
        if self._hung_up.is_set():
            raise SqlError("08006", "the client is gone")
        self._backend.write(data)
        await self._backend.drain()

    def end_rows(self, complete: bool) -> None:
        """Tell PostgreSQL that the rows end here, all of them or not."""
        self._backend.write((frame(b"c") if complete else frame(b"f", b"the load was given up\0")) + _FLUSH)

    async def execute(
        self, sql: str, parameters: tuple[str, ...] = (), feed: Callable[[], Awaitable[None]] | None = None
    ) -> tuple[list[list[str | None]], str]:
        """Run one statement in the same transaction, unseen by the client; BackendError when it fails."""
        values = b"".join(struct.pack("!i", len(v.encode())) + v.encode() for v in parameters)
        bind = _OWN + b"\0" + _OWN + b"\0\0\0" + struct.pack("!H", len(parameters)) + values + b"\0\0"
        self._backend.write(
            frame(b"C", b"P" + _OWN + b"\0")
            + frame(b"C", b"S" + _OWN + b"\0")
            + frame(b"P", _OWN + b"\0" + c_string(sql) + b"\0\0")
            + frame(b"B", bind)
            + frame(b"E", _OWN + b"\0\0\0\0\0")
            + _FLUSH
        )
        rows: list[list[str | None]] = []
        feeding: asyncio.Future[None] | None = None
        try:
            while True:
                raw = await self._backend.next()
                kind = raw[:1]
                if kind == b"D":
                    rows.append(row_values(raw[5:]))
                elif kind == b"G" and feed is not None:
                    feeding = asyncio.ensure_future(feed())
                elif kind == b"E":
                    self._failed, self._pending = True, 0
                    raise BackendError(raw)
                elif kind == b"C":
                    return rows, raw[5:-1].decode()
        finally:
            if feeding is not None:
                feeding.cancel()
                with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                    await feeding

    async def _act(self, plan: Plan) -> None:
        """Do what the endpoint does itself, and answer CommandComplete or an error."""
        await self._settle()
        if self._failed:
            return
        self.cancelled = False
        try:
            if self._status == b"E":
                raise SqlError("25P02", _ABORTED)
            self._client.write(await self._done(plan))
        except SqlError as error:
            await self._refuse_or_tell(error)
        except BackendError as error:
            self._client.write(self._for_client(error.raw))
        except ConnectionError:
            raise
        except Exception as error:
            log.exception("a statement failed inside the endpoint")
            await self._refuse_or_tell(SqlError("XX000", f"{type(error).__name__}: {error}"))

    async def _refuse_or_tell(self, error: SqlError) -> None:
        if self._failed:
            self._client.write(error_frame(error))
        else:
            await self._refuse(error)

    async def _done(self, plan: Plan) -> bytes:
        if plan.copy is not None:
            count = await self._loader.load(self, plan.copy)
            message = f"Load into table '{plan.copy.table_name}' completed, {count} record(s) loaded successfully."
            return info_frame(message) + frame(b"C", c_string("COPY"))
        if plan.truncate is not None:
            await self.execute(plan.truncate)
            if self._status == b"T":
                await self.execute("commit")  # as Redshift's does
                self._status = b"I"
            return frame(b"C", c_string("TRUNCATE TABLE"))
        return frame(b"C", c_string(plan.tag or ""))

    # -- client to PostgreSQL

    async def run(self) -> None:
        """Serve the client until it leaves; ConnectionError when either side is lost."""
        watch = asyncio.create_task(self._watch())
        try:
            while True:
                raw = await self._client.next()
                kind, payload = raw[:1], raw[5:]
                if kind == b"X":
                    return
                if kind == b"Q":
                    await self._simple(read_c_string(payload)[0].decode())
                elif kind in b"PBDEC":
                    await self._extended(kind, payload)
                elif kind == b"H":
                    await self._settle()
                elif kind == b"S":
                    self._backend.write(_SYNC)
                    await self._relay(ready=True)
                elif kind == b"F":
                    raise ConnectionResetError("function calls are not spoken here")
                await self._client.drain()
        finally:
            watch.cancel()

    async def _watch(self) -> None:
        """A client that hangs up in the middle of a statement ends its backend, which rolls back."""
        await self._hung_up.wait()
        await asyncio.sleep(_GRACE_SECONDS)  # what it sent before it left is done, as by PostgreSQL
        self._backend.close()

    async def _simple(self, sql: str) -> None:
        """A simple query: a batch in one implicit transaction, as PostgreSQL treats it."""
        try:
            with _every_fault_told():
                plans = plan_batch(sql)
        except SqlError as error:
            self._backend.write(frame(b"Q", c_string("refused by the Redshift endpoint")))
            await self._relay(ready=True, instead=error_frame(error))
            return
        if not any(plan.ours for plan in plans):
            text = ";\n".join(plan.sql for plan in plans)
            self._backend.write(frame(b"Q", c_string(text)))
            await self._relay(ready=True)
            return
        for plan in plans:
            if plan.ours:
                await self._act(plan)
            else:
                await self._step(plan.sql)
            if self._failed:
                break
        self._backend.write(_SYNC)
        await self._relay(ready=True)

    async def _step(self, sql: str) -> None:
        """One statement of a batch that also holds statements of ours: no Sync, so the transaction goes on."""
        self._backend.write(
            frame(b"P", _OWN + b"\0" + c_string(sql) + b"\0\0")
            + frame(b"B", b"\0" + _OWN + b"\0\0\0\0\0\0\0")
            + frame(b"D", b"P\0")
            + frame(b"E", b"\0\0\0\0\0")
            + frame(b"C", b"S" + _OWN + b"\0")
            + _FLUSH
        )
        self._pending += 5
        await self._relay(ready=False, hide=b"123n")

    async def _extended(self, kind: bytes, payload: bytes) -> None:
        """Parse, Bind, Describe, Execute or Close."""
        if self._failed:
            return  # as PostgreSQL: nothing until Sync
        if kind == b"P":
            await self._parse(payload)
            return
        plan = self._plan_of(kind, payload)
        if plan is None or not plan.ours:
            self._backend.write(frame(kind, payload))
            self._pending += 1
        elif kind == b"E":
            await self._act(plan)
        else:
            parameters = frame(b"t", b"\0\0") if payload[:1] == b"S" else b""
            await self._answer({b"B": frame(b"2"), b"C": frame(b"3"), b"D": parameters + frame(b"n")}[kind])

    def _plan_of(self, kind: bytes, payload: bytes) -> Plan | None:
        """The plan that a Bind, Describe, Execute or Close is about; None if PostgreSQL knows better."""
        if kind == b"B":
            portal, at = read_c_string(payload)
            plan = self._statements.get(read_c_string(payload, at)[0])
            if plan is None:
                self._portals.pop(portal, None)
            else:
                self._portals[portal] = plan
            return plan
        if kind == b"E":
            return self._portals.get(read_c_string(payload)[0])
        named = self._statements if payload[:1] == b"S" else self._portals
        name = read_c_string(payload, 1)[0]
        return named.pop(name, None) if kind == b"C" else named.get(name)

    async def _parse(self, payload: bytes) -> None:
        name, at = read_c_string(payload)
        text, at = read_c_string(payload, at)
        try:
            with _every_fault_told():
                plan = plan_statement(_single(text.decode()))
        except SqlError as error:
            await self._refuse(error)
            return
        self._statements[name] = plan
        if plan.ours:
            await self._answer(frame(b"1"))
        else:
            self._backend.write(frame(b"P", name + b"\0" + c_string(plan.sql) + payload[at:]))
            self._pending += 1

    async def _answer(self, data: bytes) -> None:
        """Answer in the client's order: after what PostgreSQL owes, and not at all if that failed."""
        await self._settle()
        if not self._failed:
            self._client.write(data)


@contextlib.contextmanager
def _every_fault_told() -> Iterator[None]:
    """Makes whatever goes wrong while a statement is planned an error for the client, who would lose the connection."""
    try:
        yield
    except SqlError:
        raise
    except Exception as error:
        log.exception("a statement could not be planned")
        raise SqlError("XX000", f"the local Redshift endpoint failed: {type(error).__name__}: {error}") from error


def _single(sql: str) -> str:
    """The one statement of a Parse."""
    stripped = sql.strip().rstrip(";")
    if ";" in stripped and len(plan_batch(stripped)) > 1:
        raise SqlError("42601", "cannot insert multiple commands into a prepared statement")
    return sql
