"""python -m tests.proofs.chaos --seeds 50: what `make chaos` runs."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from infra.deploy.shell import leave_out_foreign_settings
from local.stack import Stack
from local.stack.exit_sentences import in_a_sentence
from local.stack.home import Home
from tests.proofs.chaos import report
from tests.proofs.chaos.plan import KINDS, SCENES, disturbance
from tests.proofs.chaos.report import Outcome
from tests.proofs.chaos.runner import Runner, chaos_stack


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every seed settled with the right listings, 1 when one did not, 2 when it could not be run."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seeds", type=_whole, default=50, help="how many")
    parser.add_argument("--first", type=_whole, default=1, help="the first of them")
    parser.add_argument("--process", choices=KINDS, help="kill this one with every seed")
    chosen = parser.parse_args(arguments)
    leave_out_foreign_settings()
    console = Console(highlight=False)
    console.width = max(console.width, 130)
    return in_a_sentence(
        lambda: _disturb(range(chosen.first, chosen.first + chosen.seeds), chosen.process, console),
        lambda sentence: console.print(sentence, style="red", soft_wrap=True, markup=False),
        failed=2,
    )


def _disturb(seeds: Sequence[int], kind: str | None, console: Console) -> int:
    home = _empty_home()
    begin = time.monotonic()
    outcomes: list[Outcome] = []

    def say(line: str) -> None:
        console.print(line, style="dim", soft_wrap=True, markup=False)

    with chaos_stack(home, say) as stack:
        runner = Runner(stack)
        runner.warm_up(SCENES[0])
        for seed in seeds:
            outcomes.append(runner.run(disturbance(seed, kind)))
            console.print(outcomes[-1].line(), soft_wrap=True, markup=False)
            for wrong in outcomes[-1].wrongs():
                console.print(f"    {wrong}", style="red", soft_wrap=True, markup=False)
            report.write(home / "report.json", outcomes, time.monotonic() - begin)
    report.show(outcomes, time.monotonic() - begin, console)
    console.print(f"The report is {home / 'report.json'}, the logs are beside it", markup=False)
    return 0 if all(outcome.is_right for outcome in outcomes) else 1


def _empty_home() -> Path:
    """A folder for a stack of its own, beside the other stack's; what a run before this one left goes."""
    home = Home.at(None).path / "chaos"
    Stack(home, say=lambda line: None).down()
    shutil.rmtree(home, ignore_errors=True)
    return home


def _whole(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected a whole number from 1 on")
    return number


if __name__ == "__main__":
    sys.exit(main())
