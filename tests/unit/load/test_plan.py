"""What a wake loads: which sets together, which alone, which wait for a person."""

from dataclasses import replace
from datetime import datetime

import pytest

from include.base.batches import Batch, Exclusion, ReadySet, Suspicion, Turn
from include.base.keys import SetKey
from include.load.plan import Known, batches
from tests.support.examples import KEY, OTHER_VERSION, VERSION, ready_set
from tests.support.sets_on_their_way import holding


def ready(market: str, observed_at: str = "2026-11-22T06:00:05Z") -> ReadySet:
    """A ready set of a market."""
    return ready_set(replace(KEY, market=market), observed_at=observed_at)


def planned(
    sets: list[ReadySet],
    suspects: dict[str, tuple[str, int]] | None = None,
    retries: int | None = 2,
    loaded: tuple[str, ...] = (),
) -> list[list[str]]:
    """The markets of each batch of a wake; `suspects`: the batch that failed last, and in how many hours alone."""
    named = {ready(market).turn: Suspicion(*known) for market, known in (suspects or {}).items()}
    done = [holding(ready(market).set_id) for market in loaded]
    found = batches(Known(sets, done, named), retries=retries, run_id="run")
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
    found = batches(Known([replayed], [holding(replayed.set_id, replay=loaded)]), retries=2, run_id="run")

    assert expected == [[each.market for each in batch.sets] for batch in found]


def test_a_replay_of_a_suspect_is_no_suspect() -> None:
    """A set that was given up is loaded with the others when it is replayed; only its own failures count."""
    sets = [ready("a"), replace(ready("b"), replay="second")]
    suspects = {Turn(sets[1].set_id, None): Suspicion("old", 9)}

    [batch] = batches(Known(sets, suspects=suspects), retries=2, run_id="run")
    assert tuple(sets) == batch.sets


def test_a_batch_that_failed_comes_in_halves() -> None:
    """The halves of each failed batch are batches of their own, beside what is not suspected; two become one each."""
    first = dict.fromkeys("bcdef", ("first", 0))
    assert [["a"], ["b", "c"], ["d", "e", "f"]] == planned([ready(market) for market in "abcdef"], suspects=first)
    second = {**first, "d": ("second", 0), "e": ("second", 0)}
    assert [["b"], ["c", "f"], ["d"], ["e"]] == planned([ready(market) for market in "bcdef"], suspects=second)


def test_what_of_a_failed_batch_is_loaded_is_not_loaded_with_its_half() -> None:
    """A set that came in by another batch is left out of the halves."""
    suspects = dict.fromkeys("abc", ("first", 0))
    assert [["a"], ["c"]] == planned([ready(market) for market in "abc"], suspects=suspects, loaded=("b",))


@pytest.mark.parametrize(("hours", "expected"), [(0, [["a"]]), (1, [["a"]]), (2, [["a"]]), (3, [])])
def test_a_suspect_is_tried_alone_for_two_hours_more(hours: int, expected: list[list[str]]) -> None:
    """After the hour in which it first failed alone a set may fail in two more, then it waits for a person."""
    assert expected == planned([ready("a")], suspects={"a": ("b", hours)})


def test_a_person_can_have_it_tried_again() -> None:
    """Without a limit on retries, a set that was given up is tried alone once more."""
    assert [["a"]] == planned([ready("a")], suspects={"a": ("b", 99)}, retries=None)


@pytest.mark.parametrize("bad", [{"m-0007"}, {"m-0000", "m-0550", "m-1099"}, {f"m-{each:04d}" for each in range(1100)}])
def test_1100_sets_that_failed_together_all_arrive_but_the_bad(bad: set[str]) -> None:
    """Halved wake by wake, each bad set stands alone in the end, no good one is left, and no wake plans over 1,100."""
    waiting = {each.turn: each for each in (ready(f"m-{number:04d}") for number in range(1100))}
    suspects: dict[Turn, Suspicion] = {}
    wakes, alone = 0, set()
    while alone != bad:
        wakes += 1
        plan = batches(Known(list(waiting.values()), suspects=suspects), retries=2, run_id=f"run {wakes}")
        assert len(plan) <= 1100
        assert set(waiting) == {each.turn for batch in plan for each in batch.sets}
        for batch in plan:
            if bad & {each.market for each in batch.sets}:
                alone |= {batch.sets[0].market} if len(batch.sets) == 1 else set()
                suspects |= dict.fromkeys((each.turn for each in batch.sets), Suspicion(batch.batch_id, 0))
            else:
                for each in batch.sets:
                    del waiting[each.turn]

    assert bad == {each.market for each in waiting.values()}
    assert wakes <= 12  # the first, and eleven halvings: 2 ** 11 is more than 1,100


def batch_ids(run_id: str, sets: list[ReadySet], suspect: ReadySet) -> list[str]:
    """The ids of a wake's batches, of which the last is the suspect's."""
    found = batches(Known(sets, suspects={suspect.turn: Suspicion("failed", 1)}), retries=2, run_id=run_id)
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
    ("hours", "retries", "expected"), [(0, 0, False), (1, 0, True), (2, 2, False), (3, 2, True), (9, None, False)]
)
def test_given_up_is_one_hour_more_than_retries(hours: int, retries: int | None, expected: bool) -> None:
    """In the first hour that it failed alone it named itself: only those that follow are retries."""
    assert expected == Suspicion("b", hours).is_given_up(retries)


# A day of houston: 820 rows at six, superseded by 745 at noon.
SIX, NOON, FIVE = (replace(KEY, extract_id=f"20261122T{hour}0000Z-aaaaaa") for hour in ("06", "12", "05"))
LOADED = (
    holding(SIX.set_id(VERSION), 0, 820, "older"),
    holding(NOON.set_id(VERSION), 745, 745),
)


def look(key: SetKey, clean: int, replay: str | None = None, version: str = VERSION) -> ReadySet:
    """A ready set of the day, seen at the hour that its extraction names."""
    hour = key.extract_id[9:11]
    found = ready_set(key, version, observed_at=f"2026-11-22T{hour}:00:00Z", replay=replay)
    return replace(found, clean=clean, landed=clean, rejected=0, duplicates=0)


READY = (look(SIX, 820), look(NOON, 745))


def hours(batch: Batch) -> list[str]:
    """The hours of the sets of a batch."""
    return [each.extract_id[9:11] for each in batch.sets]


def test_a_set_returns_with_the_one_that_makes_its_day_its_own() -> None:
    """A late 830 of five o'clock makes 745 the poorer look, and 820 of six the newest of the full ones."""
    [batch] = batches(Known([*READY, look(FIVE, 830)], LOADED), retries=2, run_id="run")

    assert (["05", "06"], (SIX.set_id(VERSION),)) == (hours(batch), batch.returning)
    assert [FIVE.extract_id] == [each.extract_id for each in batch.suspects]
    assert () == batch.exclusions


def test_a_late_set_that_changes_nothing_comes_alone() -> None:
    """827 of five o'clock leave noon its day: nine tenths of it are 744.3."""
    [batch] = batches(Known([*READY, look(FIVE, 827)], LOADED), retries=2, run_id="run")

    assert (["05"], ()) == (hours(batch), batch.returning)


@pytest.mark.parametrize(
    ("known", "why"),
    [
        (Known([READY[1], look(FIVE, 830)], LOADED), "an earlier transform cleaned it"),
        (Known([*READY, look(FIVE, 830)], LOADED, has_files=lambda ready: ready.clean != 820), "its files are gone"),
        (
            Known([*READY, look(FIVE, 830)], LOADED, {look(SIX, 820).turn: Suspicion("failed", 1)}),
            "it failed since it was loaded",
        ),
        (
            Known([*READY, look(FIVE, 830)], LOADED, {look(FIVE, 830).turn: Suspicion("failed", 1)}),
            "the other failed alone: who spoiled the batch?",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_return_is_said_to_the_load(known: Known, why: str) -> None:
    """The late set comes without it, and the load knows that six o'clock cannot hold the day."""
    found = [batch for batch in batches(known, retries=2, run_id="run") if "05" in hours(batch)]

    assert [(["05"], (Exclusion(SIX, None),))] == [(hours(batch), batch.exclusions) for batch in found], why


def test_a_withdrawn_holder_leaves_its_day_to_the_next() -> None:
    """Without any set that waits: six o'clock returns by its first turn, and noon is said to be withdrawn."""
    [batch] = batches(Known(READY, LOADED, withdrawn={NOON: "bad"}), retries=2, run_id="run")

    assert (["06"], (Exclusion(NOON, "bad"),), ()) == (hours(batch), batch.exclusions, batch.days)
    assert (SIX.set_id(VERSION), None) == batch.suspects[0].turn


def test_a_day_without_any_set_is_decided_without_one() -> None:
    """With both withdrawn nothing is loaded, and the day is still decided; once it is, nothing is planned."""
    withdrawn = {NOON: "bad", SIX: "bad"}
    [batch] = batches(Known(READY, LOADED, withdrawn=withdrawn), retries=2, run_id="run")
    assert ((), (KEY.partition,), 2) == (batch.sets, batch.days, len(batch.exclusions))

    done = [replace(each, rows=0, accepted=0, verdict="withdrawn") for each in LOADED]
    assert [] == batches(Known(READY, done, withdrawn=withdrawn), retries=2, run_id="run")
    # Given back, both count again.
    assert [["12"]] == [hours(each) for each in batches(Known(READY, done), retries=2, run_id="run")]


def test_a_held_replay_leaves_the_earlier_load_counting() -> None:
    """A replay of six o'clock failed too often; the set returns by the turn that was loaded before."""
    known = Known(
        [look(SIX, 820, "again"), READY[1], look(FIVE, 830)], LOADED, {look(SIX, 820, "again").turn: Suspicion("b", 9)}
    )
    [batch] = batches(known, retries=2, run_id="run")

    assert [("05", None), ("06", None)] == [(each.extract_id[9:11], each.replay) for each in batch.sets]


def test_a_set_that_returns_alone_and_fails_is_tried_like_any_other() -> None:
    """Three hours of failures, and the day stays with whoever has it."""
    torn = [LOADED[0], replace(LOADED[1], rows=700)]
    turn = READY[1].turn
    for hours_alone, expected in ((0, [["12"]]), (2, [["12"]]), (3, [["06"]])):
        known = Known(READY, torn, {turn: Suspicion("b", hours_alone)})
        assert expected == [hours(each) for each in batches(known, retries=2, run_id="run")]


def test_the_rightful_set_returns_whoever_else_cannot() -> None:
    """1,000 rows that cannot be brought still make 850 the poorer look: 900 of six is the newest of the full ones."""
    loaded = (
        holding(FIVE.set_id(OTHER_VERSION), 0, 1000, "not_at_hand"),
        holding(SIX.set_id(VERSION), 0, 900, "older"),
        holding(NOON.set_id(VERSION), 850, 850),
    )
    [batch] = batches(Known([look(SIX, 900), look(NOON, 850)], loaded), retries=2, run_id="run")

    assert (["06"], (Exclusion(FIVE, None),)) == (hours(batch), batch.exclusions)


def test_newest_is_who_was_seen_last_not_who_was_started_last() -> None:
    """An extraction of six that was cleared in the afternoon saw more lately than the one of noon."""
    late = replace(LOADED[0], observed=datetime(2026, 11, 22, 15))  # noqa: DTZ001 - as TIMESTAMP
    [batch] = batches(Known(READY, (late, LOADED[1])), retries=2, run_id="run")

    assert ["06"] == hours(batch)


def test_the_audit_learns_of_a_withdrawal_that_changes_no_rows() -> None:
    """The holder stays, and the day is decided anew, as the audit says that the other is older and not withdrawn."""
    [batch] = batches(Known(READY, LOADED, withdrawn={SIX: "bad"}), retries=2, run_id="run")

    assert ((), (KEY.partition,), (Exclusion(SIX, "bad"),)) == (batch.sets, batch.days, batch.exclusions)


def test_the_audit_learns_which_set_should_hold_the_day() -> None:
    """Noon is poorer than what an earlier transform cleaned: that cannot come, and is to be named, once."""
    loaded = [holding(SIX.set_id(OTHER_VERSION), 0, 900, "older"), holding(NOON.set_id(VERSION), 745, 745)]
    [batch] = batches(Known([READY[1]], loaded), retries=2, run_id="run")
    assert ((), (KEY.partition,), (Exclusion(SIX, None),)) == (batch.sets, batch.days, batch.exclusions)

    named = [replace(each, should_hold=SIX.set_id(OTHER_VERSION)) for each in loaded]
    assert [] == batches(Known([READY[1]], named), retries=2, run_id="run")


def test_a_set_returns_only_as_it_was_loaded() -> None:
    """Cleaned again by the deployed transform, and given up: its new files are not what the audit counts."""
    loaded = [holding(SIX.set_id(OTHER_VERSION), 0, 900, "older"), holding(NOON.set_id(VERSION), 745, 745)]
    known = Known(READY, loaded, {READY[0].turn: Suspicion("b", 9)})

    assert [[]] == [hours(batch) for batch in batches(known, retries=2, run_id="run")]


def test_a_withdrawn_set_is_loaded_and_does_not_count() -> None:
    """It comes into the audit, its rows counted as withdrawn, and calls nobody back; one that failed is left alone."""
    known = Known([*READY, look(FIVE, 830)], LOADED, withdrawn={FIVE: "bad"})
    [batch] = batches(known, retries=2, run_id="run")
    assert (["05"], (Exclusion(FIVE, "bad"),)) == (hours(batch), batch.exclusions)

    failed = replace(known, suspects={look(FIVE, 830).turn: Suspicion("b", 0)})
    assert [] == batches(failed, retries=2, run_id="run")


def test_nobody_returns_to_a_day_that_a_waiting_set_takes() -> None:
    """Noon is withdrawn, and 2,000 of five o'clock wait: six would be loaded for nothing."""
    known = Known([*READY, look(FIVE, 2000)], LOADED, withdrawn={NOON: "bad"})

    assert [["05"]] == [hours(batch) for batch in batches(known, retries=2, run_id="run")]


def test_a_batch_that_decides_otherwise_has_another_name() -> None:
    """Staging tables carry the name: of a cleared run whose sets are the same and whose withdrawals are not."""
    of = [batches(Known(READY, LOADED, withdrawn={NOON: why}), retries=2, run_id="run") for why in ("bad", "worse")]

    assert of[0][0].sets == of[1][0].sets
    assert of[0][0].batch_id != of[1][0].batch_id


def test_a_day_decided_without_a_set_holds_up_no_set() -> None:
    """It is a batch of its own, and so is each other such day; of many a wake takes a hundred."""
    markets = [replace(SIX, market=f"m-{number:03d}") for number in range(110)]
    loaded = [holding(key.set_id(VERSION), clean=9) for key in markets]
    known = Known([look(NOON, 745)], loaded, withdrawn=dict.fromkeys(markets, "bad"))
    found = batches(known, retries=2, run_id="run")

    assert (["12"], ()) == (hours(found[0]), found[0].days)
    assert [((), (key.partition,)) for key in markets[:100]] == [(batch.sets, batch.days) for batch in found[1:]]


def test_a_withdrawal_of_a_set_that_nobody_knows_is_left_out() -> None:
    """Put by hand under a name that no column holds, it stops no load."""
    strange = replace(SIX, extract_id="A" * 99)
    [batch] = batches(Known([look(NOON, 745)], withdrawn={strange: "bad"}), retries=2, run_id="run")

    assert () == batch.exclusions
