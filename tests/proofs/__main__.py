"""`make proofs`: what is shown before a release and before a piece of work ends, rather than at each commit.

Each proof is a run of pytest with a limit of its own, and its output lies in .local/proofs/<name>.log. What passed on
these very files is not run again: an interrupted `make proofs` goes on where it stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Seconds in which the fixtures of a proof that took too long may stop what they started.
GRACE = 60.0
RECORDS = ROOT / ".local" / "proofs"
# Not part of what a proof is about: environments, what runs leave, caches.
SKIPPED = {".git", ".venv", ".local", "build", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


@dataclass(frozen=True)
class Proof:
    """A proof: what it shows, how many minutes it may take on two cores, what pytest is asked for."""

    name: str
    shows: str
    minutes: float
    arguments: tuple[str, ...] = ()

    @property
    def command(self) -> list[str]:
        """The command that runs it."""
        return [sys.executable, "-m", "pytest", *(self.arguments or (f"tests/proofs/{self.name}",))]

    @property
    def log(self) -> Path:
        """Where its output lies."""
        return RECORDS / f"{self.name}.log"

    @property
    def record(self) -> Path:
        """Where it is noted what came out."""
        return RECORDS / f"{self.name}.json"


PROOFS: tuple[Proof, ...] = (
    Proof("chaos", "whatever process is killed, no listing is lost or doubled (CHAOS_SEEDS=n: so many)", 30),
    Proof("permissions", "each identity may do what the design grants and no more, and needs each of its grants", 10),
    Proof("checkov", "checkov finds nothing in the template but what .checkov.yaml skips, with reasons", 5),
    Proof("host", "the release installs a host that runs, is mended and updated (as root: with its accounts)", 15),
    Proof("recount", "every figure of the report, recomputed from what the API sent, is the same to the cent", 10),
    Proof("marts", "marts that grew day by day, in any order, hold what a build from nothing gives", 10),
    Proof("orders", "three loaders at once, in any order, leave a fresh warehouse's core and marts", 40),
    Proof("halves", "a hundred sets that fail together all arrive, but the bad one", 40, ("-s", "tests/proofs/halves")),
    Proof("deploys", "no set is labelled with the version of another code while a function is deployed", 15),
    Proof("no_state", "each task runs in an empty home and folder of its own, as container executors do it", 15),
    Proof("ordinary_user", "an ordinary user's `make down` leaves no process, port or lock", 10),
    Proof(
        "bare",
        "two commands hold on a minimal Debian, as a user and as root, and leave nothing",
        130,
        ("-s", "tests/proofs/bare"),  # its times are read in the log
    ),
    Proof("upgrade", "`make up` keeps every count of a home that the previous version's demo made", 30),
)


def fingerprint(root: Path) -> str:
    """A digest of every file below `root` that is the project's, its name included."""
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        for name in sorted(files):
            path = Path(folder, name)
            if path.is_file():
                digest.update(f"{path.relative_to(root)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def has_passed(proof: Proof, files: str) -> bool:
    """Whether this proof has passed on these files."""
    try:
        found = json.loads(proof.record.read_text())
    except (OSError, ValueError):
        return False
    return bool(found == {"files": files, "result": "passed"})


def run(proof: Proof) -> str:
    """Runs a proof; "passed", "failed", or "too long" when its limit ended it with all that it started."""
    with proof.log.open("wb") as log:
        process = subprocess.Popen(proof.command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        try:
            return "passed" if process.wait(proof.minutes * 60) == 0 else "failed"
        except subprocess.TimeoutExpired:
            return "too long"
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends what is left of a proof, once its fixtures have had their grace."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def show(proofs: Sequence[Proof], again: bool) -> int:
    """Runs each proof that has not passed on these files; the exit code is 1 if one did not."""
    RECORDS.mkdir(parents=True, exist_ok=True)
    files = fingerprint(ROOT)
    missed = []
    for number, proof in enumerate(proofs, 1):
        say = f"[{number}/{len(proofs)}] {proof.name}: {proof.shows}"
        if has_passed(proof, files) and not again:
            print(f"{say}\n    passed before on these files", flush=True)
            continue
        print(f"{say}\n    at most {proof.minutes:g} min, output in {proof.log}", flush=True)
        started = time.monotonic()
        result = run(proof)
        proof.record.write_text(json.dumps({"files": files, "result": result}))
        print(f"    {result} after {time.monotonic() - started:.0f} s: {_last_line(proof.log)}", flush=True)
        if result != "passed":
            missed.append(proof.name)
    if missed:
        print(f"Not shown: {', '.join(missed)}. `make proof-{missed[0]}` runs one again.", file=sys.stderr)
    return 1 if missed else 0


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip("= ") for line in reversed(lines) if line.strip()), "no output")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    names = [proof.name for proof in PROOFS]
    parser = argparse.ArgumentParser(prog="python -m tests.proofs", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join(names)} (default: all)")
    parser.add_argument("--again", action="store_true", help="run also what has passed on these files")
    chosen = parser.parse_args(arguments)
    unknown = sorted(set(chosen.names) - set(names))
    if unknown:
        parser.error(f"no proof is called {', '.join(unknown)}; there are: {', '.join(names)}")
    return show([proof for proof in PROOFS if proof.name in (chosen.names or names)], chosen.again)


if __name__ == "__main__":
    sys.exit(main())
