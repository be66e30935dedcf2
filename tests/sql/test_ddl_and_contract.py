"""The tables and the contract agree: COPY goes by position, so a column out of place is data in the wrong place."""

import re

import pytest
import sqlglot
from sqlglot import exp

from include.base.batches import StagingNames
from include.contract.listing import Column, load_contract
from include.warehouse.sql_files import DDL_FILES, render
from tests.support.ddl_tables import tables

NAMES = StagingNames("b1")
ADDED = [
    ("set_id", "VARCHAR(256)", True),
    ("batch_id", "VARCHAR(40)", True),
    ("loaded_at", "TIMESTAMP", True),
]
OF_ITS_SEARCH = [*ADDED, ("listing", "VARCHAR(8)", True)]
CLASSIC = ["bathrooms", "bedrooms", "city", "homestatus", "hometype", "livingarea", "price", "rentzestimate", "zipcode"]


def contract(columns: tuple[Column, ...]) -> list[tuple[str, str, bool]]:
    """The contract's columns in the same form."""
    return [(c.name, c.physical.replace(", ", ","), c.required) for c in columns]


@pytest.mark.parametrize("table", ["listing", "reject"])
def test_staging_tables_have_the_contracts_columns_in_order(table: str) -> None:
    """Names, types, order and NOT NULL are the contract's: COPY goes by position."""
    assert contract(load_contract().table(table).columns) == tables()[f"staging.{table}s"]


@pytest.mark.parametrize(
    ("table", "kept", "added"),
    [
        ("listing", "listing_snapshots", OF_ITS_SEARCH),
        ("listing", "listings", OF_ITS_SEARCH),
        ("reject", "listing_rejects", ADDED),
    ],
)
def test_core_tables_have_the_contracts_columns(table: str, kept: str, added: list[tuple[str, str, bool]]) -> None:
    """Names, types and NOT NULL are the contract's; core adds the search and who loaded it; later ones stand last."""
    assert sorted(contract(load_contract().table(table).columns) + added) == sorted(tables()[f"core.{kept}"])


def test_history_watches_columns_as_the_contract_types_them() -> None:
    """A watched column has the same type and the same NOT NULL in the history as in the contract."""
    own = {"listing", "valid_from", "valid_to", "last_seen_on", "days_seen"}
    watched = [column for column in tables()["core.listing_history"] if column[0] not in own]
    known = {column[0]: column for column in contract(load_contract().listing.columns)}
    assert [known[name] for name, _, _ in watched] == watched


@pytest.mark.parametrize("column", load_contract().listing.columns, ids=lambda column: column.name)
def test_staged_contract_check_has_every_bound(column: Column) -> None:
    """Each range of the contract is looked at on what COPY brought."""
    check = render("checks/030_staged_contract.sql", NAMES)
    bounds = {"<": column.minimum, ">": column.maximum}
    wanted = {f"staged.{column.name} {sign} {_literal(value)}" for sign, value in bounds.items() if value is not None}
    found = set(re.findall(rf"staged\.{column.name} [<>] (?:timestamp '[^']*'|[-\d.]+)", check))
    assert wanted == found


def test_zillowdata_has_the_classic_columns() -> None:
    """The view has the tutorial's nine columns in the tutorial's order, whichever migration made it."""
    parsed = [each for name in DDL_FILES for each in sqlglot.parse(render(name), dialect="redshift")]
    views = [each for each in parsed if isinstance(each, exp.Create) and "public.zillowdata" == each.this.sql()]
    assert [CLASSIC] * 2 == [[column.alias_or_name for column in view.expression.expressions] for view in views]


def test_inserts_take_each_column_from_its_namesake() -> None:
    """An INSERT … SELECT of the load puts every column under its own name, in the same order."""
    for name in ("load/040_snapshots.sql", "load/050_listings.sql", "load/060_history.sql", "load/070_rejects.sql",
                 "load/080_audit.sql"):  # fmt: skip
        for statement in sqlglot.parse(render(name, NAMES), dialect="redshift"):
            if isinstance(statement, exp.Insert):
                into = [column.name for column in statement.this.expressions]
                assert into == [column.alias_or_name for column in statement.expression.expressions], name


@pytest.mark.parametrize(
    ("table", "name", "left_null"),
    [
        ("core.listing_snapshots", "load/040_snapshots.sql", []),
        ("core.listings", "load/050_listings.sql", []),
        ("core.listing_history", "load/060_history.sql", []),
        ("core.listing_rejects", "load/070_rejects.sql", []),
        (
            "core.load_audit",
            "load/080_audit.sql",
            ["error", "superseded_by", "verdict", "should_hold", "withdrawn_because"],  # filled for all sets of the day
        ),
    ],
)
def test_inserts_name_every_column(table: str, name: str, left_null: list[str]) -> None:
    """A column added to the table and forgotten in the load would be null for ever."""
    parsed = sqlglot.parse(render(name, NAMES), dialect="redshift")
    (insert,) = (statement for statement in parsed if isinstance(statement, exp.Insert))
    assert table == insert.this.this.sql()
    wanted = [column for column, _, _ in tables()[table] if column not in left_null]
    assert wanted == [column.name for column in insert.this.expressions]


def _literal(value: object) -> str:
    return f"timestamp '{value:%Y-%m-%d %H:%M:%S}'" if hasattr(value, "year") else f"{value:f}"
