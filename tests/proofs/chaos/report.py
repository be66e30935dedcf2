"""What is told of each seed and of all of them: lines, a table, and a JSON file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from tests.proofs.chaos.comparison import Differences
from tests.proofs.chaos.plan import KINDS
from tests.proofs.chaos.settling import BY_A_PERSON, BY_ITSELF, NOT, RECONCILED, Settled

UNDISTURBED = "no such process"
HOWS = (BY_ITSELF, RECONCILED, BY_A_PERSON, NOT, UNDISTURBED)


@dataclass
class Outcome:
    """One seed. `moment` and `seconds` count from the trigger of the extraction; `replaced` from the kill."""

    seed: int
    kind: str
    markets: str
    moment: float
    undisturbed_seconds: float
    victim: str
    replaced: float | None
    settled: Settled
    seconds: float
    listings: Differences = field(default_factory=Differences)
    rejects: Differences = field(default_factory=Differences)
    broken: list[str] = field(default_factory=list)

    @property
    def how(self) -> str:
        """How it settled."""
        return self.settled.how

    @property
    def is_right(self) -> bool:
        """Whether it settled, and `core` is that of the undisturbed run."""
        return self.how != NOT and not (self.listings or self.rejects or self.broken)

    def line(self) -> str:
        """The seed in a line."""
        settled = self.settled
        done = f" ({', '.join(settled.reconciliations)})" if settled.reconciliations else ""
        red = ", ".join(f"{count} {dag}" for dag, count in sorted(settled.failed_runs.items()))
        return (
            f"seed {self.seed:3}  {self.kind:13} {self.victim} killed at {self.moment:.1f} s "
            f"of {self.undisturbed_seconds:.0f} s"
            + (f", back after {self.replaced:.1f} s" if self.replaced is not None else "")
            + f"; settled: {self.how}{done}; lost {len(self.listings.lost)}, doubled {len(self.listings.doubled)}"
            + (f"; red runs: {red}" if red else "")
            + f"; {self.seconds:.0f} s"
        )

    def wrongs(self) -> list[str]:
        """Everything that is not as it should be, a line each."""
        found = list(self.settled.diagnosis)
        for name, differences in (("listing", self.listings), ("reject", self.rejects)):
            for what, texts in asdict(differences).items():
                found += [f"{name} {what}: {text}" for text in texts[:10]]
                found += [f"… {len(texts) - 10} more {name}s {what}"] if len(texts) > 10 else []
        return found + self.broken


def show(outcomes: Sequence[Outcome], seconds: float, console: Console) -> None:
    """Prints the table: a row per kind of process, then all together."""
    table = Table(title="How runs with a killed process settled", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("killed", no_wrap=True)
    columns = ("seeds", *HOWS, "lost", "doubled", "wrong", "seconds")
    for name in columns:
        table.add_column(name, justify="right")
    for kind in KINDS:
        mine = [outcome for outcome in outcomes if outcome.kind == kind]
        if mine:
            table.add_row(kind, *_figures(mine))
    table.add_section()
    table.add_row("together", *_figures(outcomes))
    console.print(table)
    wrong = [str(outcome.seed) for outcome in outcomes if not outcome.is_right]
    console.print(
        f"{len(outcomes)} seeds in {seconds / 60:.0f} minutes; "
        + (f"not right: seed {', '.join(wrong)}" if wrong else "in each, core is that of the undisturbed run"),
        style="red" if wrong else "green",
    )


def _figures(outcomes: Sequence[Outcome]) -> list[str]:
    hows = Counter(outcome.how for outcome in outcomes)
    other = sum(
        len(each.listings.strange) + len(each.listings.changed) + len(each.broken) + bool(each.rejects)
        for each in outcomes
    )
    figures = [len(outcomes), *(hows[how] for how in HOWS)]
    figures += [sum(len(each.listings.lost) for each in outcomes), sum(len(each.listings.doubled) for each in outcomes)]
    mean = sum(each.seconds for each in outcomes) / len(outcomes)
    return [*map(str, figures), str(other), f"{mean:.0f}"]


def write(path: Path, outcomes: Sequence[Outcome], seconds: float) -> None:
    """Writes everything as JSON, anew after each seed, so that a run that is cut short leaves what it has."""
    hows = Counter(outcome.how for outcome in outcomes)
    found = {
        "seeds": len(outcomes),
        "seconds": round(seconds, 1),
        "settled": {how: hows[how] for how in HOWS},
        "lost": sum(len(each.listings.lost) for each in outcomes),
        "doubled": sum(len(each.listings.doubled) for each in outcomes),
        "not_right": [each.seed for each in outcomes if not each.is_right],
        "outcomes": [asdict(outcome) for outcome in outcomes],
    }
    path.write_text(json.dumps(found, indent=1, default=str) + "\n", encoding="utf-8")
