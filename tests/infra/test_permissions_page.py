"""docs/permissions.md says of every statement of the template what it is, who needs it and how that is known."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.proofs.permissions.needed_cases import CASES
from tests.support.needed_grants import Statement, statements_of
from tests.support.needed_page import AWS, PAGE, TAKEN_AWAY, Row, not_enforced, not_enforced_rows, on, rows
from tests.support.template import read_template

TEXT = PAGE.read_text(encoding="utf-8")
ROWS = {(row.holder, row.sid): row for row in rows(TEXT)}
REASONS = {(row.holder, row.sid): row for row in not_enforced_rows(TEXT)}
STATEMENTS = {(statement.holder, statement.sid): statement for statement in statements_of(read_template())}


def test_every_statement_has_a_row_and_every_row_a_statement() -> None:
    """No statement of the template is missing from the page, and none of the page's is missing from the template."""
    assert len(ROWS) == len(rows(TEXT))
    assert sorted(STATEMENTS) == sorted(ROWS)


@pytest.mark.parametrize("name", sorted(STATEMENTS), ids=" ".join)
def test_row_says_what_the_template_says(name: tuple[str, str]) -> None:
    """A row names the statement's actions, resources, principals and condition keys, and what needs it."""
    statement, row = STATEMENTS[name], ROWS[name]
    assert (frozenset(statement.actions), on(statement)) == (row.actions, row.on)
    assert (statement.effect == "Deny") == row.is_denial
    assert row.words


@pytest.mark.parametrize("name", sorted(STATEMENTS), ids=" ".join)
def test_row_gives_the_proof_that_there_is(name: tuple[str, str]) -> None:
    """A row claims a case where there is one for each grant, and a page of AWS where there is none, or for the rest."""
    assert _proofs(STATEMENTS[name]) == set(ROWS[name].proof.split(", "))
    assert (AWS in _proofs(STATEMENTS[name])) == (name in REASONS)


def _proofs(statement: Statement) -> set[str]:
    """How a statement's grants are proved; a denial by AWS's page only."""
    guarded = [(grant.holder, grant.action, grant.resource) in CASES for grant in statement.grants]
    return {TAKEN_AWAY if case else AWS for case in guarded or [False]}


@pytest.mark.parametrize("row", REASONS.values(), ids=lambda row: f"{row.holder} {row.sid}")
def test_what_is_not_enforced_has_a_reason_and_a_page_of_aws(row: Row) -> None:
    """Each row of the last table says why the stand-in does not enforce it, links AWS's documentation, and is used."""
    assert row.words
    assert re.fullmatch(r"(<https://docs\.aws\.amazon\.com/[\w./-]+\.html> ?)+", row.proof)
    statement = STATEMENTS[row.holder, row.sid]
    assert row.actions <= set(statement.actions)
    assert row.on <= on(statement)


def test_no_grant_is_proved_twice() -> None:
    """What a case takes away does not stand among what is not enforced."""
    assert [] == [str(grant) for grant in not_enforced() if (grant.holder, grant.action, grant.resource) in CASES]


def test_the_page_is_read_whole() -> None:
    """A row that the reader of this page would pass over is no row: every line of a table is one that it takes."""
    lines: list[Any] = [line for line in TEXT.splitlines() if line.startswith("|")]
    heads = [line for line in lines if line.startswith(("| Sid ", "| holder ", "|---"))]
    assert len(lines) == len(heads) + len(ROWS) + len(REASONS)
