"""Brings the random cases of the rule into a warehouse, all of a date at once, and compares it with the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date

from include.base.batches import Batch, ReadySet, Turn
from include.base.keys import SetKey
from include.warehouse.sql_files import Connection, query
from tests.support.rule_cases import (
    CHANGED,
    CHANGED_AND_BACK,
    GIVE_BACK,
    LOSE_FILES,
    READY,
    SPOIL,
    WHOLE,
    WITHDRAW,
    Case,
    Event,
    Model,
    Outcome,
    make_case,
)
from tests.support.staged_sets import Seen, an_hour_passes, rows, seen, wake

TRANSFORMS = ("0123456789ab", "ffffffffffff")
KINDS = ((WHOLE, False), (CHANGED, False), (CHANGED_AND_BACK, False), (CHANGED, True))
"""The dates of a run: which transform each round has, and whether loads fail."""
SHARES = (0.3, 0.35, 0.3, 0.05)
MOST_WAKES = 40


@dataclass
class Day:
    """All cases of a date, as far as their rounds have come."""

    connection: Connection
    seed: int
    day: int
    cases: Sequence[Case]
    deployed: Sequence[int]
    may_fail: bool
    amend: Callable[[str], str] = str
    ready: dict[tuple[int, SetKey], Seen] = field(default_factory=dict)
    withdrawn: dict[SetKey, str] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    spoilt: set[str] = field(default_factory=set)
    doomed: set[Turn] = field(default_factory=set)
    holders: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.models = {case.market: Model(case) for case in self.cases}

    def differences(self) -> Iterator[str]:
        """What the warehouse has otherwise than the model, after each round."""
        for now, transform in enumerate(self.deployed):
            for case in self.cases:
                for event in case.rounds[now]:
                    self._happens(case, event, now, transform)
            wakes = self._settle(now, transform)
            if wakes > (MOST_WAKES if self.may_fail else 1):
                yield f"seed {self.seed}, date {self.day}, round {now}: {wakes} wakes planned something"
            yield from self._compare(now, transform)

    def _happens(self, case: Case, event: Event, now: int, transform: int) -> None:
        made = self._set(case, event, now, transform)
        key = made.ready.key
        if event.what == READY:
            self.ready[transform, key] = made
            if event.is_doomed:
                self.doomed.add(made.ready.turn)
            else:
                self.lost.discard(made.set_id)
                self.spoilt.discard(made.set_id)
        elif event.what == WITHDRAW:
            self.withdrawn[key] = "by hand"
        elif event.what == GIVE_BACK:
            del self.withdrawn[key]
        elif event.what in (LOSE_FILES, SPOIL):
            last = [each for each in self.models[case.market].loads if each.extraction == event.extraction][-1]
            (self.lost if event.what == LOSE_FILES else self.spoilt).add(key.set_id(TRANSFORMS[last.transform]))

    def _set(self, case: Case, event: Event, now: int, transform: int) -> Seen:
        extraction = case.extractions[event.extraction]
        is_first = all(
            each.extraction != event.extraction or each.what != READY for past in case.rounds[:now] for each in past
        )
        first = (1 + case.number) * 100 + event.extraction  # no zpid is 0
        return seen(
            dict.fromkeys(range(first, first + event.clean), 100000),
            market=case.market,
            day=self.day,
            hour=extraction.hour,
            waited=extraction.waited,
            run=extraction.run,
            claimed=extraction.claimed,
            version=TRANSFORMS[transform],
            reasons=["price_missing"] * event.rejected,
            replay=None if is_first else f"20261123T{now:02d}0000Z-aaaaaa",
        )

    def _settle(self, now: int, transform: int) -> int:
        """Wakes the load until it plans nothing, an hour apart; returns how many wakes planned something."""
        its = [each for (version, _), each in self.ready.items() if version == transform]
        for wakes in range(MOST_WAKES + 1):
            planned = wake(
                self.connection,
                its,
                f"{self.seed} {self.day} {now} {wakes}",
                withdrawn=self.withdrawn,
                retries=1,
                has_files=lambda ready: ready.set_id not in self.lost,
                cannot_load=self._cannot_load,
                amend=self.amend,
                day=self.day,
            )
            if not planned:
                return wakes
            self._note_holders()
            if self.may_fail:
                an_hour_passes(self.connection)
        return MOST_WAKES + 1

    def _cannot_load(self, batch: Batch) -> bool:
        def is_bad(each: ReadySet) -> bool:
            return each.turn in self.doomed or (each.set_id in batch.returning and each.set_id in self.spoilt)

        return any(map(is_bad, batch.sets))

    def _note_holders(self) -> None:
        for market, set_id in self._held().items():
            line = self.holders.setdefault(market, [])
            if line[-1:] != [set_id]:
                line.append(set_id)

    def _held(self) -> dict[str, str]:
        where = f"snapshot_date = '{date(2026, 11, self.day)}' and verdict = 'holds' and status = 'loaded'"
        return dict(rows(self.connection, f"select market, set_id from core.load_audit where {where}"))  # type: ignore[arg-type]

    def _compare(self, now: int, transform: int) -> Iterator[str]:
        audit, snapshots = self._found()
        for case in self.cases:
            model = self.models[case.market]
            model.happens(now, transform)
            found = audit.get(case.market, {})
            held = [name for name, outcome in found.items() if outcome.verdict == "holds"]
            kept = model.holder[:2] if model.holder else None
            model.decide(next(iter(held), None) if self.may_fail else kept)
            expected = model.outcomes()
            there = {model.holder[:2]: model.holder.clean} if model.holder and model.holder.clean else {}
            if (expected, there) != (found, snapshots.get(case.market, {})):
                yield (
                    f"seed {self.seed}, case {case.number}, date {self.day}, round {now}: expected {expected}, "
                    f"{there} rows; found {found}, {snapshots.get(case.market, {})} rows. {case}"
                )

    def _found(self) -> tuple[dict[str, dict[tuple[int, int], Outcome]], dict[str, dict[tuple[int, int], int]]]:
        """The audit's outcomes and the rows of each set in the snapshots, by market, extraction and transform."""
        names = {
            seen_set.set_id: (case.market, number, transform)
            for case in self.cases
            for number, _ in enumerate(case.extractions)
            for transform in (0, 1)
            for seen_set in [self._set(case, Event(READY, number), 0, transform)]
        }
        outcomes: dict[str, dict[tuple[int, int], Outcome]] = {}
        counts: dict[str, dict[tuple[int, int], int]] = {}
        where = f"where snapshot_date = '{date(2026, 11, self.day)}'"
        sql = (
            "select set_id, verdict, clean, accepted, superseded, withdrawn, superseded_by, should_hold "
            f"from core.load_audit {where} and status = 'loaded'"
        )
        with closing(self.connection.cursor()) as cursor:
            for row in query(cursor, sql):
                market, *name = names[row.pop("set_id")]
                for other in ("superseded_by", "should_hold"):
                    row[other] = names[row[other]][1:] if row[other] else None
                outcomes.setdefault(market, {})[tuple(name)] = Outcome(**row)
            for row in query(
                cursor, f"select set_id, count(*) as found from core.listing_snapshots {where} group by set_id"
            ):
                market, *name = names[row["set_id"]]
                counts.setdefault(market, {})[tuple(name)] = row["found"]
        self.connection.rollback()
        return outcomes, counts


def days(connection: Connection, seed: int, cases: int, amend: Callable[[str], str] = str) -> Iterator[Day]:
    """The dates of a run with so many cases."""
    first = 0
    for at, ((deployed, may_fail), share) in enumerate(zip(KINDS, SHARES, strict=True)):
        count = round(cases * share)
        made = [make_case(seed, number, deployed, may_fail) for number in range(first, first + count)]
        yield Day(connection, seed, 1 + at, made, deployed, may_fail, amend)
        first += count


def changes(day: Day) -> Counter[int]:
    """How many cases changed their holder how often."""
    return Counter(len(day.holders.get(case.market, [None])) - 1 for case in day.cases)
