"""A warehouse with empty marts, and a build of them."""

from __future__ import annotations

from typing import Any

import pytest

from include.report import marts
from include.warehouse.sql_files import Connection
from tests.support.staged_sets import empty_marts


@pytest.fixture
def mart_tables(core_tables: Connection) -> Connection:
    """A connection to a migrated warehouse whose core and marts are empty."""
    empty_marts(core_tables)
    return core_tables


def build(connection: Connection, **options: Any) -> marts.MartBuild:
    """A build of the marts."""
    return marts.build(connection, run_id="test", **options)
