"""What somebody dropped in the warehouse is made again by the next migrate, or named with what to do."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from include.report import marts
from include.warehouse.migrations import LostColumn, migrate
from include.warehouse.sql_files import Connection, NotThere
from tests.support.staged_sets import drop_all, empty_marts, load, mart_rows, rows, seen

pytestmark = pytest.mark.timeout(180)
_COLUMNS = """
    select table_schema, table_name, column_name from information_schema.columns
    where table_schema in ('staging', 'core', 'marts', 'public') order by 1, 2, 3
"""


@pytest.fixture
def whole(core_tables: Connection) -> Any:
    """A connection to a migrated warehouse that a test may break: it is made anew afterwards."""
    empty_marts(core_tables)
    yield core_tables
    core_tables.rollback()
    drop_all(core_tables)
    migrate(core_tables)


def say(connection: Connection, *statements: str) -> None:
    """Runs statements and commits."""
    with closing(connection.cursor()) as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.commit()


@pytest.mark.parametrize(
    "lost",
    [
        "table marts.coverage",
        "table marts.builds",
        "view marts.listing_figures",
        "view public.zillowdata",
        "table core.load_audit",
        "table core.listings cascade",
        "table staging.sets",
        "table core.schema_migrations",
        "schema marts cascade",
        "schema core cascade",
        "schema staging cascade",
    ],
)
def test_what_was_dropped_is_made_again(whole: Connection, warehouse: Any, lost: str) -> None:
    """Every column is there as before, and the reader sees what it saw; a second migrate has nothing to do."""
    before = rows(whole, _COLUMNS)
    say(whole, f"drop {lost}")
    assert before != rows(whole, _COLUMNS)
    assert [] != migrate(whole)
    assert before == rows(whole, _COLUMNS)
    with warehouse.psycopg("reader") as reader:
        for name in ("marts.coverage", "marts.listing_figures", "public.zillowdata"):
            assert [(0,)] == reader.execute(f"select count(*) from {name}").fetchall()
    assert [] == migrate(whole)


def test_a_dropped_mart_is_built_anew(whole: Connection) -> None:
    """All days are in all marts again, although no set was loaded since."""
    load(whole, "b1", seen({1: 200_000, 2: 300_000}, claimed=2, day=21))
    load(whole, "b2", seen({1: 100_000, 2: 300_000}, claimed=2, day=22))
    marts.build(whole, run_id="test")
    before = mart_rows(whole)
    say(whole, "drop table marts.price_cuts")
    migrate(whole)
    marts.build(whole, run_id="test")
    assert before == mart_rows(whole)
    assert before["price_cuts"]


@pytest.mark.parametrize("on", ["marts.coverage", "schema marts"])
def test_a_grant_that_was_taken_is_given_again(whole: Connection, warehouse: Any, on: str) -> None:
    """The reader reads again what somebody took from it."""
    say(whole, f"revoke all on {on} from reader")
    migrate(whole)
    with warehouse.psycopg("reader") as reader:
        assert [(0,)] == reader.execute("select count(*) from marts.coverage").fetchall()


def test_a_dropped_column_is_named_with_what_to_do(whole: Connection) -> None:
    """A column's values are gone: no default stands in for them."""
    say(whole, "alter table core.load_audit drop column verdict")
    with pytest.raises(LostColumn, match=r"^core\.load_audit lacks verdict.*drop table core\.load_audit cascade"):
        migrate(whole)
    say(whole, "drop table core.load_audit cascade")
    migrate(whole)


def test_a_table_that_is_missing_under_way_is_said_first(whole: Connection) -> None:
    """What is missing and what to do are the whole message, and no driver's text of the statement comes before it."""
    say(whole, "drop table marts.jumps")
    with pytest.raises(NotThere, match=r'^relation "marts\.jumps" does not exist: .* clear build_marts') as raised:
        marts.build(whole, run_id="test")
    assert raised.value.__suppress_context__
