"""The command line of the property tests: many generated sets through the transform, and the figures of the run.

Usage: python -m tests.fuzz [--examples 20000] [--seed N]
Exit code 1 where a claim does not hold; the smallest set that hypothesis found is printed.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter

from hypothesis import seed

from tests.unit.transform_claims import Tally, run


def main() -> int:
    """Runs and prints; see the module's docstring."""
    parser = argparse.ArgumentParser(description="Holds the transform's claims against generated pages.")
    parser.add_argument("--examples", type=int, default=20_000, help="sets to generate (%(default)s)")
    parser.add_argument("--seed", type=int, help="repeat a run; by default each run is another one")
    asked = parser.parse_args()
    started = time.monotonic()
    try:
        tally = run(asked.examples, decorate=seed(asked.seed) if asked.seed is not None else None)
    except Exception:  # noqa: BLE001 - whatever escapes a claim is the finding
        traceback.print_exc()
        return 1
    report(tally, time.monotonic() - started)
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
