"""What one wake of the load takes: which sets together, which in halves, which return to a day that is theirs again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

from include.base.batches import Batch, Exclusion, ReadySet, Suspicion, Turn
from include.base.keys import SetKey
from include.warehouse.days import NO_DAY, days, holder
from include.warehouse.rows_held import Holding

MOST_BARE = 100
"""Days that one wake decides anew without a set; the next one goes on."""


@dataclass(frozen=True)
class Known:
    """What the ledgers say of a date.

    - `ready`: its ready sets, each as its newest replay brought it.
    - `loaded`: the sets that the audit has, with their rows in core.
    - `suspects`: the turns whose batches failed since they were loaded, if they were.
    - `withdrawn`: the sets that a person withdrew, with the reason.
    - `has_files`: whether the clean files of a ready set are still there; asked only of sets that return.
    """

    ready: Collection[ReadySet]
    loaded: Collection[Holding] = ()
    suspects: Mapping[Turn, Suspicion] = field(default_factory=dict)
    withdrawn: Mapping[SetKey, str] = field(default_factory=dict)
    has_files: Callable[[ReadySet], bool] = lambda ready: True


def batches(known: Known, *, retries: int | None, run_id: str) -> list[Batch]:
    """What one wake loads: all unsuspected sets together, each batch that failed in halves; empty when all is settled.

    A set waits when the audit does not have its turn. With it come the days that the warehouse has otherwise than
    the rule: their rightful sets, loaded once and superseded since, are loaded again.

    Halved again and again, the bad set stands alone in the end: only then a failure counts against it. A set that
    failed alone is tried by every wake until it failed in `retries` hours of the clock more (None: however many), then
    it waits for a person.
    """
    return _Planner(known, retries, run_id).batches()


class _Planner:
    def __init__(self, known: Known, retries: int | None, run_id: str) -> None:
        self.known, self.retries, self.run_id = known, retries, run_id
        self.ready = {each.key: each for each in known.ready}
        self.turns = {each.turn for each in known.loaded}
        self.days = days(known.loaded, known.withdrawn)

    def batches(self) -> list[Batch]:
        waiting = self._waiting()
        touched = {each.key.partition for each in waiting if each.turn not in self.known.suspects}
        due, bare = self._unsettled(self.days.keys() - touched)
        together, failed = [], defaultdict(list)
        for each in sorted((*waiting, *due), key=lambda each: (each.observed_at, each.set_id)):
            if suspicion := self.known.suspects.get(each.turn):
                failed[suspicion.batch_id].append(each)
            else:
                together.append(each)
        groups = [together] if together else []
        groups += [half for sets in failed.values() for half in _halves(sets)]
        # Each by itself: it holds up no set, and none of the others.
        return [self._batch(sets, []) for sets in groups] + [self._batch([], [each]) for each in bare[:MOST_BARE]]

    def _waiting(self) -> list[ReadySet]:
        """Ready sets whose turn is not loaded, but for the given up; of those that were withdrawn none that failed."""
        return [
            each
            for each in self.known.ready
            if each.turn not in self.turns
            and not self._is_given_up(each.turn)
            and not (each.key in self.known.withdrawn and each.turn in self.known.suspects)
        ]

    def _unsettled(self, partitions: Iterable[str]) -> tuple[list[ReadySet], list[str]]:
        """What the warehouse has otherwise than the rule: sets that return, and days to decide anew without a set."""
        due, bare = [], []
        for partition in sorted(partitions):
            picked, _ = self._pick(partition, [], lambda turn: not self._is_given_up(turn))
            if isinstance(picked, ReadySet):
                due.append(picked)
            elif not self.days[partition].is_held_by(picked):
                bare.append(partition)
        return due, bare

    def _batch(self, sets: list[ReadySet], bare: list[str]) -> Batch:
        """The batch with the sets that return to their days because of it.

        To a set that failed alone nothing returns: who spoiled the batch would not be known.
        """
        of_day: dict[str, list[ReadySet]] = {partition: [] for partition in bare}
        for each in sets:
            of_day.setdefault(each.key.partition, []).append(each)
        suspects = self.known.suspects
        failed_alone = len(sets) == 1 and sets[0].turn in suspects and suspects[sets[0].turn].hours_alone > 0
        returning: list[ReadySet] = [each for each in sets if each.turn in self.turns]
        exclusions: list[Exclusion] = []
        withdrawn = self.known.withdrawn.keys()
        for partition, its in of_day.items():
            picked, lacking = self._pick(partition, its, lambda turn: not failed_alone and turn not in suspects)
            if isinstance(picked, ReadySet) and picked not in its:
                returning.append(picked)
                sets = [*sets, picked]
            exclusions += [Exclusion(each.key, None) for each in lacking]
            sets_known = {each.key for each in its} | {each.key for each in self.days.get(partition, NO_DAY).loaded}
            exclusions += [Exclusion(key, self.known.withdrawn[key]) for key in sorted(sets_known & withdrawn)]
        return Batch(
            _batch_id(self.run_id, sets, bare, exclusions),
            self.run_id,
            tuple(sets),
            days=tuple(bare),
            exclusions=tuple(exclusions),
            returning=tuple(each.set_id for each in returning),
        )

    def _pick(
        self, partition: str, sets: list[ReadySet], may_return: Callable[[Turn], bool]
    ) -> tuple[ReadySet | Holding | None, list[Holding]]:
        """Who holds a day once `sets` are loaded, and the loaded sets that cannot, as their rows cannot be had.

        A `Holding` keeps the day with the rows that core has; a `ReadySet` is to be loaded, if it returns once more.
        """
        day = self.days.get(partition, NO_DAY)
        brought = [each for each in sets if each.key not in self.known.withdrawn]
        keys = {each.key for each in sets}
        others = {each: self._returned(each, may_return) for each in day.counting if each.key not in keys}
        can = [each for each, ready in others.items() if each.is_at_hand or ready]
        looks: list[ReadySet | Holding] = [*brought, *others]
        picked = holder(looks)
        if isinstance(picked, Holding) and not self._is_to_be_had(picked, others[picked]):
            can = [each for each in can if self._is_to_be_had(each, others[each])]
            looks = [*brought, *can]
            picked = holder(looks)
        if isinstance(picked, Holding) and not picked.is_at_hand:
            picked = others[picked]
        return picked, [each for each in others if each not in can]

    def _is_to_be_had(self, loaded: Holding, ready: ReadySet | None) -> bool:
        """Whether core has the rows of a loaded set, or a load can bring them."""
        return loaded.is_at_hand or (ready is not None and self.known.has_files(ready))

    def _returned(self, loaded: Holding, may_return: Callable[[Turn], bool]) -> ReadySet | None:
        """A loaded set as it would be loaded once more; None when another transform cleaned it last, or it may not."""
        ready = self.ready.get(loaded.key)
        if ready is None or ready.set_id != loaded.set_id or not may_return(loaded.turn):
            return None
        return replace(ready, replay=loaded.replay)

    def _is_given_up(self, turn: Turn) -> bool:
        suspicion = self.known.suspects.get(turn)
        return suspicion is not None and suspicion.is_given_up(self.retries)


def _halves(sets: list[ReadySet]) -> list[list[ReadySet]]:
    middle = len(sets) // 2
    return [half for half in (sets[:middle], sets[middle:]) if half]


def _batch_id(run_id: str, sets: Iterable[ReadySet], bare: Iterable[str], exclusions: Iterable[Exclusion]) -> str:
    """Names a batch by its run and what it decides: a cleared run that plans something else gets another name."""
    names = ["~".join(filter(None, each.turn)) for each in sets]
    names += [*bare, *(f"{each.key.name} {each.reason}" for each in exclusions)]
    return sha256("\n".join([run_id, *names]).encode()).hexdigest()[:16]
