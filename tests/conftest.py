"""The folder is the marker: a test in tests/sql is marked `sql`, and so on. And who works beside whom.

With pytest-xdist a file's tests stay together, and so do the end-to-end tests, which share one stack; chaos has a
stack of its own. The longest come first.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
LONGEST_FIRST = ("e2e", "integration", "dags", "infra")


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks each test with the name of its folder; a name that pyproject.toml does not know is an error."""
    for item in items:
        path = item.path.relative_to(TESTS)
        item.add_marker(path.parts[0])
        item.add_marker(pytest.mark.xdist_group(_together(path)))
    items.sort(key=_turn)


def _together(path: Path) -> str:
    """Whose tests one worker runs, one after the other."""
    return "e2e" if path.parts[0] == "e2e" and path.stem != "test_chaos" else str(path)


def _turn(item: pytest.Item) -> tuple[int, bool]:
    """Where a test's group stands; what is equal stays in its order."""
    folder = item.path.relative_to(TESTS).parts[0]
    turn = LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)
    return turn, item.path.stem == "test_chaos"
