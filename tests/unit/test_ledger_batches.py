"""What a wake loads: which sets together, which alone, which wait for a person."""

from dataclasses import replace

import pytest

from include.batches import ReadySet, Turn
from include.ledger import batches, is_given_up
from tests.unit.examples import KEY, ready_set


def ready(market: str, observed_at: str = "2026-11-22T06:00:05Z") -> ReadySet:
    """A ready set of a market."""
    return ready_set(replace(KEY, market=market), observed_at=observed_at)


def planned(
    sets: list[ReadySet], suspects: dict[str, int] | None = None, retries: int | None = 2, loaded: tuple[str, ...] = ()
) -> list[list[str]]:
    """The markets of each batch of a wake."""
    named = {ready(market).turn: failures for market, failures in (suspects or {}).items()}
    done = [ready(market).turn for market in loaded]
    found = batches(sets, loaded=done, suspects=named, retries=retries, run_id="run")
    return [[each.market for each in batch.sets] for batch in found]


def test_unsuspected_sets_load_together_as_they_were_seen() -> None:
    """All that waits is one batch, in the order in which it was observed."""
    sets = [ready("c", "2026-11-22T06:00:07Z"), ready("a", "2026-11-22T06:00:09Z"), ready("b", "2026-11-22T06:00:05Z")]

    assert [["b", "c", "a"]] == planned(sets)


def test_what_is_loaded_is_not_loaded_again() -> None:
    """Sets that the audit has are left out, and with nothing else waiting there is no batch."""
    assert [["b"]] == planned([ready("a"), ready("b")], loaded=("a",))
    assert [] == planned([ready("a")], loaded=("a",))
    assert [] == planned([])


@pytest.mark.parametrize(("loaded", "expected"), [(None, [["a"]]), ("first", [["a"]]), ("second", [])])
def test_a_replay_waits_although_the_set_is_loaded(loaded: str | None, expected: list[list[str]]) -> None:
    """What counts is the turn: by its first load, or by an earlier replay, a set is not loaded by this one."""
    replayed = replace(ready("a"), replay="second")
    found = batches([replayed], loaded=[Turn(replayed.set_id, loaded)], suspects={}, retries=2, run_id="run")

    assert expected == [[each.market for each in batch.sets] for batch in found]


def test_a_replay_of_a_suspect_is_no_suspect() -> None:
    """A set that was given up is loaded with the others when it is replayed; only its own failures count."""
    sets = [ready("a"), replace(ready("b"), replay="second")]
    suspects = {Turn(sets[1].set_id, None): 9}

    [batch] = batches(sets, loaded=(), suspects=suspects, retries=2, run_id="run")
    assert tuple(sets) == batch.sets


def test_each_suspect_loads_alone() -> None:
    """A set that was in a failed batch gets a batch of its own, so that the bad one names itself."""
    assert [["a", "d"], ["b"], ["c"]] == planned([ready(market) for market in "abcd"], suspects={"b": 1, "c": 2})


@pytest.mark.parametrize(("failures", "expected"), [(1, [["a"]]), (2, [["a"]]), (3, [])])
def test_a_suspect_is_tried_alone_for_two_hours(failures: int, expected: list[list[str]]) -> None:
    """After the hour of its first failure a set may fail in two more, then it waits for a person."""
    assert expected == planned([ready("a")], suspects={"a": failures})


def test_a_person_can_have_it_tried_again() -> None:
    """Without a limit on retries, a set that was given up is tried alone once more."""
    assert [["a"]] == planned([ready("a")], suspects={"a": 99}, retries=None)


def test_a_set_without_a_failure_is_no_suspect() -> None:
    """A set that the audit knows with no failure loads with the others."""
    assert [["a", "b"]] == planned([ready("a"), ready("b")], suspects={"a": 0})


def batch_ids(run_id: str, sets: list[ReadySet], suspect: ReadySet) -> list[str]:
    """The ids of a wake's batches, of which the last is the suspect's."""
    found = batches(sets, loaded=(), suspects={suspect.turn: 1}, retries=2, run_id=run_id)
    assert {run_id} == {batch.run_id for batch in found}
    return [batch.batch_id for batch in found]


def test_a_batch_is_named_after_its_run_and_its_sets() -> None:
    """A run that is cleared and plans the same gives the same names; another run or another set gives others."""
    a, b, c = (ready(market) for market in "abc")
    # printf 'run\nzillow56/%s/2026-11-22/20261122T060003Z-1f3a9c/aaaaaaaaaaaa' b | sha256sum
    together, alone = batch_ids("run", [a, c, b], b)

    assert "bbf1637961776b4d" == alone
    assert [together, alone] == batch_ids("run", [b, a, c], b)
    fewer = batch_ids("run", [a, b], b)
    assert (alone, True) == (fewer[1], together != fewer[0])
    assert set() == {together, alone, fewer[0]} & set(batch_ids("another run", [a, b, c], b))


@pytest.mark.parametrize(
    ("failures", "retries", "expected"), [(0, 0, False), (1, 0, True), (2, 2, False), (3, 2, True), (9, None, False)]
)
def test_given_up_is_one_hour_more_than_retries(failures: int, retries: int | None, expected: bool) -> None:
    """In the first hour it failed in company: only those that follow are retries."""
    assert expected == is_given_up(failures, retries)
