"""How a disturbed run comes to rest: by itself, through reconcile_listings, through a person, or not."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from tests.proofs.chaos.plan import CALENDAR_DAYS, Scene
from tests.proofs.chaos.watch import ENDED, Watch, now

BY_ITSELF, RECONCILED, BY_A_PERSON, NOT = "by itself", "reconcile", "a person", "NOT"

# Longer than the heartbeat time-out, its detection, and a scheduler's start together: after that long without any
# change nothing but a clock or a person sets things going again.
STANDSTILL = 60.0
# Nothing runs, nothing is queued, all processes are up: an event still on its way shows within this time.
QUIET = 8.0
# A whole extraction with its loads, after it has been sent on.
LONGEST = 240.0
# On a machine so busy that a run takes longer than 30 s undisturbed, both are this many times as long as that.
STANDSTILL_RUNS, LONGEST_RUNS = 2, 8
RECONCILIATIONS = 3
PAUSE = 12.0


@dataclass
class Settled:
    """How it came to rest. `reconciliations` has the state of each run of reconcile_listings, in order."""

    how: str = NOT
    reconciliations: list[str] = field(default_factory=list)
    cleared: int = 0
    failed_runs: dict[str, int] = field(default_factory=dict)
    diagnosis: list[str] = field(default_factory=list)


class Settling:
    """One disturbed extraction, from the kill to its rest."""

    def __init__(
        self, watch: Watch, scene: Scene, day: date, run_id: str, started: datetime, killed: datetime, usual: float
    ) -> None:
        """`usual`: seconds that the run takes undisturbed."""
        self._standstill = max(STANDSTILL, STANDSTILL_RUNS * usual)
        self._longest = max(LONGEST, LONGEST_RUNS * usual)
        self._watch = watch
        self._scene = scene
        self._day = day
        self._run_id = run_id
        self._started = started
        self._killed = killed

    def settle(self) -> Settled:
        """Waits, then does what a clock and a person would do, one after the other, until every market is loaded."""
        settled = Settled()
        settled.how = self._through(settled)
        runs = self._watch.runs(self._started)
        settled.failed_runs = dict(Counter(run["dag_id"] for run in runs if run["state"] == "failed"))
        if settled.how == NOT:
            settled.diagnosis = self._diagnose(runs)
        return settled

    def _through(self, settled: Settled) -> str:
        self._rest(self._killed)
        if self._is_loaded():
            by_clock = any(run["dag_id"] == "reconcile_listings" for run in self._watch.runs(self._started))
            return RECONCILED if by_clock else BY_ITSELF
        if self._reconcile(settled):
            return RECONCILED
        if self._watch.state("extract_listings", self._run_id) != "failed":
            return NOT
        settled.cleared = self._watch.clear_failed("extract_listings", self._run_id)
        self._rest(now() - timedelta(seconds=30))
        # Also where all is loaded: when a person has done what there was to do, nothing may be left to say.
        settled.reconciliations.append("cleared")
        done = self._reconcile(settled, until_silent=True)
        return BY_A_PERSON if done else NOT

    def _reconcile(self, settled: Settled, *, until_silent: bool = False) -> bool:
        """Reconciles up to three times; whether everything is loaded then, and, if wanted, nothing left to say.

        Stops early where only a person can go on: all that landed is loaded, and the extraction failed.
        """
        for attempt in range(RECONCILIATIONS):
            if attempt:
                time.sleep(PAUSE)
            begin = now() - timedelta(seconds=30)
            run_id = self._watch.trigger("reconcile_listings", conf={"days": CALENDAR_DAYS})
            self._rest(begin)
            settled.reconciliations.append(self._watch.state("reconcile_listings", run_id))
            if self._is_loaded() and (not until_silent or settled.reconciliations[-1] == "success"):
                return True
            if not until_silent and self._is_only_half_extracted():
                return False
        return False

    def _is_loaded(self) -> bool:
        return self._scene.markets <= self._watch.loaded(self._scene.source, self._day)

    def _is_only_half_extracted(self) -> bool:
        landed = self._watch.landed(self._scene.source, self._day)
        failed = self._watch.state("extract_listings", self._run_id) == "failed"
        return failed and landed <= self._watch.loaded(self._scene.source, self._day)

    def _rest(self, since: datetime) -> None:
        """Waits until nothing runs or is queued any more, or nothing has changed for too long."""
        deadline = time.monotonic() + self._longest
        changed = quiet = time.monotonic()
        before: Any = None
        while time.monotonic() < deadline:
            # Asked first: an event that comes after this answer shows as a run in the next one.
            whole = self._watch.is_whole(since)
            loaded = self._watch.loaded(self._scene.source, self._day)
            runs = {(run["dag_id"], run["dag_run_id"]): run["state"] for run in self._watch.runs(self._started)}
            if (runs, loaded, whole) != before:
                changed = time.monotonic()
                before = (runs, loaded, whole)
            resting = all(state in ENDED for state in runs.values()) and whole
            quiet = quiet if resting else time.monotonic()
            done = self._scene.markets <= loaded
            if resting and (done or time.monotonic() - quiet > QUIET):
                return
            if time.monotonic() - changed > self._standstill:
                return
            time.sleep(0.5)

    def _diagnose(self, runs: list[dict[str, Any]]) -> list[str]:
        missing = self._scene.markets - self._watch.loaded(self._scene.source, self._day)
        landed = self._watch.landed(self._scene.source, self._day)
        lines = [f"not loaded: {', '.join(sorted(missing))}; landed: {', '.join(sorted(landed))}"]
        for run in runs:
            lines.append(f"{run['dag_id']} {run['dag_run_id']} ({run['partition_key']}): {run['state']}")
            for task in self._watch.tasks(run["dag_id"], run["dag_run_id"]):
                if task["state"] in ("success", "skipped"):
                    continue
                lines.append(f"    {task['task_id']}[{task['map_index']}] try {task['try_number']}: {task['state']}")
                if task["state"] == "failed":
                    log = self._watch.log(run["dag_id"], run["dag_run_id"], task)
                    lines += [f"        {line[:300]}" for line in log.splitlines()[-8:]]
        lines += [f"{each.name}: {each.state}" for each in self._watch.stack.supervisor.programs()]
        return lines
