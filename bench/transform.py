"""Measures the transform beside the classic tutorial's own work, on the same pages in the same run.

Whole processes, interleaved, after one warm-up of each; medians. The tutorial parses JSON with the standard
library and writes nine columns as CSV with pandas, unchecked; the transform verifies checksums, types and
checks every column, keeps rejects with reasons, drops duplicates, and writes Parquet. Each runs in the
environment it is deployed with: .venv/test has pandas, .venv/local is the Lambda's.

Usage: python bench/transform.py [--pages FOLDER] [--count 500] [--runs 5]
Exit code 1 where the transform is not twice as fast at two thirds of the memory, or imports in over 0.15 s.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCAL_PYTHON = ROOT / ".venv" / "local" / "bin" / "python"
TEST_PYTHON = ROOT / ".venv" / "test" / "bin" / "python"
LEAST_SPEED_UP, MOST_MEMORY, MOST_IMPORT_SECONDS = 2.0, 2 / 3, 0.15

SOURCE = "zillow56"
COMPILE = f"""
import json, sys
from pathlib import Path
from typing import Any
from include.contract.listing import compile_contract
from include.contract.families import compile_source
folder = Path(sys.argv[1])
(folder / "contract.json").write_text(json.dumps(compile_contract()))
(folder / "source.json").write_text(json.dumps(compile_source("{SOURCE}")))
"""
TIMED_IMPORT = "import time; started = time.perf_counter(); import {}; print(time.perf_counter() - started)"


@dataclass(frozen=True)
class Run:
    """One finished process: seconds of wall time and of processor time, peak memory in MB."""

    seconds: float
    processor: float
    megabytes: float


def main() -> int:
    """Runs the comparison and prints it; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pages", type=Path, help=f"folder of {SOURCE} pages; by default, the local API writes some")
    parser.add_argument("--count", type=int, default=500, help="pages to write (%(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="runs of each after the warm-up (%(default)s)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        keep_bytecode(Path(name) / "bytecode")
        work = Path(name) / "set"
        work.mkdir()
        listings = prepare(work, asked.pages, asked.count)
        ways = {
            "tutorial": [TEST_PYTHON, ROOT / "bench" / "tutorial.py", work, work / "tutorial.csv"],
            "transform": [LOCAL_PYTHON, ROOT / "bench" / "clean_pages.py", work, work],
        }
        runs = interleaved(ways, asked.runs)
        imports = {
            "tutorial": import_seconds(TEST_PYTHON, "pandas", ROOT, asked.runs),
            "transform": import_seconds(
                LOCAL_PYTHON, "transform, parquet", ROOT / "lambda_functions" / "transform_listings", asked.runs
            ),
        }
    return report(listings, runs, imports)


def keep_bytecode(folder: Path) -> None:
    """Lets the warm-up leave bytecode in a folder of its own, for ours as for what is installed with it."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder)


def prepare(work: Path, pages: Path | None, count: int) -> int:
    """Makes a set of the pages, as landing and the build would; returns its listings."""
    if pages is None:
        command: list[str | Path] = [
            LOCAL_PYTHON,
            "-m",
            "local.listing_api",
            "--write-pages",
            str(count),
            "--out",
            work,
        ]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    for page in sorted(pages.glob("page-*.json")) if pages else ():
        (work / page.name).symlink_to(page.resolve())
    entries = [_entry(page) for page in sorted(work.glob("page-*.json"))]
    if not entries:
        raise SystemExit(f"no page-*.json in {pages}: expected the pages of one search")
    listings = int(sum(entry["listings"] for entry in entries))
    manifest = {
        "source": SOURCE,
        "market": "houston-tx",
        "date": "2026-11-22",
        "extract_id": "20261122T060000Z-bench0",
        "observed_at": "2026-11-22T06:00:00.000000Z",
        "pages": entries,
        "listings": listings,
    }
    (work / "_manifest.json").write_text(json.dumps(manifest))
    subprocess.run([TEST_PYTHON, "-c", COMPILE, work], check=True, cwd=ROOT)
    return listings


def _entry(page: Path) -> dict[str, Any]:
    body = page.read_bytes()
    return {
        "name": page.name,
        "bytes": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "listings": len(json.loads(body)["results"]),
        "received_at": "2026-11-22T06:00:00.000000Z",
        "served_at": None,
    }


def interleaved(ways: Mapping[str, Sequence[object]], runs: int) -> dict[str, list[Run]]:
    """Each way in turn, `runs` times; the first turn warms the disk's cache and is dropped."""
    turns = [{name: run(command) for name, command in ways.items()} for _ in range(runs + 1)]
    return {name: [turn[name] for turn in turns[1:]] for name in ways}


def run(command: Sequence[object]) -> Run:
    """One process, start to end. Its peak memory counts from this small process's own (about 20 MB)."""
    started = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"exit code {process.returncode} from {' '.join(map(str, command))}")
    return Run(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def import_seconds(python: Path, modules: str, folder: Path, runs: int) -> float:
    """Median seconds that a fresh process needs to import the modules."""
    command = [str(python), "-c", TIMED_IMPORT.format(modules)]
    times = [
        float(subprocess.run(command, check=True, cwd=folder, capture_output=True, text=True).stdout)
        for _ in range(runs + 1)
    ]
    return median(times[1:])


def report(listings: int, runs: dict[str, list[Run]], imports: dict[str, float]) -> int:
    """Prints medians and ratios; 1 where a promise is not kept, else 0."""
    seconds = {name: median(each.seconds for each in made) for name, made in runs.items()}
    processor = {name: median(each.processor for each in made) for name, made in runs.items()}
    memory = {name: median(each.megabytes for each in made) for name, made in runs.items()}
    turns = len(runs["transform"])
    sys.stdout.write(f"{listings:,} listings, medians of {turns} interleaved runs, whole processes\n")
    busy, cores = os.getloadavg()[0], os.cpu_count() or 1
    if busy > cores:
        sys.stdout.write(f"The machine is busy (load {busy:.1f} on {cores} cores): look at processor time.\n")
    sys.stdout.write(f"\n{'':10}{'wall time':>12}{'processor':>12}{'listings/s':>13}{'memory':>11}{'import':>10}\n")
    for name in runs:
        times = f"{seconds[name]:>10.3f} s{processor[name]:>10.3f} s{listings / seconds[name]:>13,.0f}"
        sys.stdout.write(f"{name:10}{times}{memory[name]:>8.0f} MB{imports[name]:>8.3f} s\n")
    speed_up = seconds["tutorial"] / seconds["transform"]
    share = memory["transform"] / memory["tutorial"]
    promises = (
        (f"{speed_up:.2f} times as fast", f"at least {LEAST_SPEED_UP:g}", speed_up >= LEAST_SPEED_UP),
        (f"{share:.2f} of the memory", f"at most {MOST_MEMORY:.2f}", share <= MOST_MEMORY),
        (
            f"import {imports['transform']:.3f} s",
            f"under {MOST_IMPORT_SECONDS:g} s",
            imports["transform"] < MOST_IMPORT_SECONDS,
        ),
    )
    sys.stdout.write("\n")
    for figure, promise, kept in promises:
        sys.stdout.write(f"transform: {figure} (promised: {promise}){'' if kept else '  NOT KEPT'}\n")
    return 0 if all(kept for _, _, kept in promises) else 1


if __name__ == "__main__":
    raise SystemExit(main())
