"""Knows how to have Airflow parse the DAG files in its own environment, and which DAGs must come out."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.doctor.finding import Finding, Stopped, mend, ok
from infra.doctor.target import Target

DAG_IDS = (
    "extract_listings",
    "load_listings",
    "reconcile_listings",
    "redrive_listings",
    "replay_listings",
    "report_listings",
    "sense_listings",
    "withdraw_listings",
)
PATIENCE_SECONDS = 120
# Runs in Airflow's environment, which this package cannot import. Airflow may write to stdout before the last line.
_PARSE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1], safe_mode=False)
params = bag.dags["extract_listings"].params.dump() if "extract_listings" in bag.dags else {}
print(json.dumps({"dags": sorted(bag.dags), "errors": bag.import_errors, "params": params}, default=str))
"""
_ALONE = threading.Lock()


@dataclass(frozen=True)
class Parsed:
    """What came of the files: DAG ids, import errors by file, and the requests of a daily run where they are known."""

    dag_ids: tuple[str, ...]
    errors: dict[str, str]
    daily_requests: int | None


def look_at_dags(target: Target) -> Finding:
    """Whether every DAG file imports, and all the DAGs are there."""
    found = parsed(target)
    if found.errors:
        broken = [f"{_shown(target, file)}: {_last_line(error)}" for file, error in sorted(found.errors.items())]
        return mend(f"does not import: {'; '.join(broken)}", f"mend {_shown(target, min(found.errors))}")
    missing = [each for each in DAG_IDS if each not in found.dag_ids]
    if missing:
        return mend(f"no DAG {', '.join(missing)} in {target.dags}", "bring its file back: git status dags")
    return ok(f"{len(found.dag_ids)} DAGs parse: {', '.join(each.removesuffix('_listings') for each in found.dag_ids)}")


def parsed(target: Target) -> Parsed:
    """The files of this checkout, parsed once for all checks; ends the check where Airflow cannot be asked."""
    with _ALONE:
        if "parsed" not in target.notes:
            target.notes["parsed"] = _parse(target)
        found: Parsed = target.notes["parsed"]
        return found


def _parse(target: Target) -> Parsed:
    python = target.root / ".venv" / "airflow" / "bin" / "python"
    if not python.exists():
        raise Stopped(mend(f"Airflow's environment is not there ({python})", "make setup"))
    with tempfile.TemporaryDirectory(prefix="listings-doctor-") as home:
        try:
            done = subprocess.run(
                [str(python), "-c", _PARSE, str(target.dags)],
                cwd=home,
                env=_environment(Path(home), target.root),
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise Stopped(
                mend(
                    f"the DAG files are not parsed after {PATIENCE_SECONDS} s", f"look for what waits in {target.dags}"
                )
            ) from None
    if done.returncode:
        raise Stopped(
            mend(f"Airflow does not start: {_last_line(done.stderr)}", "make setup, then look at what it says")
        )
    return _read(json.loads(done.stdout.splitlines()[-1]))


def _read(told: dict[str, Any]) -> Parsed:
    params = told["params"]
    daily = len(params["markets"]) * int(params["page_limit"]) if {"markets", "page_limit"} <= set(params) else None
    return Parsed(tuple(told["dags"]), dict(told["errors"]), daily)


def _environment(home: Path, root: Path) -> dict[str, str]:
    """An Airflow that has nothing and reaches nothing; of the caller's settings only ours, which files may read."""
    ours = {name: value for name, value in os.environ.items() if name.startswith("LISTINGS_")}
    return {
        **ours,
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(root),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__DAG_PROCESSOR__DAG_VERSION_INFLATION_CHECK_LEVEL": "error",
    }


def _shown(target: Target, file: str) -> str:
    path = Path(file)
    return f"dags/{path.relative_to(target.dags)}" if path.is_relative_to(target.dags) else file


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else "it says nothing"
