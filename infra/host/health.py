"""Knows when Airflow is ill, or soon will be: asks the api-server, restarts what hangs, tells CloudWatch.

`python -m infra.host.health`, each minute by a timer, with Airflow's Python (for boto3), as root (to restart units).
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from infra.host.services import API_SERVER, DAG_PROCESSOR, SCHEDULER, ServiceError, Systemd

NAMESPACE, METRIC = "Listings/Airflow", "Healthy"
DATABASE = "postgresql.service"
COMPONENTS = {"scheduler": SCHEDULER, "dag_processor": DAG_PROCESSOR}
# A component that has just been started gets this long to report.
GRACE_SECONDS = 180.0
PATIENCE_SECONDS = 15.0
# A full disk ends the database, and Airflow with it. Of 30 GiB this leaves more than two to whoever comes to look.
DISK_PERCENT = 92.0


class Units(Protocol):
    """What is asked of systemd."""

    def state(self, name: str) -> str:
        """What a unit is."""

    def active_for(self, name: str) -> float:
        """Seconds that a unit has been active."""

    def restart_soon(self, *names: str) -> None:
        """Has units stopped and started."""


def ask(port: str, certificate: Path, timeout: float = PATIENCE_SECONDS) -> dict[str, Any]:
    """What the api-server on this host says about all components; raises OSError when it does not answer."""
    context = ssl.create_default_context(cafile=str(certificate))
    url = f"https://127.0.0.1:{port}/api/v2/monitor/health"
    with urllib.request.urlopen(url, timeout=timeout, context=context) as answer:
        try:
            found = json.loads(answer.read())
        except ValueError as error:
            raise OSError(f"the api-server's answer is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise OSError(f"the api-server's answer is no object: {str(found)[:100]}")
    return found


def ill(answer: Mapping[str, Any]) -> dict[str, str]:
    """Each unit that the api-server says is ill, with the reason; a database that is away explains the rest."""
    if (answer.get("metadatabase") or {}).get("status") != "healthy":
        return {DATABASE: "Airflow cannot reach its database"}
    found = {}
    for name, unit in COMPONENTS.items():
        said = answer.get(name) or {}
        if said.get("status") != "healthy":
            found[unit] = f"its last heartbeat is of {said.get(f'latest_{name}_heartbeat') or 'never'}"
    return found


def unheard(answer: Mapping[str, Any], since: datetime) -> dict[str, str]:
    """Each unit whose last heartbeat is from before `since`, with the reason."""
    found = {}
    for name, unit in COMPONENTS.items():
        beat = (answer.get(name) or {}).get(f"latest_{name}_heartbeat")
        if beat is None or datetime.fromisoformat(beat) < since:
            found[unit] = f"no heartbeat since it was started (the last: {beat})"
    return found


def check(ask: Callable[[], Mapping[str, Any]], units: Units, say: Callable[[str], None]) -> bool:
    """Whether all is well; restarts what is not, unless it has just been started or is being stopped."""
    try:
        found = ill(ask())
    except OSError as error:
        found = {API_SERVER: f"it does not answer: {error}"}
    for unit, reason in found.items():
        try:
            say(_mend(unit, reason, units))
        except ServiceError as error:
            say(f"{unit}: {reason}; could not be restarted: {error}")
    return not found


def crowded(used: float, free: float, most: float) -> str:
    """What to say of a disk of which more than `most` percent is used; nothing while there is room."""
    percent = 100.0 * used / (used + free)
    return (
        f"disk: {percent:.1f} % is used, more than {most:.0f} %; {free / 2**30:.1f} GiB left" if percent > most else ""
    )


def _mend(unit: str, reason: str, units: Units) -> str:
    """Restarts a unit if that is due; what was done, in a sentence."""
    state = units.state(unit)
    if state in ("activating", "deactivating"):
        return f"{unit}: {reason}; left alone, systemd has it {state}"
    if state == "active" and (age := units.active_for(unit)) < GRACE_SECONDS:
        return f"{unit}: {reason}; left alone, it has been running for {age:.0f} s only"
    units.restart_soon(unit)
    return f"{unit}: {reason}; restarted (it was {state})"


def report(stage: str, healthy: bool) -> None:
    """Puts the metric that the alarm of the stack looks at."""
    import boto3

    datum = {
        "MetricName": METRIC,
        "Dimensions": [{"Name": "Stage", "Value": stage}],
        "Value": float(healthy),
        "Unit": "None",
    }
    boto3.client("cloudwatch").put_metric_data(Namespace=NAMESPACE, MetricData=[datum])


def main(environment: Mapping[str, str] = os.environ) -> int:
    """One look; 0 also when something was ill, as that was seen to. A metric that cannot be put gives 1."""
    certificate = Path(environment["AIRFLOW__API__SSL_CERT"])
    units = Systemd(units=Path())

    def say(line: str) -> None:
        print(line, flush=True)

    healthy = check(lambda: ask(environment["AIRFLOW__API__PORT"], certificate), units, say)
    disk = shutil.disk_usage(environment["AIRFLOW_HOME"])
    if full := crowded(disk.used, disk.free, float(environment.get("LISTINGS_DISK_PERCENT", DISK_PERCENT))):
        say(full)
    healthy = healthy and not full
    stage = environment.get("LISTINGS_STAGE")
    if not stage:
        say("no metric: settings.env does not say LISTINGS_STAGE")
        return 1
    try:
        report(stage, healthy)
    except Exception as error:  # noqa: BLE001 - whatever AWS or the network says: the next minute tries again
        say(f"no metric: {type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
