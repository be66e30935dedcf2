"""Brings the warehouse's tables up to date: numbered files, each applied once and recorded with its checksum."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256

from include.refusals import Refused
from include.sql_files import DDL_FILES, Connection, query, render, run

_LEDGER = "core.schema_migrations"
_BOOTSTRAP_TRIES = 5


class ChangedMigration(Refused):
    """A migration file is not the one that was applied under its number."""


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


def migrations() -> list[Migration]:
    """All migrations in order."""
    return [Migration(int(name.split("/")[1][:3]), name, render(name)) for name in DDL_FILES]


def migrate(connection: Connection) -> list[str]:
    """Applies the migrations that are missing, each in its own transaction, and names them.

    Two small selects when there is nothing to do. Several may run at once: the ledger's lock lets one of them apply
    a file, the others find it applied. Raises ChangedMigration when an applied file was edited since.
    """
    wanted = migrations()
    applied = _applied(connection)
    _refuse_changed(wanted, applied)
    missing = [migration for migration in wanted if migration.number not in applied]
    return [migration.name for migration in missing if _apply(connection, migration)]


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
    with closing(connection.cursor()) as cursor:
        rows = query(cursor, f"select number, name, sha256 from {_LEDGER}")  # noqa: S608 - a constant
    connection.rollback()
    return {row["number"]: (row["name"], row["sha256"]) for row in rows}


def _has_ledger(connection: Connection) -> bool:
    schema, table = _LEDGER.split(".")
    sql = "select table_name from information_schema.tables where table_schema = %s and table_name = %s"
    with closing(connection.cursor()) as cursor:
        found = query(cursor, sql, (schema, table))
    connection.rollback()
    return bool(found)


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
            run(cursor, migration.sql)
        cursor.execute(
            f"insert into {_LEDGER} (number, name, sha256, applied_at) values (%s, %s, %s, getdate())",  # noqa: S608
            (migration.number, migration.name, migration.sha256),
        )
    connection.commit()
    return True
