"""docs/faults.md: every fault that must have a row has one, and every row's test is there."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
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


def cases_in(path: Path, test: str) -> set[str]:
    """The ids that a test of a file is parametrised with, as they are written: pytest.param(…, id=…) and ids=[…]."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == test]
    found: set[str] = set()
    for decorator in (each for function in functions for each in function.decorator_list):
        lists = [named[each.id] for each in ast.walk(decorator) if isinstance(each, ast.Name) and each.id in named]
        for node in (each for tree in (decorator, *lists) for each in ast.walk(tree)):
            if isinstance(node, ast.keyword) and node.arg in ("id", "ids"):
                found |= {each.value for each in ast.walk(node.value) if isinstance(each, ast.Constant)}
    return found


def test_every_required_fault_has_one_row() -> None:
    """Nothing that the pipeline claims to bear is left without a row, and nothing has two."""
    table = rows(TABLE.read_text(encoding="utf-8"))
    for part, faults in REQUIRED.items():
        assert set() == faults - {row.fault for row in table if row.part == part}, part
    names = [(row.part, row.fault) for row in table]
    assert len(names) == len(set(names))


def test_every_row_names_a_test_that_is_there() -> None:
    """The test is a function of that name in that file of tests/, the case in brackets one of its own."""
    missing = []
    for row in rows(TABLE.read_text(encoding="utf-8")):
        named = re.fullmatch(r"(tests/[\w/]+/test_\w+\.py)::(test_\w+)(?:\[(.+)\])?", row.test)
        assert named is not None, f"{row.fault}: expected path::test_name or path::test_name[case], came {row.test!r}"
        path = ROOT / named[1]
        is_there = path.is_file() and named[2] in names_in(path)
        if not is_there or (named[3] and named[3] not in cases_in(path, named[2])):
            missing.append(f"{row.fault}: {row.test}")
    assert [] == missing


def test_no_two_rows_name_the_same_test() -> None:
    """Where one test makes several faults, each row names its own case."""
    named = [row.test for row in rows(TABLE.read_text(encoding="utf-8"))]
    assert [] == [test for test in named if named.count(test) > 1]


def test_every_row_says_what_happens_and_what_a_person_sees() -> None:
    """No cell is empty."""
    for row in rows(TABLE.read_text(encoding="utf-8")):
        assert all((row.part, row.fault, row.does, row.sees)), row


def test_a_torn_row_would_be_found() -> None:
    """A row whose test is named wrongly is among the missing ones."""
    assert [Row("A", "x", "y", "z", "t")] == rows("## A\n| fault | a | b | c |\n|---|---|---|---|\n| x | y | z | t |\n")
    assert "test_a_torn_row_would_be_found" in names_in(Path(__file__))
    assert "test_nobody_wrote_this" not in names_in(Path(__file__))


@pytest.mark.parametrize("fault", [pytest.param("a b", id="first case"), "no id"])
def test_cases_are_found(fault: str) -> None:
    """The ids of a test's cases, where they stand in the decorator and where they stand in a list with a name."""
    assert fault
    assert {"first case"} == cases_in(Path(__file__), "test_cases_are_found")
    task = ROOT / "tests" / "dags" / "test_extract_task.py"
    assert {"403", "401", "monthly quota", "404"} == cases_in(task, "test_what_waiting_does_not_cure_fails_at_once")
    assert {"503", "reset", "cut off"} == cases_in(task, "test_what_passes_is_repeated_inside_the_call")
    assert set() == cases_in(task, "test_patience_ends")
