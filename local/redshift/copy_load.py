"""Runs a COPY inside the client's own backend session, and writes its load errors outside of it."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import psycopg

from local.redshift.copy_rows import Column, LoadError, Rows
from local.redshift.copy_source import S3Service, Source
from local.redshift.copy_statement import CopyStatement
from local.redshift.errors import SqlError
from local.redshift.wire import error_fields, frame

log = logging.getLogger(__name__)
_THREADS = ThreadPoolExecutor(max_workers=8, thread_name_prefix="copy")
_PIECE = 1 << 20

_COLUMNS = """
    select attname, format_type(atttypid, atttypmod) from pg_attribute
    where attrelid = $1::text::regclass and attnum > 0 and not attisdropped order by attnum
"""
_RECORD = """
    insert into rs.load_errors (username, query, session, tbl, table_name, filename, line_number, colname, type,
        raw_field_value, err_code, err_reason)
    values (%s, %s, %s, coalesce(to_regclass(%s)::oid::bigint, 0), %s, %s, %s, %s, %s, %s, %s, %s)
"""

# PostgreSQL's words for a value it cannot read, and Redshift's code and words.
_REASONS = (
    (r"invalid input syntax for type (smallint|integer|bigint|numeric|real|double)", 1207, "Invalid digit"),
    (r"invalid input syntax for type timestamp", 1206, "Invalid timestamp format or value"),
    (r"invalid input syntax for type date|date/time field value", 1205, "Invalid Date Format"),
    (r"invalid input syntax for type boolean", 1210, "Unknown boolean format"),
    (r"null value in column", 1213, "Missing data for not-null field"),
    (r"out of range|numeric field overflow", 1216, "Overflow"),
)


class BackendError(Exception):
    """PostgreSQL's own ErrorResponse, to be passed on."""

    def __init__(self, raw: bytes) -> None:
        self.fields = error_fields(raw[5:])
        super().__init__(self.fields.get("M"))
        self.raw = raw


class Backend(Protocol):
    """What a COPY needs of the session it runs in."""

    user: str
    database: str
    process: int

    async def execute(
        self, sql: str, parameters: tuple[str, ...] = (), feed: Callable[[], Awaitable[None]] | None = None
    ) -> tuple[list[list[str | None]], str]:
        """Run one statement in the session: its rows and its tag."""

    async def send(self, data: bytes) -> None:
        """Send rows to PostgreSQL, waiting until it takes them; SqlError when the client cancelled or is gone."""

    def end_rows(self, complete: bool) -> None:
        """Tell PostgreSQL that the rows end here, all of them or not."""


class Loader:
    """Loads for all sessions: knows S3, and the connection on which errors are recorded."""

    def __init__(self, service: S3Service, admin: str) -> None:
        self._service = service
        self._admin = admin
        self._started = int(time.time()) * 100

    async def load(self, backend: Backend, statement: CopyStatement) -> int:
        """Load the files; the number of rows. SqlError (after recording it) when a row or a file is wrong."""
        columns = await self._target(backend, statement)
        self._started += 1
        query = self._started
        in_thread = asyncio.get_running_loop().run_in_executor
        source = await in_thread(_THREADS, Source, self._service, statement, backend.user)
        files = await in_thread(_THREADS, source.files)
        rows = Rows(source, statement, columns)
        try:
            tag = await self._stream(backend, statement, columns, rows, rows.chunks(files))
        except (LoadError, BackendError) as error:
            problem = error if isinstance(error, LoadError) else _explain(error, columns, rows)
            if problem is None:
                raise
            await in_thread(_THREADS, self._record, backend, statement, query, problem)
            raise _failed(statement, problem) from error
        count = int(tag.split()[1])
        await backend.execute(
            "select set_config('rs.last_copy_count', $1, false), set_config('rs.last_copy_id', $2, false)",
            (str(count), str(query)),
        )
        log.info("loaded %d rows from %d files into %s", count, len(files), statement.table)
        return count

    async def _target(self, backend: Backend, statement: CopyStatement) -> list[Column]:
        try:
            found, _ = await backend.execute(_COLUMNS, (statement.table,))
        except BackendError as error:
            if error.fields.get("C") in ("42P01", "3F000"):
                message = f"Cannot COPY into nonexistent table {statement.table_name}"
                raise SqlError("42P01", message) from error
            raise
        types = {str(name): str(kind) for name, kind in found}
        names = statement.columns or tuple(types)
        for name in names:
            if name not in types:
                raise SqlError("42703", f'column "{name}" of relation "{statement.table_name}" does not exist')
        return [Column(name, types[name]) for name in names]

    async def _stream(
        self, backend: Backend, statement: CopyStatement, columns: list[Column], rows: Rows, chunks: object
    ) -> str:
        """COPY FROM STDIN in the session; the files are read one chunk ahead, in a thread."""
        failure: list[Exception] = []
        loop = asyncio.get_running_loop()

        def following() -> bytes | None:
            return next(chunks, None)  # type: ignore[call-overload, no-any-return]

        async def feed() -> None:
            try:
                ahead = loop.run_in_executor(_THREADS, following)
                while (chunk := await ahead) is not None:
                    ahead = loop.run_in_executor(_THREADS, following)
                    for start in range(0, len(chunk), _PIECE):
                        await backend.send(frame(b"d", chunk[start : start + _PIECE]))
                backend.end_rows(complete=True)
            except (LoadError, SqlError, ValueError, OSError, EOFError) as error:
                failure.append(error)
                backend.end_rows(complete=False)

        listed = ", ".join('"' + column.name.replace('"', '""') + '"' for column in columns)
        try:
            _, tag = await backend.execute(
                f"copy {statement.table} ({listed}) from stdin with (format csv, null '')", feed=feed
            )
        except BackendError:
            if not failure:
                raise
            if isinstance(failure[0], (LoadError, SqlError)):
                raise failure[0] from None
            file, _ = rows.origin(1 << 62)
            raise LoadError(file, f"Cannot read the file: {failure[0]}", code=1220, line=0) from failure[0]
        return tag

    def _record(self, backend: Backend, statement: CopyStatement, query: int, error: LoadError) -> None:
        """On a connection of its own: the record outlives the client's rollback."""
        with psycopg.connect(self._admin, dbname=backend.database, autocommit=True) as connection:
            connection.execute(
                _RECORD,
                (
                    backend.user, query, backend.process, statement.table, statement.table_name, error.file,
                    error.line, error.column, error.kind, error.value[:1024], error.code, error.reason,
                ),
            )  # fmt: skip


def _explain(error: BackendError, columns: list[Column], rows: Rows) -> LoadError | None:
    """PostgreSQL's complaint about a value as a load error; None when it is about something else."""
    told, context = error.fields.get("M", ""), error.fields.get("W", "")
    if not error.fields.get("C", "").startswith(("22", "23")):
        return None
    where = re.search(r"line (\d+)(?:, column ([^:]+))?(?:: (.*))?", context.split("\n")[0], re.S)
    file, line = rows.origin(int(where[1])) if where else ("", 0)
    named = (where[2] if where else None) or error.fields.get("c", "")
    kind = next((column.type for column in columns if column.name == named), "")
    code, reason = next(((c, r) for pattern, c, r in _REASONS if re.search(pattern, told)), (1200, told))
    value = (where[3] or "").strip('"') if where and where[2] else ""
    return LoadError(file, reason, code=code, line=line, column=named, kind=kind, value=value)


def _failed(statement: CopyStatement, error: LoadError) -> SqlError:
    rule = "  -----------------------------------------------"
    detail = f"\n{rule}\n  error:  {error.reason}\n  code:      {error.code}\n  context:   {error.file}\n{rule}\n"
    if statement.parquet and error.code == 15001:
        return SqlError("XX000", "Spectrum Scan Error", detail)
    return SqlError(
        "XX000",
        f"Load into table '{statement.table_name}' failed.  Check 'stl_load_errors' system table for details.",
        detail,
    )
