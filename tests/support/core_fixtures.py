"""Fixtures of the tests that load into `core`: tables that are there and empty, connections, and how to lose one."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from include.warehouse.migrations import migrate
from include.warehouse.sql_files import Connection
from tests.support.staged_sets import empty_core
from tests.support.warehouse_fixture import Warehouse


@pytest.fixture
def connect(warehouse: Warehouse) -> Callable[[], Any]:
    """Opens a connection as the loader, as RedshiftSQLHook does."""
    return warehouse.driver


@pytest.fixture
def core_tables(warehouse: Warehouse) -> Iterator[Connection]:
    """A connection of the loader to a migrated warehouse whose `core` is empty."""
    connection = warehouse.driver()
    migrate(connection)
    empty_core(connection)
    yield connection
    connection.rollback()
    connection.close()


@pytest.fixture
def cut() -> Callable[[Any], None]:
    """Cuts a connection's line as a network does: no goodbye."""
    return lambda connection: connection._usock.shutdown(socket.SHUT_RDWR)
