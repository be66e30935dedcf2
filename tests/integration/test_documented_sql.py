"""Each SQL statement that the documentation shows runs as `make sql` sends it."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from include.warehouse.sql_files import Connection
from tests.support.mart_builds import build
from tests.support.ministack import LAMBDA_PYTHON, PROJECT_ROOT
from tests.support.staged_sets import load, seen
from tests.support.warehouse_fixture import SECRETS, Warehouse

# psql is of the stand-in's environment.
OPEN = """
import os, sys
from local.commands.psql import command
words = command(int(sys.argv[1]), *sys.argv[2:])
os.execv(words[0], words)
"""
DOCUMENTS = {"README.md": "loader", "docs/analysis.md": "reader"}


def shown(document: str) -> list[str]:
    """The SQL of a document: each block's statements."""
    blocks = re.findall(r"^```sql\n(.*?)^```$", (PROJECT_ROOT / document).read_text(), re.MULTILINE | re.DOTALL)
    return [
        statement.strip() for block in blocks for statement in re.split(r"(?<=;)[^\n]*\n", block) if statement.strip()
    ]


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        pytest.param(role, statement, id=f"{document}-{number}")
        for document, role in DOCUMENTS.items()
        for number, statement in enumerate(shown(document), 1)
    ],
)
def test_a_shown_statement_runs(mart_tables: Connection, warehouse: Warehouse, role: str, statement: str) -> None:
    """psql answers it with a table, as the role that the document names."""
    load(mart_tables, "b1", seen({1: 200_000, 2: 300_000}, claimed=2))
    build(mart_tables)
    done = subprocess.run(
        [str(LAMBDA_PYTHON), "-c", OPEN, str(warehouse.port), role, statement],
        cwd=PROJECT_ROOT,
        env={**os.environ, "PGPASSWORD": SECRETS[role]},
        capture_output=True,
        text=True,
    )
    assert (0, "") == (done.returncode, done.stderr)
    assert re.search(r"^\(\d+ rows?\)$", done.stdout, re.MULTILINE)


def test_documents_show_statements() -> None:
    """None of the documents has lost its SQL: else nothing would be run above."""
    assert {"README.md": 3, "docs/analysis.md": 5} == {document: len(shown(document)) for document in DOCUMENTS}
