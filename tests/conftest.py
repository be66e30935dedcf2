"""The folder is the marker: a test in tests/sql is marked `sql`, and so on."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks each test with the name of its folder; a name that pyproject.toml does not know is an error."""
    for item in items:
        item.add_marker(item.path.relative_to(TESTS).parts[0])
