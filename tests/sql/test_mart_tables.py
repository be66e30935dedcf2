"""A mart is more than its table: a full build empties it, the report hands it out, a page says what it means."""

from pathlib import Path

import sqlglot
from sqlglot import exp

from include.report.exports import EXPORTS
from include.warehouse.sql_files import MART_RESET_FILES, render
from tests.support.ddl_tables import tables
from tests.support.staged_sets import MARTS

ROOT = Path(__file__).resolve().parents[2]
# All but the ledger of the builds.
TABLES = {name.removeprefix("marts.") for name in tables() if name.startswith("marts.")} - {"builds"}


def test_a_full_build_empties_every_mart() -> None:
    """The reset deletes from each, so that no row outlives the listings that it was made of."""
    parsed = [each for name in MART_RESET_FILES for each in sqlglot.parse(render(name), dialect="redshift")]
    assert TABLES == {each.this.name for each in parsed if isinstance(each, exp.Delete)}


def test_every_mart_can_be_downloaded() -> None:
    """It has a choice of rows among the exports."""
    assert TABLES == set(EXPORTS)


def test_every_mart_is_compared_by_the_tests() -> None:
    """It is among those whose rows are the same whether days or all are built."""
    assert TABLES == set(MARTS)


def test_every_mart_is_explained() -> None:
    """docs/marts.md names it, and so does the list of tables in docs/architecture.md."""
    pages = {page: (ROOT / "docs" / page).read_text() for page in ("marts.md", "architecture.md")}
    assert [] == [(page, mart) for page, text in pages.items() for mart in sorted(TABLES) if f"{mart}`" not in text]
