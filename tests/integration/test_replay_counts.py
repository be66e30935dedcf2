"""What `make replay` counts as come: the sets that were let through, loaded by that replay or by a later turn."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from include.warehouse.audit import record_suspects
from include.warehouse.sql_files import Connection
from local.commands.replay import Through, wait_until_loaded
from local.stack import StackError
from tests.support.staged_sets import HUMBLE, batch_of, load, seen
from tests.support.warehouse_fixture import SECRETS, Warehouse

EARLIER, OWN, LATER = (f"20261123T{hour}0000Z-aaaaaa" for hour in ("07", "08", "09"))


@pytest.fixture
def stack(warehouse: Warehouse) -> Any:
    """As much of a stack as the count needs."""
    ports, home = SimpleNamespace(redshift=warehouse.port), SimpleNamespace(secrets=lambda: SECRETS)
    return SimpleNamespace(ports=ports, home=home, ui_url="http://ui")


@pytest.mark.parametrize("turn", [OWN, LATER])
def test_a_set_loaded_by_a_later_turn_has_come(core_tables: Connection, stack: Any, turn: str) -> None:
    """A newer turn takes the place of this one, which never loads: the set is counted at once."""
    there = seen({1: 100}, replay=turn)
    load(core_tables, "b1", there)
    load(core_tables, "b2", seen({2: 100}, market=HUMBLE, replay=turn))

    through = [Through(OWN, "2026-11-22", frozenset({there.set_id})), Through(OWN, "2026-11-23", frozenset())]
    assert ({"2026-11-22": 1, "2026-11-23": 0}, []) == wait_until_loaded(stack, through, 0.0)


@pytest.mark.parametrize("turn", [EARLIER, None])
def test_an_earlier_turn_does_not_count(core_tables: Connection, stack: Any, turn: str | None) -> None:
    """A set that was there before the replay is waited for, and in the end it is said how many came."""
    there = seen({1: 100}, replay=turn)
    load(core_tables, "b1", there)

    with pytest.raises(StackError, match="0 of the 1 sets let through were loaded or failed, and no other for 0 s"):
        wait_until_loaded(stack, [Through(OWN, "2026-11-22", frozenset({there.set_id}))], 0.0)


def test_a_set_that_failed_is_told_with_its_reason(core_tables: Connection, stack: Any) -> None:
    """It is not waited for."""
    failed = seen({1: 100}, replay=OWN)
    record_suspects(core_tables, batch_of("b1", failed), "a reason")

    found = wait_until_loaded(stack, [Through(OWN, "2026-11-22", frozenset({failed.set_id}))], 0.0)
    assert ({"2026-11-22": 0}, [f"{failed.set_id}: a reason"]) == found
