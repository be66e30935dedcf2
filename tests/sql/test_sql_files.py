"""Each SQL file: Redshift's grammar, the house's style, a header that says what it is, a place in its list."""

from pathlib import Path

import jinja2
import pytest
import sqlglot
import sqlparse
from sqlglot import exp

from include.warehouse.sql_files import (
    CHECK_FILES,
    DDL_FILES,
    LOAD_FILES,
    SQL_DIR,
    STAGING_FILES,
    file_name,
    render,
)
from include.warehouse.sql_files import statements as run_statements
from tests.support.sql_texts import ALL_FILES, FOLDERS, a_batch, statements

HEADER = ("-- What:", "-- Grain", "-- Keys:")
NOT_PARSED = ("lock ",)  # an opaque command to sqlglot in any dialect; sqlfluff, which parses it, has its say below


def without_comments(sql: str) -> str:
    return str(sqlparse.format(sql, strip_comments=True)).strip()


@pytest.mark.parametrize("name", ALL_FILES)
def test_a_statement_ends_where_its_line_does(name: str) -> None:
    """What runs one by one is what a parser of SQL takes for statements, comments apart."""
    taken_apart = [without_comments(each) for each in run_statements(render(name, a_batch()))]
    assert [each for each in statements(name) if each] == taken_apart


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_of_a_folder_is_in_its_list_in_order(folder: str) -> None:
    """Every SQL file of a folder has a number and runs in its turn: none lies there in vain."""
    on_disk = sorted(f"{folder}/{path.name}" for path in (SQL_DIR / folder).glob("*.sql"))
    assert on_disk == list(FOLDERS[folder])


def test_migrations_are_numbered_in_order_each_once() -> None:
    """No number stands twice, as the ledger goes by it; one may be missing, taken by a change that is still to come."""
    numbers = [int(Path(name).name[:3]) for name in DDL_FILES]
    assert sorted(set(numbers)) == numbers


@pytest.mark.parametrize("name", ALL_FILES)
def test_header_names_the_file_and_states_what_grain_and_keys(name: str) -> None:
    """The first comment line is the file's path; what, grain and keys follow."""
    text = (SQL_DIR / name).read_text()
    comment = text.split("\n\n")[0].splitlines()
    assert f"-- {name}" == comment[0]
    assert name == file_name(render(name, a_batch()))
    for opening in HEADER:
        assert any(line.startswith(opening) for line in comment), f"{opening} is missing"
    assert all(line.startswith("--") for line in comment)


@pytest.mark.parametrize("name", ALL_FILES)
def test_every_statement_parses_as_redshift(name: str) -> None:
    """sqlglot's Redshift dialect knows each statement, none is taken as an opaque command."""
    for statement in statements(name):
        tree = sqlglot.parse_one(statement, dialect="redshift", error_level=sqlglot.ErrorLevel.RAISE)
        opaque = isinstance(tree, exp.Command)
        assert statement.lower().startswith(NOT_PARSED) == opaque, statement


@pytest.mark.parametrize("name", ALL_FILES)
def test_no_statement_uses_what_redshift_lacks_or_what_commits(name: str) -> None:
    """No MERGE, TRUNCATE (it commits), RETURNING, ON CONFLICT, CREATE INDEX, SAVEPOINT, and no % for the driver."""
    for statement in statements(name):
        tree = sqlglot.parse_one(statement, dialect="redshift")
        unwanted = (exp.Merge, exp.TruncateTable, exp.Returning, exp.OnConflict, exp.Commit, exp.Rollback)
        assert [] == [type(node).__name__ for node in tree.find_all(*unwanted)]
        assert not statement.lower().startswith(("create index", "savepoint", "vacuum"))
    assert "%" not in render(name, a_batch())


@pytest.mark.parametrize("name", ALL_FILES)
def test_what_is_made_or_dropped_has_its_schema(name: str) -> None:
    """Without it the name may be a table that somebody has in public; but for temporary tables, which come first."""
    trees = [sqlglot.parse_one(statement, dialect="redshift") for statement in statements(name)]
    made = [each for each in trees if isinstance(each, exp.Create | exp.Drop) and each.kind in ("TABLE", "VIEW")]
    temporary = {each.find(exp.Table).name for each in made if each.find(exp.TemporaryProperty)}  # type: ignore[union-attr]
    unqualified = {table.name for each in made if (table := each.find(exp.Table)) and not table.db}
    assert temporary == unqualified


@pytest.mark.parametrize("name", CHECK_FILES)
def test_a_check_is_one_bounded_query(name: str) -> None:
    """A check file is a single SELECT that brings 20 rows of evidence at most."""
    (only,) = statements(name)
    tree = sqlglot.parse_one(only, dialect="redshift")
    assert isinstance(tree, exp.Select)
    assert "20" == tree.args["limit"].expression.sql()


def test_load_begins_with_the_lock() -> None:
    """The first statement of a load is the lock, so that its snapshot follows the load before it."""
    assert "lock core.load_audit" == statements(LOAD_FILES[0])[0]


@pytest.mark.parametrize("name", [*STAGING_FILES, *LOAD_FILES[1:], *CHECK_FILES])
def test_a_file_that_needs_a_batch_refuses_to_render_without(name: str) -> None:
    """A missing batch is an error of the template, never an empty name in SQL."""
    with pytest.raises(jinja2.UndefinedError, match="batch"):
        render(name)


def test_a_task_template_includes_a_file_with_the_batch_in_sight() -> None:
    """`{% set batch = … %}{% include … %}`, as Airflow renders it, gives what `render` gives."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(SQL_DIR), undefined=jinja2.StrictUndefined)
    task = environment.from_string("{% set batch = batch_of(ti) %}{% include 'load/040_snapshots.sql' %}")
    assert render("load/040_snapshots.sql", a_batch()) == task.render(batch_of=lambda ti: a_batch(), ti=None)
