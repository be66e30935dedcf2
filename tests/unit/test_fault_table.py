"""docs/faults.md: every fault that must have a row has one, and every row's test is there."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs" / "faults.md"
REQUIRED = {
    "The API": {
        "401",
        "403",
        "404",
        "429 with Retry-After",
        "429 without Retry-After",
        "monthly quota",
        "500",
        "502",
        "time-out before the body",
        "time-out in the body",
        "connection reset",
        "truncated JSON",
        "HTML with status 200",
        "error body with status 200",
        "empty list",
        "the same page twice",
        "totalPages changing under way",
        "a duplicate across pages",
        "a page too large",
        "a gzip bomb",
    },
    "S3 and SQS": {"event twice", "events out of order", "event of S3 lost", "test event", "odd keys"},
    "The functions": {"poison page", "time-out", "out of memory", "throttled"},
    "The warehouse": {
        "connection cut in COPY, by the server",
        "connection cut in the merge",
        "disk full",
        "type mismatch",
        "lock",
    },
}


@dataclass(frozen=True)
class Row:
    """A line of the table, and the heading it stands under."""

    part: str
    fault: str
    does: str
    sees: str
    test: str


def rows(text: str) -> list[Row]:
    """The lines of every table, without headings and rules."""
    found, part = [], ""
    for line in text.splitlines():
        if line.startswith("## "):
            part = line.removeprefix("## ")
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and cells[0] != "fault":
            assert 4 == len(cells), f"four cells a row: {line}"
            found.append(Row(part, *cells))
    return found


def names_in(path: Path) -> set[str]:
    """The names of the test functions of a file, in classes too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_required_fault_has_one_row() -> None:
    """Nothing that the pipeline claims to bear is left without a row, and nothing has two."""
    table = rows(TABLE.read_text(encoding="utf-8"))
    for part, faults in REQUIRED.items():
        assert set() == faults - {row.fault for row in table if row.part == part}, part
    names = [(row.part, row.fault) for row in table]
    assert len(names) == len(set(names))


def test_every_row_names_a_test_that_is_there() -> None:
    """The test is a function of that name in that file of tests/."""
    missing = []
    for row in rows(TABLE.read_text(encoding="utf-8")):
        named = re.fullmatch(r"(tests/[\w/]+/test_\w+\.py)::(test_\w+)", row.test)
        assert named is not None, f"{row.fault}: expected path::test_name, came {row.test!r}"
        path = ROOT / named[1]
        if not path.is_file() or named[2] not in names_in(path):
            missing.append(f"{row.fault}: {row.test}")
    assert [] == missing


def test_every_row_says_what_happens_and_what_a_person_sees() -> None:
    """No cell is empty."""
    for row in rows(TABLE.read_text(encoding="utf-8")):
        assert all((row.part, row.fault, row.does, row.sees)), row


def test_a_torn_row_would_be_found() -> None:
    """A row whose test is named wrongly is among the missing ones."""
    assert [Row("A", "x", "y", "z", "t")] == rows("## A\n| fault | a | b | c |\n|---|---|---|---|\n| x | y | z | t |\n")
    assert "test_a_torn_row_would_be_found" in names_in(Path(__file__))
    assert "test_nobody_wrote_this" not in names_in(Path(__file__))
