"""Reads docs/permissions.md: what it says of each statement, and of each grant that the stand-in does not guard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.needed_grants import Grant, Statement

PAGE = Path(__file__).resolve().parents[2] / "docs" / "permissions.md"
NOT_ENFORCED = "Not enforced locally"
TAKEN_AWAY, AWS = "taken away", "AWS"
"""The two kinds of proof."""
DENIED = "(denied)"


@dataclass(frozen=True)
class Row:
    """A row about a statement: under its holder's heading, or in the table of what is not enforced."""

    holder: str
    sid: str
    actions: frozenset[str]
    on: frozenset[str]
    words: str
    proof: str
    is_denial: bool


def rows(text: str) -> list[Row]:
    """The rows of the tables under the holders' headings."""
    return [
        Row(holder, _name(sid), _names(actions), _names(on), words, proof, DENIED in actions)
        for holder, cells in _cells(text)
        if holder != NOT_ENFORCED
        for sid, actions, on, words, proof in [cells]
    ]


def not_enforced_rows(text: str) -> list[Row]:
    """The rows of the table of what is not enforced."""
    return [
        Row(_name(holder), _name(sid), _names(actions), _names(on), words, page, DENIED in actions)
        for heading, cells in _cells(text)
        if heading == NOT_ENFORCED
        for holder, sid, actions, on, words, page in [cells]
    ]


def not_enforced() -> set[Grant]:
    """Each grant that stands in the table of what is not enforced."""
    return {
        Grant(row.holder, row.sid, action, resource)
        for row in not_enforced_rows(PAGE.read_text(encoding="utf-8"))
        if not row.is_denial
        for action in row.actions
        for resource in row.on
    }


def on(statement: Statement) -> frozenset[str]:
    """What a row's third column names: resources, who is let in, and the keys of conditions."""
    return frozenset((*statement.resources, *statement.principals, *statement.conditions))


def _cells(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each table row with the heading it stands under; head and rule of a table are left out."""
    heading = ""
    for line in text.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ").strip("`")
        elif line.startswith("| `"):
            yield heading, [cell.strip() for cell in line.strip("|").split(" | ")]


def _names(cell: str) -> frozenset[str]:
    return frozenset(re.findall(r"`([^`]+)`", cell))


def _name(cell: str) -> str:
    [name] = _names(cell)
    return name
