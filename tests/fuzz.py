"""The command line of the property tests: many generated sets through the transform, and the figures of the run.

The examples are shared among as many processes as there are cores, each with a seed of its own.

Usage: python -m tests.fuzz [--examples 20000] [--seed N] [--jobs N]
Exit code 1 where a claim does not hold; the smallest set that hypothesis found is printed.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
import traceback
from collections import Counter
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context

from tests.support.transform_claims import Tally, run


def main() -> int:
    """Runs and prints; see the module's docstring."""
    parser = argparse.ArgumentParser(description="Holds the transform's claims against generated pages.")
    parser.add_argument("--examples", type=int, default=20_000, help="sets to generate (%(default)s)")
    parser.add_argument("--seed", type=int, help="repeat a run; by default each run is another one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (%(default)s)")
    asked = parser.parse_args()
    first = secrets.randbelow(10**9) if asked.seed is None else asked.seed
    print(f"{asked.examples:,} sets, seed {first}, {asked.jobs} processes", flush=True)
    shares = [asked.examples // asked.jobs + (job < asked.examples % asked.jobs) for job in range(asked.jobs)]
    started = time.monotonic()
    with ProcessPoolExecutor(asked.jobs, get_context("spawn")) as processes:
        done = [processes.submit(run, examples, first + job) for job, examples in enumerate(shares)]
    for job, error in enumerate(map(Future.exception, done)):
        if error is not None:
            print(f"failed: {shares[job]:,} sets of seed {first + job}", file=sys.stderr)
            traceback.print_exception(error)
            return 1
    report(sum((each.result() for each in done), Tally()), time.monotonic() - started)
    return 0


def report(tally: Tally, seconds: float) -> None:
    """Prints what was run and how often each kind of trouble was reached."""
    counts = tally.counts
    print(f"{tally.examples:,} sets in {seconds:,.0f} s; no claim failed")
    print(f"{counts['landed']:,} rows: {counts['clean']:,} clean, {counts['rejected']:,} rejected,", end=" ")
    print(f"{counts['duplicates']:,} duplicates, {counts['unreadable']:,} on unreadable pages")
    for title, each in (
        ("sets by family", tally.families),
        ("sets by kind of trouble", tally.kinds),
        ("rejects by reason", tally.reasons),
    ):
        print(f"\n{title}:\n{_listed(each)}")


def _listed(counts: Counter[str]) -> str:
    return "\n".join(f"  {count:>9,}  {name}" for name, count in counts.most_common())


if __name__ == "__main__":
    sys.exit(main())
