"""The tables as the migrations leave them, read by a parser of SQL."""

import re

import sqlglot
from sqlglot import exp

from include.warehouse.sql_files import DDL_FILES, render


def tables() -> dict[str, list[tuple[str, str, bool]]]:
    """The columns of every table after all migrations: name, type as the contract spells it, NOT NULL."""
    found = {}
    for name in DDL_FILES:
        for statement in sqlglot.parse(render(name), dialect="redshift"):
            if isinstance(statement, exp.Create) and statement.kind == "TABLE":
                schema = statement.this
                found[schema.this.sql()] = [_column(c) for c in schema.expressions]
            if isinstance(statement, exp.Alter):
                found[statement.this.sql()] += [_column(c) for c in statement.args["actions"]]
    return found


def _column(column: exp.ColumnDef) -> tuple[str, str, bool]:
    kind = re.sub(r", ", ",", column.kind.sql(dialect="redshift")).replace("INT8", "BIGINT")
    required = any(isinstance(c.kind, exp.NotNullColumnConstraint) for c in column.constraints)
    return column.name, kind, required
