"""The SQL files of the warehouse: which there are, in what order they run, how they are rendered and split.

Each file's first line is its own path under `sql/`, so that a rendered text still says where it came from. In these
files a semicolon that ends a line ends a statement: taking them apart costs nothing, where a parser takes a tenth of
a second of every load.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import jinja2

from include.base.batches import StagingNames
from include.base.refusals import Refused

SQL_DIR = Path(__file__).parents[1] / "sql"
_ABSENT = {"42P01", "42703", "3F000"}
_END = re.compile(r";[ \t]*$", re.MULTILINE)

DDL_FILES = (
    "ddl/001_schemas.sql",
    "ddl/002_staging_templates.sql",
    "ddl/003_listing_snapshots.sql",
    "ddl/004_listings.sql",
    "ddl/005_listing_history.sql",
    "ddl/006_listing_rejects.sql",
    "ddl/007_load_audit.sql",
    "ddl/008_zillowdata.sql",
    "ddl/009_reader_grants.sql",
    "ddl/010_replays.sql",
    "ddl/011_claims.sql",
    "ddl/012_mart_builds.sql",
    "ddl/013_listing_figures.sql",
    "ddl/014_coverage.sql",
    "ddl/015_rejects_by_day.sql",
    "ddl/016_listing_presence.sql",
    "ddl/017_market_by_day.sql",
    "ddl/018_zip_by_day.sql",
    "ddl/019_price_cuts.sql",
    "ddl/020_zestimate_gaps.sql",
    "ddl/021_jumps.sql",
    "ddl/022_seen_once.sql",
    "ddl/023_which_set_holds.sql",
    "ddl/024_not_listings.sql",
    "ddl/025_searches.sql",
    "ddl/026_reached_end.sql",
    "ddl/027_sold_at.sql",
    "ddl/030_build_lock.sql",
)
STAGING_FILES = ("staging/010_drop.sql", "staging/020_create.sql")
LOAD_FILES = (
    "load/010_lock.sql",
    "load/020_winners.sql",
    "load/030_touched.sql",
    "load/040_snapshots.sql",
    "load/050_listings.sql",
    "load/060_history.sql",
    "load/070_rejects.sql",
    "load/080_audit.sql",
)
CHECK_FILES = (
    "checks/010_landed_counts.sql",
    "checks/020_staged_counts.sql",
    "checks/030_staged_contract.sql",
    "checks/040_accepted_counts.sql",
    "checks/050_unique_keys.sql",
    "checks/060_newest_listings.sql",
    "checks/070_history_stretches.sql",
    "checks/080_kept_rejects.sql",
)
MART_FILES = (
    "marts/010_lock.sql",
    "marts/020_stale_days.sql",
    "marts/030_coverage.sql",
    "marts/040_rejects_by_day.sql",
    "marts/050_listing_presence.sql",
    "marts/060_market_by_day.sql",
    "marts/070_flows.sql",
    "marts/080_zip_by_day.sql",
    "marts/090_price_cuts.sql",
    "marts/100_zestimate_gaps.sql",
    "marts/110_jumps.sql",
    "marts/120_build.sql",
)
MART_CHECK_FILES = (
    "mart_checks/010_bounds.sql",
    "mart_checks/020_sums_against_core.sql",
    "mart_checks/030_rejects_against_core.sql",
    "mart_checks/040_sightings.sql",
    "mart_checks/050_unique_keys.sql",
    "mart_checks/060_price_cuts.sql",
)
REPORT_FILES = (
    "report/010_span.sql",
    "report/020_newest_days.sql",
    "report/030_days.sql",
    "report/040_jumps.sql",
    "report/050_listings.sql",
    "report/060_price_cuts.sql",
    "report/070_rejected_before.sql",
    "report/080_zips.sql",
    "report/090_reasons.sql",
)
MART_RESET_FILES = ("mart_reset/010_forget.sql",)


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
