"""What load_listings tells: which batch a task has, what an event carries, whom a failed batch concerns."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import jinja2
import pytest

from include.base.batches import Batch
from include.base.settings import resources
from include.load import steps
from include.warehouse.sql_files import LOAD_FILES
from tests.support.examples import ENVIRONMENT, KEY, ready_set
from tests.support.xcoms import Instance

SETS = [ready_set(replace(KEY, market=f"m-{number}")) for number in (0, 1)]
BATCHES = [Batch(f"acba25512100_{number}", "run", (each,)) for number, each in enumerate(SETS)]


class _TaskInstance:
    """An instance of a task in the mapped group, the second one unless it is said which."""

    def __init__(self, map_index: int = 1) -> None:
        self.id, self.map_index, self.pulls = uuid4(), map_index, 0

    def xcom_pull(self, *, task_ids: str) -> list[dict[str, Any]]:
        """What plan_batches returned, through JSON."""
        assert "plan_batches" == task_ids
        self.pulls += 1
        return json.loads(json.dumps([batch.to_dict() for batch in BATCHES]))


def test_each_instance_has_its_own_batch() -> None:
    """Whatever the process ran before, an instance's batch is that of its place in the mapped group."""
    assert [BATCHES[1], BATCHES[0], BATCHES[1]] == [steps.batch_of(_TaskInstance(place)) for place in (1, 0, 1)]


def test_the_plan_is_pulled_once_for_all_templates_of_a_task() -> None:
    """A load renders a template per SQL file, and each has its batch in sight."""
    instance = _TaskInstance()
    for template in steps.templates(LOAD_FILES):
        named = jinja2.Template(template.partition("%}")[0] + "%}{{ batch.batch_id }}")
        assert BATCHES[1].batch_id == named.render(batch_of=steps.batch_of, ti=instance)
    assert 1 == instance.pulls


def test_each_instance_copies_by_its_own_manifests(monkeypatch: pytest.MonkeyPatch) -> None:
    """The COPY manifests are those of the instance's batch, in the clean bucket."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    resources.cache_clear()

    source = steps.copy_of(_TaskInstance())
    resources.cache_clear()

    assert (
        steps.CopySource(
            "clean", "loads/batch=acba25512100_1/listings.manifest", "loads/batch=acba25512100_1/rejects.manifest"
        )
        == source
    )


def test_an_event_does_not_grow_with_the_markets() -> None:
    """The event of a batch of 500 sets carries sums, in less than 300 bytes."""
    one = {"staged": 38, "accepted": 37, "superseded": 1, "withdrawn": 0, "staged_rejects": 2, "set_id": "x" * 100}
    receipt = {"batch_id": "acba25512100_0", "sets": [one] * 500}

    summary = steps.summary(receipt)
    assert {
        "batch_id": "acba25512100_0",
        "sets": 500,
        "staged": 19_000,
        "accepted": 18_500,
        "superseded": 500,
        "withdrawn": 0,
        "staged_rejects": 1_000,
    } == summary
    assert len(json.dumps(summary)) < 300


@pytest.mark.parametrize(
    ("sets", "fault", "words"),
    [
        (1, "CheckFailed: 040_accepted_counts", ["CheckFailed: 040_accepted_counts", "m-0", "by each wake"]),
        (1, None, ["is not in core: a task of the batch died without a word: see its log. ", "m-0"]),
        (25, "boom", ["m-0", "m-19", " and 5 more", "to be loaded in halves at once"]),
    ],
)
def test_a_failed_batch_names_its_sets(
    monkeypatch: pytest.MonkeyPatch, sets: int, fault: str | None, words: list[str]
) -> None:
    """The message tells the reason and the sets, at most twenty by name; the audit gets the same reason.

    Where there are halves to load, a partition of the batch wakes the load.
    """
    recorded: list[Any] = []
    monkeypatch.setattr(steps, "audit", SimpleNamespace(record_suspects=lambda *told: recorded.append(told)))
    monkeypatch.setattr(steps, "loaded_sets", lambda *_: ())
    batch = Batch("b", "run", tuple(ready_set(replace(KEY, market=f"m-{number}")) for number in range(sets)))

    suspects = steps.record_suspects(None, batch.to_dict(), fault)
    message = suspects.words

    assert words == [each for each in words if each in message]
    assert message.endswith("trigger load_listings with the partition key all|2026-11-22")
    assert "m-20" not in message
    assert ("zillow56/m-0|2026-11-22" if sets > 1 else None) == suspects.partition
    [(_, failed, reason)] = recorded
    assert (batch, True) == (failed, reason in message)


def test_a_fault_is_noted_before_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exception of a load is passed on; whoever asks for it is told the task, its kind and its words."""

    def fail(*_: object) -> None:
        raise ValueError("three listings twice")

    monkeypatch.setattr(steps, "batch_load", SimpleNamespace(load_batch=fail, is_staged=lambda *_: False))
    failed = Instance("load_batch.load", map_index=1)

    with pytest.raises(ValueError, match="three listings twice"), steps.fault_noted(failed):
        steps.load(None, BATCHES[0].to_dict(), {"load": [], "checks": []})
    asking = Instance("load_batch.record_suspects", map_index=1, left=failed.left)
    assert "load_batch.load: ValueError: three listings twice" == steps.noted_fault(
        asking, ["load_batch.copy_listings", "load_batch.load"]
    )


def test_what_goes_well_notes_nothing() -> None:
    """Without a failure there is no XCom, and nobody is told anything."""
    done = Instance("load_batch.load")
    with steps.fault_noted(done):
        pass

    assert ({}, None) == (done.left, steps.noted_fault(done, ["load_batch.load"]))


def test_a_batch_is_not_told_the_fault_of_another() -> None:
    """Each instance of the mapped group finds what its own tasks left, and of its own only the tasks named."""
    failed = Instance("load_batch.copy_rejects", map_index=1)
    with pytest.raises(ValueError, match="no Parquet"), steps.fault_noted(failed):
        raise ValueError("no Parquet")
    own, other = (Instance("load_batch.record_suspects", index, failed.left) for index in (1, 0))

    assert "load_batch.copy_rejects: ValueError: no Parquet" == steps.noted_fault(own, ["load_batch.copy_rejects"])
    assert steps.noted_fault(own, ["load_batch.load"]) is None
    assert steps.noted_fault(other, ["load_batch.copy_rejects"]) is None


def test_a_long_fault_is_cut() -> None:
    """What is noted has at most 2,000 characters, the first ones."""
    failed = Instance("load")
    with pytest.raises(ValueError, match="x"), steps.fault_noted(failed):
        raise ValueError("x" * 5_000)

    noted = steps.noted_fault(failed, ["load"])
    assert noted is not None
    assert (2_000, True) == (len(noted), noted.startswith("load: ValueError: xxx"))


def test_templates_see_their_own_batch() -> None:
    """Each SQL file is included with the instance's batch in sight, in order."""
    assert [
        "{% set batch = batch_of(ti) %}{% include 'load/010_lock.sql' %}",
        "{% set batch = batch_of(ti) %}{% include 'load/020_winners.sql' %}",
    ] == steps.templates(["load/010_lock.sql", "load/020_winners.sql"])
