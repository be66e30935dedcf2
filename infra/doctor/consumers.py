"""Knows which DAGs must be switched on, and that the API's pool must have slots; asks Airflow as its administrator."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from infra.doctor.finding import Finding, Stopped, mend, ok, skip
from infra.doctor.target import LOOPBACK, Target
from infra.doctor.web import ask

EXTRACT = "extract_listings"
# What the extraction's events wake, and what makes good where one was missed.
CONSUMERS = ("sense_listings", "load_listings", "report_listings", "reconcile_listings")
POOL = "zillow_api"
_SOON = 5.0


def look_at_consumers(target: Target) -> Finding:
    """Whether what is extracted goes on by itself; that the daily extraction is paused is said, and is no fault."""
    url = f"http://{LOOPBACK}:{target.ports['ui']}"
    try:
        token = _token(target, url)
        # Each by its name: a list comes a hundred at a time, and there may be others' DAGs in it.
        told = {name: _told(f"{url}/api/v2/dags/{name}", token) for name in (EXTRACT, *CONSUMERS)}
        dags = {name: dag for name, dag in told.items() if dag}
        pool = _told(f"{url}/api/v2/pools/{POOL}", token)
        paused = {name for name, dag in dags.items() if dag["is_paused"]}
        slots = int(pool["slots"]) if pool else 0
    except (OSError, ValueError, KeyError, TypeError) as error:
        return skip(f"cannot be told: {url} does not say it ({type(error).__name__})")
    wrong = [finding for finding in (_dags(url, set(dags), paused), _pool(url, pool is not None, slots)) if finding]
    if wrong:
        return mend("; ".join(each.found for each in wrong), " ; ".join(each.remedy for each in wrong))
    note = f"; {EXTRACT} is paused: nothing is asked daily until it is unpaused" if EXTRACT in paused else ""
    return ok(f"{', '.join(CONSUMERS)} are on; pool {POOL} has {'no end of' if slots < 0 else slots} slots{note}")


def _dags(url: str, there: set[str], paused: set[str]) -> Finding | None:
    absent = [name for name in (EXTRACT, *CONSUMERS) if name not in there]
    off = [name for name in CONSUMERS if name in paused]
    if absent:
        return mend(f"Airflow has no {', '.join(absent)}", f"{url}, Dag Import Errors; just started: wait a minute")
    if off:
        return mend(f"paused: {', '.join(off)}", f"unpause in the UI, {url}/dags: {', '.join(off)}")
    return None


def _pool(url: str, is_there: bool, slots: int) -> Finding | None:
    if slots:
        return None
    again = "a slot for each page to ask at a time; make down, make up gives it the slots it had"
    if is_there:
        return mend(f"pool {POOL} has no slots: no page is ever asked", f"{url}/pools: give {POOL} {again}")
    return mend(f"there is no pool {POOL}: no page is ever asked", f"{url}/pools: add {POOL} with {again}")


def _token(target: Target, url: str) -> str:
    assert target.home is not None
    place = target.home / "secrets.json"
    try:
        password = json.loads(place.read_text(encoding="utf-8"))["ui_password"]
    except (OSError, ValueError, KeyError, TypeError):
        raise Stopped(skip(f"cannot be told: no ui_password in {place}")) from None
    login = json.dumps({"username": "admin", "password": password}).encode()
    came = ask(f"{url}/auth/token", {"Content-Type": "application/json"}, login, timeout=_SOON)
    if came.status in (401, 403):
        raise Stopped(mend(f"Airflow refuses admin with the password in {place}", "make down; make up"))
    return str(json.loads(came.body)["access_token"])


def _told(url: str, token: str) -> Any:
    """The JSON at a URL; None where there is nothing of that name."""
    came = ask(url, {"Authorization": f"Bearer {token}"}, timeout=_SOON)
    return None if came.status == HTTPStatus.NOT_FOUND else json.loads(came.body)
