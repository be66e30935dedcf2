"""Brings the warehouse's tables up to date: numbered files, each applied once and recorded with its checksum.

What they made is looked for every time, since anybody may drop a table and leave its line in the ledger. What is gone
is made again, by the statements of all files that are about it.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from include.base.refusals import Refused
from include.warehouse.sql_files import (
    DDL_FILES,
    MART_RESET_FILES,
    Connection,
    Cursor,
    query,
    read,
    render,
    run,
    statements,
)

_LEDGER = "core.schema_migrations"
_BOOTSTRAP_TRIES = 5
_SCHEMA = re.compile(r"^create schema if not exists (\w+)", re.MULTILINE)
_ABOUT = re.compile(
    r"^(create table|create table if not exists|create view|create or replace view|drop view|alter table|"
    r"grant select on) (\w+\.\w+)(?: add column (\w+))?",
    re.MULTILINE,
)
_COLUMN = re.compile(r"^    (\w+) ", re.MULTILINE)
_GRANT = re.compile(r"^grant (?:select|usage) on (?:schema )?(\S+) to reader", re.MULTILINE)
# The batches' own tables come and go, and other tables in public are nobody's business here.
_THERE = """
    select table_schema, table_name, column_name
    from information_schema.columns
    where table_schema in ('staging', 'core', 'marts', 'public')
"""
_GRANTED = """
    select table_schema || '.' || table_name as name
    from information_schema.tables
    where table_schema in ('marts', 'public')
        and has_table_privilege('reader', quote_ident(table_schema) || '.' || quote_ident(table_name), 'select')
    union all
    select nspname as name
    from pg_namespace
    where nspname in ('marts', 'public') and has_schema_privilege('reader', nspname, 'usage')
"""
_log = logging.getLogger(__name__)


class ChangedMigration(Refused):
    """A migration file is not the one that was applied under its number."""


class LostColumn(Refused):
    """A table lacks a column that a migration made: its values are gone, which no default may stand in for."""


@dataclass(frozen=True)
class _Statement:
    """One statement of a migration; what changes rows, and what is temporary, is about nothing."""

    sql: str

    @cached_property
    def about(self) -> str | None:
        """The table or view that it makes, changes, drops or grants."""
        return found[2] if (found := _ABOUT.search(self.sql)) else None

    @property
    def columns(self) -> list[str]:
        """The columns that it gives a table: of one that it makes each line has one."""
        if not (found := _ABOUT.search(self.sql)) or not found[1].startswith(("create table", "alter table")):
            return []
        return [found[3]] if found[3] else _COLUMN.findall(self.sql)

    def is_done(self, there: Mapping[str, Collection[str]]) -> bool:
        """Whether what it makes is there, as after a ledger was dropped and nothing else."""
        if not (found := _ABOUT.search(self.sql)) or not found[1].startswith(("create table", "create view", "alter")):
            return False
        return found[2] in there and set(self.columns) <= set(there[found[2]])


@dataclass(frozen=True)
class Migration:
    """One file of `sql/ddl`: its number, name and text."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """The checksum of the text, hexadecimal."""
        return sha256(self.sql.encode()).hexdigest()

    @property
    def statements(self) -> list[_Statement]:
        """Its statements in order."""
        return [_Statement(each) for each in statements(self.sql)]


def migrations() -> list[Migration]:
    """All migrations in order."""
    return [Migration(int(name.split("/")[1][:3]), name, render(name)) for name in DDL_FILES]


def migrate(connection: Connection) -> list[str]:
    """Applies the migrations that are missing, each in its own transaction, makes again what was dropped, names both.

    A few small selects when there is nothing to do. Several may run at once: the ledger's lock lets one of them apply
    a file, the others find it applied. A table that is made again is empty; that of a mart is filled by the next build.
    Raises ChangedMigration when an applied file was edited since, LostColumn when a table lacks a column.
    """
    wanted = migrations()
    applied = _applied(connection)
    _refuse_changed(wanted, applied)
    missing = [migration for migration in wanted if migration.number not in applied]
    names = [migration.name for migration in missing if _apply(connection, migration)]
    return [*names, *_restore(connection, [each for migration in wanted for each in migration.statements])]


def _restore(connection: Connection, made: list[_Statement]) -> list[str]:
    """Makes the tables, views and grants again that are gone, and names them."""
    try:
        with closing(connection.cursor()) as cursor:
            if not any(_lost(cursor, made)):
                return []
            connection.rollback()
            cursor.execute(f"lock {_LEDGER}")
            gone, ungranted = _lost(cursor, made)
            for each in made:
                if each.about in gone or _SCHEMA.search(each.sql) or _GRANT.search(each.sql):
                    run(cursor, each.sql)
            if any(name.startswith("marts.") for name in gone):
                for name in MART_RESET_FILES:
                    run(cursor, render(name))
        connection.commit()
    finally:
        connection.rollback()
    for name in gone:
        _log.warning(
            "%s was dropped, and is made again, empty. A mart is built anew; rows of core come by reconcile_listings "
            "for the last dates, by `make backfill` for earlier ones, those of core.listings and core.listing_history "
            "by `make replay`",
            name,
        )
    return [*gone, *ungranted]


def _lost(cursor: Cursor, made: list[_Statement]) -> tuple[list[str], list[str]]:
    """The tables and views that are gone; and of those that are there, and schemas, what the reader may see no more."""
    there = _there(cursor)
    columns: dict[str, list[str]] = {each.about: [] for each in made if each.about}
    for each in made:
        if each.about:
            columns[each.about] += each.columns
    gone = [name for name in columns if name not in there]
    for name in columns.keys() - gone:
        if lacking := [column for column in columns[name] if column not in there[name]]:
            raise LostColumn(
                f"{name} lacks {', '.join(lacking)}: somebody dropped what a migration made, and its values with it. "
                f"Restore the table, or as the loader (make sql AS=loader): drop table {name} cascade; the next run "
                "makes it again, and docs/operations.md (A lost table or warehouse) says how its rows come back"
            )
    granted = {name for each in made for name in _GRANT.findall(each.sql)}
    seen = {row["name"] for row in query(cursor, _GRANTED)}
    return gone, sorted(granted - seen - set(gone))


def _there(cursor: Cursor) -> dict[str, set[str]]:
    """The columns of each table and view of our schemas."""
    found: dict[str, set[str]] = {}
    for row in query(cursor, _THERE):
        found.setdefault(f"{row['table_schema']}.{row['table_name']}", set()).add(row["column_name"])
    return found


def _refuse_changed(wanted: list[Migration], applied: dict[int, tuple[str, str]]) -> None:
    for migration in wanted:
        name, checksum = applied.get(migration.number, (migration.name, migration.sha256))
        if (name, checksum) != (migration.name, migration.sha256):
            raise ChangedMigration(
                f"{migration.name} (sha256 {migration.sha256[:12]}) is not the file applied as number "
                f"{migration.number} ({name}, sha256 {checksum[:12]}): restore it, and put the change into a "
                f"new file with the next number"
            )


def _applied(connection: Connection) -> dict[int, tuple[str, str]]:
    """Name and checksum by number; empty when the database has no ledger yet."""
    if not _has_ledger(connection):
        return {}
    rows = read(connection, f"select number, name, sha256 from {_LEDGER}")  # noqa: S608 - a constant
    return {row["number"]: (row["name"], row["sha256"]) for row in rows}


def _has_ledger(connection: Connection) -> bool:
    schema, table = _LEDGER.split(".")
    sql = "select table_name from information_schema.tables where table_schema = %s and table_name = %s"
    return bool(read(connection, sql, (schema, table)))


def _apply(connection: Connection, migration: Migration) -> bool:
    """Applies one migration unless somebody else did meanwhile; True when it was applied here."""
    for attempt in range(1, _BOOTSTRAP_TRIES + 1):
        has_ledger = _has_ledger(connection)
        try:
            return _apply_once(connection, migration, has_ledger)
        except Exception:
            connection.rollback()
            # Before there is a ledger there is nothing to lock, and two that create a schema at once can
            # trip over each other in the catalog. The next try finds the ledger that the other one made.
            if has_ledger or attempt == _BOOTSTRAP_TRIES:
                raise
            time.sleep(0.1 * attempt)
    raise AssertionError("unreachable")


def _apply_once(connection: Connection, migration: Migration, has_ledger: bool) -> bool:
    with closing(connection.cursor()) as cursor:
        if not has_ledger:
            run(cursor, migration.sql)
        cursor.execute(f"lock {_LEDGER}")
        if query(cursor, f"select number from {_LEDGER} where number = %s", (migration.number,)):  # noqa: S608
            connection.rollback()
            return False
        if has_ledger:
            there = _there(cursor)
            for each in migration.statements:
                if not each.is_done(there):
                    run(cursor, each.sql)
                    there.pop(each.about or "", None)  # it is not as it was read any more: a view may be dropped
        cursor.execute(
            f"insert into {_LEDGER} (number, name, sha256, applied_at) values (%s, %s, %s, getdate())",  # noqa: S608
            (migration.number, migration.name, migration.sha256),
        )
    connection.commit()
    return True
