"""Random cases of "which set holds a day", and a model of the rule that says what must come out of each.

A case is a market on one date: a handful of extractions, and what happens to them in rounds, each of which ends with
the load woken until it is settled. The model knows sets by small numbers only and shares no code with the project.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

READY, WITHDRAW, GIVE_BACK, LOSE_FILES, SPOIL = "ready", "withdraw", "give back", "lose files", "spoil"
WHOLE, CHANGED, CHANGED_AND_BACK = (0, 0, 0, 0, 0), (0, 0, 1, 1, 1), (0, 0, 1, 0, 0)
"""Which transform is deployed in each round."""


class Extraction(NamedTuple):
    """When it began, by its id; how many hours later its first page came; how many listings the API claimed."""

    hour: int
    run: str
    waited: int
    claimed: int | None

    @property
    def age(self) -> tuple[int, int, str]:
        """The order of the looks: by the first page, then by the id."""
        return self.hour + self.waited, self.hour, self.run


class Event(NamedTuple):
    """What happens to an extraction. With READY: how many rows are clean and rejected, and if its load always fails.

    SPOIL: the set is loaded, but fails whenever it is loaded once more.
    """

    what: str
    extraction: int
    clean: int = 0
    rejected: int = 0
    is_doomed: bool = False


class Load(NamedTuple):
    """A cleaning of an extraction that the warehouse took, with the round that brought it."""

    extraction: int
    transform: int
    clean: int
    round: int


class Outcome(NamedTuple):
    """What `core.load_audit` says of a loaded set."""

    verdict: str
    clean: int
    accepted: int
    superseded: int
    withdrawn: int
    superseded_by: tuple[int, int] | None
    should_hold: tuple[int, int] | None


@dataclass(frozen=True)
class Case:
    """`rounds` has the events of each; `fails`: some load of it does."""

    number: int
    extractions: tuple[Extraction, ...]
    rounds: tuple[tuple[Event, ...], ...]

    @property
    def market(self) -> str:
        return f"case-{self.number:05d}-tx"


def make_case(seed: int, number: int, deployed: Sequence[int], may_fail: bool) -> Case:
    """The case of this number and seed, always the same."""
    chance = random.Random(f"{seed}/{number}")
    whole = chance.choice([10, 20])
    extractions = tuple(
        Extraction(
            hour=chance.choice([5, 6, 6, 9, 12]),
            run=f"{chance.randrange(16**6):06x}",
            waited=chance.choice([0, 0, 0, 1, 7]),
            claimed=chance.choice([None, 0, whole, 10**6]),
        )
        for _ in range(chance.randint(2, 5))
    )
    script = _Script(chance, whole, deployed, may_fail)
    arrives = {each: chance.choice([0, 0, 1, 2, 3, 4, 9]) for each in range(len(extractions))}
    rounds = tuple(
        tuple(
            event
            for each in chance.sample(range(len(extractions)), len(extractions))
            if (event := script.event(each, now, arrives[each]))
        )
        for now in range(len(deployed))
    )
    return Case(number, extractions, rounds)


@dataclass
class _Script:
    """What may happen next to an extraction. One whose round never comes is held at a gate for good."""

    chance: random.Random
    whole: int
    deployed: Sequence[int]
    may_fail: bool
    last: dict[int, tuple[int, Event]] = field(default_factory=dict)
    withdrawn: set[int] = field(default_factory=set)

    def event(self, extraction: int, now: int, arrives: int) -> Event | None:
        if now < arrives:
            return self._withdraw(extraction) if not self.may_fail and self.chance.random() < 0.02 else None
        if now == arrives:
            return self._ready(extraction, now)
        transform, before = self.last[extraction]
        if extraction in self.withdrawn:
            return self._give_back(extraction)
        roll = self.chance.random()
        if roll < (0.3 if transform != self.deployed[now] else 0.12):
            return self._ready(extraction, now)
        if roll < 0.42 and not before.is_doomed:
            return self._withdraw(extraction)
        if roll < 0.5 and not before.is_doomed:
            return Event(SPOIL if self.may_fail else LOSE_FILES, extraction)
        return None

    def _withdraw(self, extraction: int) -> Event | None:
        is_news = extraction not in self.withdrawn
        self.withdrawn.add(extraction)
        return Event(WITHDRAW, extraction) if is_news else None

    def _give_back(self, extraction: int) -> Event | None:
        if self.chance.random() < 0.5:
            return None
        self.withdrawn.discard(extraction)
        return Event(GIVE_BACK, extraction)

    def _ready(self, extraction: int, now: int) -> Event:
        """The first cleaning, or a replay: as it was, but where another transform cleans it."""
        transform, whole = self.deployed[now], self.whole
        before = self.last.get(extraction)
        clean = self.chance.choice([whole] * 3 + [whole * 9 // 10, whole * 9 // 10 - 1, whole * 8 // 10 + 1, 5, 1, 0])
        rejected = self.chance.choice([0, 0, 0, 5])
        if before and before[0] == transform:
            clean, rejected = before[1].clean, before[1].rejected
        event = Event(READY, extraction, clean, rejected, self.may_fail and self.chance.random() < 0.1)
        self.last[extraction] = transform, event
        return event


@dataclass
class Model:
    """What design says of a case, told round by round what happens."""

    case: Case
    loads: list[Load] = field(default_factory=list)
    withdrawn: set[int] = field(default_factory=set)
    lost: set[tuple[int, int]] = field(default_factory=set)
    transform: int = 0
    holder: Load | None = None

    def happens(self, now: int, transform: int) -> None:
        """Takes in a round's events; what is ready is loaded, but for what fails."""
        self.transform = transform
        for event in self.case.rounds[now]:
            if event.what == READY and not event.is_doomed:
                self.loads = [each for each in self.loads if each[:2] != (event.extraction, transform)]
                self.loads.append(Load(event.extraction, transform, event.clean, now))
                self.lost.discard((event.extraction, transform))
            elif event.what == WITHDRAW:
                self.withdrawn.add(event.extraction)
            elif event.what == GIVE_BACK:
                self.withdrawn.remove(event.extraction)
            elif event.what in (LOSE_FILES, SPOIL):
                self.lost.add(self._last(event.extraction)[:2])

    def decide(self, kept: tuple[int, int] | None) -> None:
        """Says who holds the day; `kept` is the cleaning whose rows the warehouse has from before."""
        counting = self._counting()
        self.holder = self._first(counting)
        if self.holder and not self._can_come(self.holder, kept):
            self.holder = self._first(each for each in counting if self._can_come(each, kept))

    def outcomes(self) -> dict[tuple[int, int], Outcome]:
        """What the audit must say, by extraction and transform."""
        return {each[:2]: self._outcome(each) for each in self.loads}

    def _outcome(self, load: Load) -> Outcome:
        clean, rightful = load.clean, self._first(self._counting())
        if load.extraction in self.withdrawn:
            return Outcome("withdrawn", clean, 0, 0, clean, None, None)
        wanted = rightful[:2] if rightful and rightful != self.holder else None
        if load == self.holder:
            return Outcome("holds", clean, clean, 0, 0, None, wanted)
        holder = self.holder[:2] if self.holder else None
        return Outcome(self._why_not(load, rightful), clean, 0, clean, 0, holder, wanted)

    def _why_not(self, load: Load, rightful: Load | None) -> str:
        if load != self._last(load.extraction):
            return "cleaned_again"
        if load == rightful or self.holder is None:
            return "not_at_hand"
        kept = self.holder[:2]
        rivals = self._counting()
        if self.holder != rightful:
            rivals = [each for each in rivals if self._can_come(each, kept)]
        if _is_poor(load, rivals):
            return "poorer"
        return "older" if self._age(load) < self._age(self.holder) else "not_at_hand"

    def _counting(self) -> list[Load]:
        last = {each.extraction: each for each in self.loads}
        return [each for extraction, each in last.items() if extraction not in self.withdrawn]

    def _can_come(self, load: Load, kept: tuple[int, int] | None) -> bool:
        """An empty set has no rows to be brought."""
        is_there = load[:2] == kept or load.clean == 0
        return is_there or (load.transform == self.transform and load[:2] not in self.lost)

    def _last(self, extraction: int) -> Load:
        return [each for each in self.loads if each.extraction == extraction][-1]

    def _first(self, loads: Iterable[Load]) -> Load | None:
        """The newest that lacks no more than a tenth of the fullest."""
        rivals = sorted(loads, key=self._age, reverse=True)
        return next((each for each in rivals if not _is_poor(each, rivals)), None)

    def _age(self, load: Load) -> tuple[int, int, str]:
        return self.case.extractions[load.extraction].age


def _is_poor(load: Load, rivals: Iterable[Load]) -> bool:
    return any(other.clean - load.clean > Fraction(other.clean, 10) for other in rivals)
