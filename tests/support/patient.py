"""A deployed stack for the doctor to look at: all real but Airflow, whose API a few lines stand in for."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from infra.deploy.deploy import deploy_local
from infra.doctor.airflow_health import HEALTH
from infra.doctor.finding import Finding, State
from infra.doctor.machine import look_at_machine
from infra.doctor.registry import CHECKS, Check, examine
from infra.doctor.target import Target, local_target
from local.stack.deployment import connections
from local.stack.ports import Ports
from tests.support.listing_api_server import serving
from tests.support.warehouse_fixture import SECRETS, Warehouse, home

KEY = "listing-key-example-not-real"
UI_PASSWORD = "ui-password-example-not-real"
DAGS = ("extract_listings", "load_listings", "reconcile_listings", "report_listings", "sense_listings")
HEALTHY = {name: {"status": "healthy"} for name in ("metadatabase", "scheduler", "dag_processor", "triggerer")}


@dataclass
class Airflow:
    """An API that says what a test wants: the health page to everybody, DAGs and pools to who is logged in."""

    port: int = 0
    health: Any = field(default_factory=lambda: dict(HEALTHY))
    password: str = UI_PASSWORD
    paused: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(DAGS, False))
    pools: dict[str, int] = field(default_factory=lambda: {"default_pool": 128, "zillow_api": 2})

    def told(self, path: str) -> Any:
        """What is answered to who is logged in; None: there is no such thing."""
        kind, name = path.removeprefix("/api/v2/").split("/")
        if kind == "dags" and name in self.paused:
            return {"dag_id": name, "is_paused": self.paused[name]}
        if kind == "pools" and name in self.pools:
            return {"name": name, "slots": self.pools[name]}
        return None

    @contextlib.contextmanager
    def changed(self, **fields: Any) -> Iterator[None]:
        """While it lasts, this is another."""
        before = {name: getattr(self, name) for name in fields}
        vars(self).update(fields)
        try:
            yield
        finally:
            vars(self).update(before)


@dataclass(frozen=True)
class Patient:
    """The stack, and the ways to break it."""

    home: Path
    warehouse: Warehouse
    api: httpx.Client
    airflow: Airflow
    outputs: dict[str, str]

    def target(self) -> Target:
        """The stack as the doctor finds it by its home, with nothing known of it yet."""
        return local_target(self.home)

    def root(self, service: str) -> Any:
        """A client of the account's root."""
        return self.warehouse.ministack.client(service)

    def secret(self, connection_id: str) -> dict[str, Any]:
        """An Airflow connection."""
        name = f"airflow/connections/{connection_id}"
        return dict(json.loads(self.root("secretsmanager").get_secret_value(SecretId=name)["SecretString"]))

    @contextlib.contextmanager
    def connection(self, connection_id: str, **changed: Any) -> Iterator[None]:
        """While it lasts, these fields of an Airflow connection are others; None takes a field away."""
        now = {name: value for name, value in {**self.secret(connection_id), **changed}.items() if value is not None}
        with self.secret_text(connection_id, json.dumps(now)):
            yield

    @contextlib.contextmanager
    def secret_text(self, connection_id: str, text: str) -> Iterator[None]:
        """While it lasts, a connection's secret has this value."""
        secrets, name = self.root("secretsmanager"), f"airflow/connections/{connection_id}"
        before = secrets.get_secret_value(SecretId=name)["SecretString"]
        secrets.put_secret_value(SecretId=name, SecretString=text)
        try:
            yield
        finally:
            secrets.put_secret_value(SecretId=name, SecretString=before)

    @contextlib.contextmanager
    def fault(self, **fault: Any) -> Iterator[None]:
        """While it lasts, the listing API answers with this fault."""
        self.api.put("/_control/faults", json=[{"times": None, **fault}]).raise_for_status()
        try:
            yield
        finally:
            self.api.put("/_control/faults", json=[]).raise_for_status()

    def requests(self) -> int:
        """How many requests the listing API has had."""
        return int(self.api.get("/_control/requests").json()["total"])


_parsed: dict[Path, Any] = {}
_machine: dict[Path | None, Finding] = {}


def _look_once(target: Target) -> Finding:
    """Starts an interpreter to ask whether a stack could be started only once for a home."""
    if target.home not in _machine:
        _machine[target.home] = look_at_machine(target)
    return _machine[target.home]


def findings(target: Target, *, parse: bool = False, checks: Sequence[Check] = CHECKS) -> dict[str, Finding]:
    """What the doctor finds, by check.

    Parsing the DAG files takes Airflow seconds, so it is done once for all tests that are not about them; whether a
    stack could be started is asked once for a home: the tests about it run the command.
    """
    checks = [replace(check, look=_look_once) if check.look is look_at_machine else check for check in checks]
    if not parse and target.dags in _parsed:
        target.notes["parsed"] = _parsed[target.dags]
    found = {finding.check: finding for finding in examine(target, checks)}
    if "parsed" in target.notes:
        _parsed[target.dags] = target.notes["parsed"]
    return found


def to_mend(found: dict[str, Finding]) -> list[str]:
    """The checks that are not well."""
    return [name for name, finding in found.items() if finding.state is State.MEND]


def skipped(found: dict[str, Finding]) -> dict[str, str]:
    """The checks that were not asked, and why."""
    return {name: finding.found for name, finding in found.items() if finding.state is State.SKIP}


def with_(target: Target, **changed: Any) -> Target:
    """The same target with other fields, and nothing known of it yet."""
    return replace(target, notes={}, **changed)


def running_patient() -> Iterator[Patient]:
    """For a fixture: a healthy stack that is stopped in the end."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(home())
        warehouse = Warehouse(folder)
        stack.callback(warehouse.stop)
        warehouse.start()
        api = stack.enter_context(serving(folder / "api", "--key", KEY, "--rate", 0))
        airflow = stack.enter_context(_airflow())
        ports = Ports(
            ui=airflow.port,
            ministack=warehouse.ministack.port,
            redshift=warehouse.port,
            postgres=warehouse.postgres.port,
            api=int(api.base_url.port or 0),
        )
        made = connections(ports, {**SECRETS, "listing_api_key": KEY})
        outputs = deploy_local(warehouse.ministack.endpoint, folder / "build", made).outputs
        _put_ui_password(folder / "secrets.json")
        (folder / "run").mkdir()
        (folder / "run" / "state.json").write_text(json.dumps({"ports": dict(ports.items())}))
        yield Patient(folder, warehouse, api, airflow, outputs)


def _put_ui_password(file: Path) -> None:
    secrets = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**secrets, "ui_password": UI_PASSWORD}))


@contextlib.contextmanager
def _airflow() -> Iterator[Airflow]:
    airflow = Airflow()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == HEALTH:
                self._answer(200, airflow.health)
            elif self.headers["Authorization"] == "Bearer example-token":
                told = airflow.told(self.path)
                self._answer(200, told) if told else self._answer(404, {"detail": "Not Found"})
            else:
                self._answer(401, {"detail": "Invalid JWT"})

        def do_POST(self) -> None:
            login = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if (self.path, login) == ("/auth/token", {"username": "admin", "password": airflow.password}):
                self._answer(201, {"access_token": "example-token"})
            else:
                self._answer(401, {"detail": "Invalid credentials"})

        def _answer(self, status: int, body: Any) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    airflow.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield airflow
    finally:
        server.shutdown()
        server.server_close()


def assert_said(pattern: str, said: str) -> None:
    """The pattern is somewhere in what was said."""
    assert re.search(pattern, said), f"{pattern!r} is not in {said!r}"


def assert_named_alone(
    patient: Patient,
    broken: Callable[[Patient], AbstractContextManager[None]],
    check: str,
    words: str,
    left_out: dict[str, str],
) -> None:
    """While `broken` lasts, `check` alone is to be mended, in these words, with a remedy; others are left out."""
    with broken(patient):
        found = findings(patient.target())
    assert [check] == to_mend(found)
    assert_said(words, found[check].found)
    assert found[check].remedy
    assert left_out == skipped(found)
