"""Replays against the local Redshift: sets that are loaded already are loaded again, as they were or cleaned anew."""

from __future__ import annotations

from collections import Counter

import pytest

from include.sql_files import Connection
from include.warehouse import InvalidBatch, loaded_turns, record_suspects, suspect_attempts
from tests.integration.staged_sets import HUMBLE, audit, batch_of, core, load, rows, seen, stage


def test_a_replay_is_a_turn_of_its_own(core_tables: Connection) -> None:
    """A set loaded again by a replay is loaded by that turn alone, and replaced only itself."""
    load(core_tables, "b1", seen({1: 100}), seen({2: 200}, market=HUMBLE))
    before = core(core_tables)
    replayed = seen({1: 100}, replay="20261123T080000Z-aaaaaa")
    load(core_tables, "b2", replayed)

    assert before == core(core_tables)
    assert {
        (replayed.set_id, "20261123T080000Z-aaaaaa"),
        (seen({}, market=HUMBLE).set_id, None),
    } == loaded_turns(core_tables, "2026-11-22")


def test_a_replay_that_fails_is_suspect_by_its_own_turn(core_tables: Connection) -> None:
    """What failed in a replay does not make the set suspect as it is loaded, nor its next replay."""
    load(core_tables, "b1", seen({1: 100}))
    failed = seen({1: 100}, replay="20261123T080000Z-aaaaaa")
    record_suspects(core_tables, batch_of("b2", failed), "by hand")
    assert {failed.ready.turn: 1} == suspect_attempts(core_tables, "2026-11-22")

    load(core_tables, "b3", failed)
    assert {} == suspect_attempts(core_tables, "2026-11-22")


def test_whoever_holds_the_day_supersedes_all_others(core_tables: Connection) -> None:
    """Three extractions of a day name the newest, in whatever order they came, and after it was cleaned again too."""
    first, second, third = (seen({1: 100 + hour}, hour=hour) for hour in (6, 9, 12))
    for number, each in enumerate((first, third, second)):
        load(core_tables, f"b{number}", each)
    assert {first.set_id: third.set_id, second.set_id: third.set_id, third.set_id: None} == {
        name: row[3] for name, row in audit(core_tables).items()
    }

    again = seen({1: 112}, hour=12, version="ffffffffffff")
    load(core_tables, "b3", again)
    assert {None: 1, again.set_id: 3} == Counter(row[3] for row in audit(core_tables).values())


@pytest.mark.parametrize("contract", ["", "0.9.0"])
def test_what_another_contract_shaped_is_not_staged(core_tables: Connection, contract: str) -> None:
    """A set cleaned under another contract, or one that does not say which, is refused before any COPY."""
    with pytest.raises(InvalidBatch, match=r"houston-tx.* was cleaned under contract .* replay its date"):
        stage(core_tables, "b1", seen({1: 100}, contract_version=contract))

    assert [] == rows(core_tables, "select batch_id from staging.batches")
