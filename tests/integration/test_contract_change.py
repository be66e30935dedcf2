"""A contract that changes: old sets are refused, cleaned again they bring the new column to its place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from include.contract.listing import load_contract
from include.warehouse.migrations import migrate
from include.warehouse.sql_files import Connection
from tests.support.changed_contract import changed_copy
from tests.support.copied_sets import copied
from tests.support.staged_sets import drop_all, load_staged, rows, seen
from tests.support.warehouse_fixture import Warehouse

SNAPSHOTS = "select snapshot_date, price, is_auction, raw_position from core.listing_snapshots order by 1"
FEES = "select split_part(set_id, '/', 5), hoa_fee from core.{} order by snapshot_date"


@pytest.fixture
def as_it_was(core_tables: Connection) -> Iterator[Connection]:
    """The warehouse, and after the test the tables of the contract as it is."""
    yield core_tables
    core_tables.rollback()
    drop_all(core_tables)
    migrate(core_tables)


def run(folder: Path, *command: str) -> str:
    """What a Python program says that is run inside the copy."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def test_a_new_column_arrives_by_cleaning_again(warehouse: Warehouse, as_it_was: Connection, tmp_path: Path) -> None:
    """The migration adds it, the old cleaning is refused, the new one fills it; what was not replayed has null."""
    load_staged(as_it_was, copied(warehouse, as_it_was, "b1", seen({1: 100}), seen({1: 90}, day=23)))
    before = rows(as_it_was, SNAPSHOTS)
    folder = changed_copy(tmp_path / "changed")
    arguments = (str(warehouse.port), warehouse.ministack.endpoint, load_contract().version)

    said = json.loads(run(folder, "-m", "tests.support.changed_contract", *arguments))

    assert (1, 1) == (len(said["applied"]), said["accepted"])
    assert f"cleaned under contract {load_contract().version}, the tables have contract 9." in said["refused"]
    assert before == rows(as_it_was, SNAPSHOTS)
    assert [("newtransform", Decimal("250.50")), ("0123456789ab", None)] == rows(
        as_it_was, FEES.format("listing_snapshots")
    )
    assert [("0123456789ab", None)] == rows(as_it_was, FEES.format("listings"))


def test_the_steps_satisfy_the_projects_own_checks(tmp_path: Path) -> None:
    """In the changed copy contract, tables and load files agree, as tests/sql sees it."""
    folder = changed_copy(tmp_path / "changed")

    run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/sql/test_ddl_and_contract.py")
