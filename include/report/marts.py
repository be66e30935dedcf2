"""Builds the marts from `core`: the days that differ from what was built, then the checks, in one transaction."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from include.base.receipts import Record
from include.warehouse.sql_files import (
    MART_CHECK_FILES,
    MART_FILES,
    MART_RESET_FILES,
    Connection,
    Cursor,
    query,
    refuse_failed,
    render,
    run,
    transaction,
)

_TEMPORARY = re.compile(r"^create temp table (\w+)", re.MULTILINE)


@dataclass(frozen=True)
class MartBuild(Record):
    """What a build did: days of markets built anew, and the number of the build that the marts are now of.

    `newest_date` is the newest day of any market, None while the warehouse is empty; so is `build_number` 0.
    """

    build_number: int
    partitions: int
    newest_date: str | None


def build(
    connection: Connection,
    *,
    run_id: str,
    full: bool = False,
    mart_sql: Sequence[str] | None = None,
    check_sql: Sequence[str] | None = None,
) -> MartBuild:
    """Builds the stale days of all marts, or with `full` all days; the same rows come out either way.

    `mart_sql` and `check_sql` are the rendered texts of MART_FILES and MART_CHECK_FILES. A check whose query has rows
    rolls all back and raises ChecksFailed with them. A database error is raised as it is, also after a rollback.
    """
    with transaction(connection) as cursor:
        files = [*([render(name) for name in MART_RESET_FILES] if full else []), *_texts(mart_sql, MART_FILES)]
        for sql in files:
            run(cursor, sql)
        refuse_failed(cursor, _texts(check_sql, MART_CHECK_FILES))
        done = _done(cursor, run_id)
        # Of the tables of this name the temporary ones, as they are there: anybody may have others in public.
        for name in _TEMPORARY.findall("\n".join(files)):
            cursor.execute(f"drop table {name}")
    return done


def _texts(given: Sequence[str] | None, names: Sequence[str]) -> list[str]:
    return list(given) if given is not None else [render(name) for name in names]


def _done(cursor: Cursor, run_id: str) -> MartBuild:
    """Signs the build that the last file wrote down, if it did, and sums it up."""
    cursor.execute("update marts.builds set run_id = %s where run_id = ''", (run_id,))
    [[partitions]] = _values(cursor, "select count(*) from stale_days")
    [[number]] = _values(cursor, "select coalesce(max(build_number), 0) from marts.builds")
    [[newest]] = _values(cursor, "select max(snapshot_date) from marts.coverage")
    return MartBuild(int(number), int(partitions), newest.isoformat() if newest else None)


def _values(cursor: Cursor, sql: str) -> list[list[Any]]:
    return [list(row.values()) for row in query(cursor, sql)]
