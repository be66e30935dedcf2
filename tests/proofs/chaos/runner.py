"""Runs seeds against one stack: an undisturbed run of each scene, then the disturbed ones, each compared with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

from local.stack import Stack, free_ports
from tests.proofs.chaos.comparison import broken_rules, listings_differ, rejects_differ
from tests.proofs.chaos.plan import CALENDAR_DAYS, Calendar, Disturbance, Scene
from tests.proofs.chaos.report import UNDISTURBED, Outcome
from tests.proofs.chaos.settling import NOT, Settling
from tests.proofs.chaos.victims import Killed, kill_one, wait_until_replaced
from tests.proofs.chaos.watch import Watch, now

# Everything that is waited for, made short; nothing else is other than in a stack of its own.
SETTINGS = {
    "LISTINGS_RECONCILE_AFTER": "15",
    "LISTINGS_HALF_EXTRACTED_AFTER": "15",
    "LISTINGS_RECONCILE_DAYS": str(CALENDAR_DAYS),
    "LISTINGS_SENSE_POKE_INTERVAL": "5",
    "LISTINGS_SENSE_TIMEOUT": "180",
}
AIRFLOW_SETTINGS = {
    # A task whose process is gone is noticed after 30 s instead of 300.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    # What a dead scheduler had queued is looked for every 10 s instead of 300.
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
}
TABLES = ("listing_snapshots", "listings", "listing_history", "listing_rejects", "load_audit")
FIRST_RUN = 300.0


class UndisturbedFailed(RuntimeError):
    """A run that nobody disturbed did not reach the warehouse: there is nothing to compare with."""


@contextmanager
def chaos_stack(home: Path, say: Callable[[str], None]) -> Iterator[Stack]:
    """A stack of its own that is up, and is taken down in the end; its data and logs stay in `home`."""
    stack = Stack(home, free_ports(), say=say, settings=SETTINGS, airflow_settings=AIRFLOW_SETTINGS)
    try:
        stack.up()
        yield stack
    finally:
        stack.down()


class Runner:
    """One stack, and the undisturbed runs that it has made so far."""

    def __init__(self, stack: Stack) -> None:
        self._watch = Watch(stack)
        self._stack = stack
        self._undisturbed: dict[int, float] = {}
        self._calendar = Calendar(now().date())
        self._watch.airflow.pause("extract_listings", False)

    def undisturbed(self, scene: Scene) -> float:
        """Seconds that the scene takes undisturbed; the first time it is asked for, it is run."""
        if scene.number not in self._undisturbed:
            self._undisturbed[scene.number] = self._run_undisturbed(scene, self._calendar.undisturbed(scene))
        return self._undisturbed[scene.number]

    def warm_up(self, scene: Scene) -> None:
        """Runs the scene once more, undisturbed, as another date: from then on nothing starts for the first time."""
        self._run_undisturbed(scene, self._calendar.warm_up())

    def run(self, what: Disturbance) -> Outcome:
        """Disturbs one run, waits until it has settled, and compares."""
        scene, usual = what.scene, self.undisturbed(what.scene)
        day = self._calendar.disturbed(what.seed)
        self._watch.set_clock()
        started, begin = now(), time.monotonic()
        run_id = self._watch.extract(scene, day)
        time.sleep(max(0.0, what.moment * usual - (time.monotonic() - begin)))
        killed = self._kill(what, day, begin + 3 * usual)
        moment, killed_at = time.monotonic() - begin, now()
        replaced = wait_until_replaced(self._stack, killed) if killed and killed.program else None
        settled = Settling(self._watch, scene, day, run_id, started, killed_at, usual).settle()
        if not killed and settled.how != NOT:
            settled.how = UNDISTURBED
        if killed and killed.program and replaced is None:
            settled.diagnosis.append(f"supervisord did not bring {killed.program} back within a minute")
        outcome = Outcome(
            seed=what.seed,
            kind=what.kind,
            markets=f"{scene.source}: {'; '.join(scene.locations)}",
            moment=moment,
            undisturbed_seconds=usual,
            victim=self._describe(killed, started),
            replaced=replaced,
            settled=settled,
            seconds=time.monotonic() - begin,
        )
        self._compare(outcome, self._calendar.undisturbed(scene), day, scene)
        return outcome

    def _run_undisturbed(self, scene: Scene, day: date) -> float:
        self._watch.set_clock()
        begin = time.monotonic()
        self._watch.extract(scene, day)
        while not scene.markets <= self._watch.loaded(scene.source, day):
            if time.monotonic() - begin > FIRST_RUN:
                raise UndisturbedFailed(
                    f"{scene} is not loaded after {FIRST_RUN:.0f} s: look into {self._stack.home.logs}"
                )
            time.sleep(0.2)
        return time.monotonic() - begin

    def _kill(self, what: Disturbance, day: date, deadline: float) -> Killed | None:
        scene = what.scene

        def is_over() -> bool:
            return time.monotonic() > deadline or scene.markets <= self._watch.loaded(scene.source, day)

        return kill_one(self._stack, what.kind, what.choice, is_over)

    def _describe(self, killed: Killed | None, started: datetime) -> str:
        if killed is None:
            return "nothing"
        return f"{killed.words} {self._watch.task_named(killed.task, started)}" if killed.task else killed.words

    def _compare(self, outcome: Outcome, expected: date, actual: date, scene: Scene) -> None:
        def of(table: str, day: date) -> Sequence[dict[str, object]]:
            return self._watch.rows(
                f"select * from core.{table} where source = %s and snapshot_date = %s", scene.source, day
            )

        outcome.listings = listings_differ(of("listing_snapshots", expected), of("listing_snapshots", actual))
        outcome.rejects = rejects_differ(of("listing_rejects", expected), of("listing_rejects", actual))
        outcome.broken = broken_rules({table: self._watch.rows(f"select * from core.{table}") for table in TABLES})
