"""Which set holds a day of a market: the rule, in one place.

`sql/load/020_winners.sql` has it once more, as the load decides under its lock; the tests hold both to a third.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from include.base.keys import SetKey
from include.base.verdicts import HOLDS, WITHDRAWN
from include.warehouse.rows_held import Holding


class Look(Protocol):
    """What the rule asks of a set: when it was seen, by which extraction, and how many rows are clean."""

    @property
    def observed(self) -> datetime: ...

    @property
    def extract_id(self) -> str: ...

    @property
    def clean(self) -> int: ...


L = TypeVar("L", bound=Look)


def holder(looks: Iterable[L]) -> L | None:
    """The newest whose clean rows are at least nine tenths of the most that any has; None where there is none.

    So a poorer look does not replace a fuller one, whichever came first.
    """
    found = list(looks)
    most = max((each.clean for each in found), default=0)
    full = [each for each in found if 10 * each.clean >= 9 * most]
    return max(full, key=lambda each: (each.observed, each.extract_id), default=None)


def pick(looks: Collection[L], available: Collection[L]) -> L | None:
    """Of the `looks` the one that holds the day; where its rows cannot be had, the rule among the `available`."""
    rightful = holder(looks)
    return rightful if rightful in available else holder(available)


@dataclass(frozen=True)
class Day:
    """What is loaded for a day of a market, and why a person withdrew which extractions.

    `counting` has of each extraction the load that was last, but for those that were withdrawn.
    """

    loaded: tuple[Holding, ...]
    counting: tuple[Holding, ...]
    withdrawn: Mapping[SetKey, str]

    @property
    def rightful(self) -> Holding | None:
        """The set that should hold the day, of those that are loaded."""
        return holder(self.counting)

    def is_held_by(self, picked: Holding | None) -> bool:
        """Whether a load that gives the day to `picked` would change nothing: it has the day, whole, and alone.

        A holder that lost rows keeps the others while nobody can be brought in its place.
        """
        if picked is None and any(each.verdict == HOLDS for each in self.counting):
            return True
        rightful = self.rightful
        wanted = rightful.set_id if rightful and rightful != picked else None
        counting = [each for each in self.loaded if each.verdict != WITHDRAWN]
        return (
            [each.set_id for each in self.loaded if each.verdict == HOLDS] == ([picked.set_id] if picked else [])
            and all(each.rows == each.accepted for each in self.loaded)
            and all((each.verdict == WITHDRAWN) == (each.key in self.withdrawn) for each in self.loaded)
            and all(each.should_hold == wanted for each in counting)
        )


NO_DAY = Day((), (), {})


def days(loaded: Iterable[Holding], withdrawn: Mapping[SetKey, str]) -> dict[str, Day]:
    """The days of what is loaded, by their partitions."""
    found: dict[str, list[Holding]] = defaultdict(list)
    for each in loaded:
        found[each.key.partition].append(each)
    return {partition: _day(sets, withdrawn) for partition, sets in found.items()}


def _day(loaded: list[Holding], withdrawn: Mapping[SetKey, str]) -> Day:
    last: dict[SetKey, Holding] = {}
    for each in sorted(loaded, key=lambda each: (each.load_number, each.set_id)):
        last[each.key] = each
    out = {key: withdrawn[key] for key in last if key in withdrawn}
    return Day(tuple(loaded), tuple(each for key, each in last.items() if key not in out), out)
