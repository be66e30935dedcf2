"""What integration tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.core_fixtures import connect, core_tables, cut  # noqa: F401 - fixtures
from tests.integration.warehouse_fixture import Warehouse, running_warehouse


@pytest.fixture(scope="session")
def warehouse() -> Iterator[Warehouse]:
    """PostgreSQL, MiniStack and the Redshift endpoint, started once."""
    yield from running_warehouse()
