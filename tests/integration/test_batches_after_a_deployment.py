"""Batches that a person clears later: after another transform was deployed, or after their load was committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from include.base.batches import Batch, InvalidBatch, Suspicion
from include.base.settings import resources
from include.load import steps
from include.warehouse.audit import suspicions
from include.warehouse.sql_files import CHECK_FILES, LOAD_FILES, Connection, render
from tests.support.examples import ENVIRONMENT
from tests.support.staged_sets import HUMBLE, batch_of, core, load, loaded_turns, rows, seen, stage

OLD, NEW = "ffffffffffff", "000000000000"
REPLAYS = ("20261123T080000Z-aaaaaa", "20261123T090000Z-aaaaaa")


@pytest.fixture
def deploy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Deploys a version of the transform."""

    def deployed(version: str) -> None:
        for name, value in (ENVIRONMENT | {"LISTINGS_TRANSFORM_VERSION": version}).items():
            monkeypatch.setenv(name, value)
        resources.cache_clear()

    yield deployed
    resources.cache_clear()


def load_again(connection: Connection, batch: Batch) -> dict[str, Any]:
    """What the task `load` does."""
    rendered = {"load": LOAD_FILES, "checks": CHECK_FILES}
    texts = {what: [render(name, batch) for name in names] for what, names in rendered.items()}
    return steps.load(connection, batch.to_dict(), texts)


def test_the_old_cleaning_does_not_come_over_the_new_one(
    core_tables: Connection, deploy: Callable[[str], None]
) -> None:
    """A batch planned and staged before a deployment is refused after it, staged anew or not; `core` stays."""
    deploy(OLD)
    old = stage(core_tables, "old", seen({1: 100}, version=OLD))
    deploy(NEW)
    load(core_tables, "new", seen({1: 200}, version=NEW))
    before = core(core_tables)

    words = f"batch old was planned before the deployment of transform {NEW}: .*{OLD} .*clear plan_batches"
    with pytest.raises(InvalidBatch, match=words):
        load_again(core_tables, old)
    with pytest.raises(InvalidBatch, match=words):
        steps.create_staging(core_tables, old.to_dict())
    assert before == core(core_tables)


def test_a_loaded_batch_gives_its_receipt_after_a_deployment(
    core_tables: Connection, deploy: Callable[[str], None]
) -> None:
    """A `load` that was killed after its commit can be cleared, whatever was deployed meanwhile."""
    deploy(OLD)
    first = seen({1: 100}, version=OLD)
    receipt = load(core_tables, "old", first)
    deploy(NEW)

    assert receipt.to_dict() == load_again(core_tables, batch_of("old", first))


@pytest.mark.parametrize(("turn", "loaded"), [((None, None), True), (REPLAYS, True), (REPLAYS[::-1], False)])
def test_what_is_loaded_is_no_suspect(core_tables: Connection, turn: tuple[str | None, ...], loaded: bool) -> None:
    """Of a batch that failed after its commit nobody is told that it is not in core; an older turn does not count."""
    its, since = turn
    first = seen({1: 100}, replay=its)
    load(core_tables, "since", replace(first, ready=replace(first.ready, replay=since)))

    words = steps.record_suspects(core_tables, batch_of("batch", first).to_dict(), "killed").words

    assert loaded == ("all its sets are loaded: nothing is lost; clear its `load`" in words)
    assert loaded == ([] == suspects(core_tables))


def test_of_a_failed_batch_only_what_is_missing_is_suspect(core_tables: Connection) -> None:
    """A set that came in by another batch is neither recorded nor named."""
    there, missing = seen({1: 100}), seen({2: 100}, market=HUMBLE)
    load(core_tables, "first", there)

    words = steps.record_suspects(core_tables, batch_of("batch", there, missing).to_dict(), "killed").words

    assert [missing.set_id] == suspects(core_tables)
    assert (True, False) == (missing.set_id in words, there.set_id in words)
    assert {there.ready.turn} == set(loaded_turns(core_tables, "2026-11-22"))
    assert {missing.ready.turn: Suspicion("batch", 1)} == suspicions(core_tables, date(2026, 11, 22))


def suspects(connection: Connection) -> list[str]:
    """The sets that the audit has as suspect."""
    return [str(row[0]) for row in rows(connection, "select set_id from core.load_audit where status = 'suspect'")]
