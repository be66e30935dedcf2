"""The SQL files of the warehouse: in what order they run, how they are rendered and split; one transaction.

A file is run because it lies in its folder: its number says when.

Each file's first line is its own path under `sql/`, so that a rendered text still says where it came from. In these
files a semicolon that ends a line ends a statement: taking them apart costs nothing, where a parser takes a tenth of
a second of every load.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import jinja2

from include.base.batches import StagingNames
from include.base.refusals import Refused

SQL_DIR = Path(__file__).parents[1] / "sql"
_ABSENT = {"42P01", "42703", "3F000"}
_END = re.compile(r";[ \t]*$", re.MULTILINE)


def _folder(name: str) -> tuple[str, ...]:
    """The files of a folder in the order in which they run, which is that of their numbers."""
    return tuple(f"{name}/{path.name}" for path in sorted((SQL_DIR / name).glob("[0-9][0-9][0-9]_*.sql")))


DDL_FILES = _folder("ddl")
STAGING_FILES = _folder("staging")
LOAD_FILES = _folder("load")
CHECK_FILES = _folder("checks")
MART_FILES = _folder("marts")
MART_CHECK_FILES = _folder("mart_checks")
MART_RESET_FILES = _folder("mart_reset")
REPORT_FILES = _folder("report")


class Cursor(Protocol):
    """The part of a DBAPI cursor that the warehouse uses."""

    @property
    def description(self) -> Any: ...

    def execute(self, operation: Any, args: Any = None, /) -> Any: ...

    def fetchall(self) -> Any: ...

    def close(self) -> None: ...


class Connection(Protocol):
    """A DBAPI connection with autocommit off and `%s` placeholders (redshift_connector, psycopg)."""

    def cursor(self) -> Any: ...

    def commit(self) -> None: ...

    def rollback(self) -> None: ...


class NotThere(RuntimeError):
    """A statement names a table, a column or a schema that the warehouse has not."""


@cache
def _environment() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(SQL_DIR)
    # Autoescaping is for HTML. What reaches a template is a batch, which has checked what gets into names.
    return jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701


def render(name: str, batch: StagingNames | None = None) -> str:
    """The text of the SQL file `name` (a path under `sql/`), for `batch` where it has to do with one.

    Raises jinja2.TemplateNotFound, and jinja2.UndefinedError when the file needs a batch and none is given.
    """
    return _environment().get_template(name).render({} if batch is None else {"batch": batch})


def file_name(sql: str) -> str:
    """The file that a rendered text comes from, read off its first comment."""
    first = sql.strip().partition("\n")[0]
    return first.removeprefix("--").strip() if first.startswith("--") else "SQL without a file name"


def run(cursor: Cursor, sql: str) -> None:
    """Executes the statements of one rendered file, one by one: the driver prepares each.

    An error of the database is raised as it is, with a note that names the file and the statement's number.
    """
    for number, statement in enumerate(statements(sql), start=1):
        try:
            _execute(cursor, statement)
        except Exception as error:
            error.add_note(f"in statement {number} of {file_name(sql)}")
            raise


def _execute(cursor: Cursor, sql: str, values: tuple[Any, ...] = ()) -> None:
    try:
        cursor.execute(sql, *([values] if values else []))
    except Exception as error:
        error.__suppress_context__ = True  # the driver looked the whole text up in its cache, and shows it first
        said = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
        if said.get("C") in _ABSENT:
            raise NotThere(
                f"{said['M']}: somebody dropped it. The task that begins a run makes it again: clear build_marts of "
                "report_listings, plan_batches of load_listings, or trigger reconcile_listings"
            ) from None
        raise


def statements(sql: str) -> list[str]:
    """The statements of one rendered file, without their semicolons."""
    return [part for part in _END.split(sql) if not _is_comment(part)]


def _is_comment(statement: str) -> bool:
    lines = (line.strip() for line in statement.splitlines())
    return all(not line or line.startswith("--") for line in lines)


def query(cursor: Cursor, sql: str, values: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
    """The rows of one statement, each by column name.

    Without values the driver is given none: it would look for their places, character by character.
    """
    _execute(cursor, sql, values)
    names = [column[0] for column in cursor.description]
    names = [name.decode() if isinstance(name, bytes) else name for name in names]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@contextmanager
def transaction(connection: Connection) -> Iterator[Cursor]:
    """A transaction of its own: committed at the end of the block, rolled back when that raises.

    What was open before is rolled back first, so that a lock can be the first statement, as it must be.
    """
    connection.rollback()
    try:
        with closing(connection.cursor()) as cursor:
            yield cursor
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def read(connection: Connection, sql: str, values: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
    """The rows of one statement, each by column name, and the end of the transaction that read them.

    An open transaction would hold its locks and its snapshot.
    """
    try:
        with closing(connection.cursor()) as cursor:
            return query(cursor, sql, values)
    finally:
        connection.rollback()


class ChecksFailed(Refused):
    """What must hold before the commit does not; `evidence` has the rows of each failed check by its file."""

    def __init__(self, evidence: dict[str, list[dict[str, Any]]]) -> None:
        self.evidence = evidence
        super().__init__("\n".join(_complaint(name, rows) for name, rows in evidence.items()))

    @property
    def set_ids(self) -> frozenset[str]:
        """The sets that the evidence names; empty when it names none."""
        rows = [row for rows in self.evidence.values() for row in rows]
        return frozenset(row["set_id"] for row in rows if row.get("set_id"))


def _complaint(name: str, rows: list[dict[str, Any]]) -> str:
    shown = ["; ".join(f"{column} {value}" for column, value in row.items()) for row in rows[:3]]
    more = [f"and {len(rows) - 3} rows more"] if len(rows) > 3 else []
    return f"{name} failed: " + " | ".join(shown + more)


def refuse_failed(cursor: Cursor, check_sql: Sequence[str]) -> None:
    """Runs the rendered checks: queries whose every row is a complaint. Raises ChecksFailed when there is any."""
    found = {file_name(sql): query(cursor, sql.strip().removesuffix(";")) for sql in check_sql}
    if evidence := {name: rows for name, rows in found.items() if rows}:
        raise ChecksFailed(evidence)


def includes(names: Sequence[str]) -> list[str]:
    """Templates that include the SQL files `names`, which need no batch."""
    return [f"{{% include '{name}' %}}" for name in names]
