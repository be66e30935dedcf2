"""A small client of Airflow's REST API: what the demo, `make status` and the tests ask of it."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from local.patience import SILENCE, Patience

SETTLED = ("success", "failed")
# Polls between two looks at the tasks of a run, which cost the api-server more than the run itself.
BETWEEN_LOOKS = 10
ATTEMPTS = 3
TIMEOUT = 30.0
PAGE = 100


class AirflowAway(OSError):
    """The api-server did not answer; the message says what it was asked, and why it did not."""


class AirflowRefused(RuntimeError):
    """The API answered with an error; the message has the status and the API's words."""

    def __init__(self, words: str, status: int = 0) -> None:
        self.status = status
        super().__init__(words)


@dataclass
class AirflowApi:
    """One api-server; logs in at the first call.

    :param url: like http://127.0.0.1:8080
    """

    url: str
    user: str
    password: str
    _token: str = field(default="", repr=False)

    def get(self, path: str) -> Any:
        """The JSON at `path` below /api/v2; asked again, three times in all, where the answer is out of time."""
        for _ in range(ATTEMPTS - 1):
            try:
                return self._call("GET", path)
            except AirflowAway as away:
                if not isinstance(away.__cause__, TimeoutError):
                    raise
        return self._call("GET", path)

    def listed(self, path: str, what: str) -> list[dict[str, Any]]:
        """Every entry of `what` at `path`: the API gives a hundred at a time, whatever one asks for."""
        found: list[dict[str, Any]] = []
        mark = "&" if "?" in path else "?"
        while True:
            answer = self.get(f"{path}{mark}limit={PAGE}&offset={len(found)}")
            found += answer[what]
            if not answer[what] or len(found) >= answer["total_entries"]:
                return found

    def trigger(
        self,
        dag_id: str,
        *,
        partition_key: str | None = None,
        conf: dict[str, Any] | None = None,
        run_id: str | None = None,
    ) -> str:
        """Starts a run without a logical date and returns its run id.

        With a `run_id` of one's own it may be asked again: a run that is there already is the one that was asked for.
        """
        body = {"logical_date": None, "partition_key": partition_key, "conf": conf or {}}
        if run_id is None:
            return str(self._call("POST", f"/dags/{dag_id}/dagRuns", body)["dag_run_id"])
        try:
            self._call("POST", f"/dags/{dag_id}/dagRuns", body | {"dag_run_id": run_id})
        except AirflowRefused as refused:
            if refused.status != http.client.CONFLICT or self.state(dag_id, run_id) is None:
                raise
        return run_id

    def state(self, dag_id: str, run_id: str) -> str | None:
        """The state of a run; None where there is no such run."""
        try:
            return str(self.get(f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}")["state"])
        except AirflowRefused as refused:
            if refused.status == http.client.NOT_FOUND:
                return None
            raise

    def pause(self, dag_id: str, paused: bool) -> None:
        """Pauses or unpauses a DAG."""
        self._call("PATCH", f"/dags/{dag_id}", {"is_paused": paused})

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The DAG's runs, newest first."""
        return self.listed(f"/dags/{dag_id}/dagRuns?order_by=-run_after", "dag_runs")

    def newest_run(self, dag_id: str) -> dict[str, Any] | None:
        """The DAG's newest run; None before its first."""
        found = self.get(f"/dags/{dag_id}/dagRuns?limit=1&order_by=-run_after")["dag_runs"]
        return found[0] if found else None

    def failed_runs(self, dag_id: str) -> int:
        """How many of the DAG's runs have failed."""
        return int(self.get(f"/dags/{dag_id}/dagRuns?limit=1&state=failed")["total_entries"])

    def newest_runs(self) -> list[dict[str, Any]]:
        """The runs of all DAGs, newest first, 100 at most: enough to see what moves."""
        found = self.get(f"/dags/~/dagRuns?limit={PAGE}&order_by=-run_after")["dag_runs"]
        assert isinstance(found, list)
        return found

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The task instances of a run, mapped ones each on their own."""
        return self.listed(f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances", "task_instances")

    def clear(self, dag_id: str, run_id: str, *, only_failed: bool = True) -> int:
        """Clears a run's tasks, as the UI's button does, and returns how many."""
        body = {"dry_run": False, "dag_run_id": run_id, "only_failed": only_failed, "reset_dag_runs": True}
        return int(self._call("POST", f"/dags/{dag_id}/clearTaskInstances", body)["total_entries"])

    def log(self, dag_id: str, run_id: str, task: dict[str, Any]) -> str:
        """The log of a task instance's latest try, a line per event."""
        return "\n".join(_text(line) for line in self._log(dag_id, run_id, task))

    def reason(self, dag_id: str, run_id: str, task: dict[str, Any]) -> str:
        """Why a task instance failed: the words of the last exception in its log, or the log's last line."""
        lines = self._log(dag_id, run_id, task)
        raised = [each for line in lines if isinstance(line, dict) for each in line.get("error_detail") or []]
        return str(raised[-1]["exc_value"]) if raised else _text(lines[-1]) if lines else "its log is empty"

    def returned(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1, key: str = "return_value") -> Any:
        """What a task returned, or left under another key, or None where it left nothing."""
        path = (
            f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances/{task_id}"
            f"/xcomEntries/{key}?map_index={map_index}&stringify=false"
        )
        try:
            return self.get(path)["value"]
        except AirflowRefused as refused:
            if refused.status == 404:
                return None
            raise

    def set_pool(self, name: str, slots: int, description: str) -> None:
        """Makes a pool with this many slots, or gives an existing one this many."""
        pool = {"slots": slots, "description": description, "include_deferred": False}
        if name in {each["name"] for each in self.listed("/pools", "pools")}:
            self._call("PATCH", f"/pools/{name}", {"pool": name, **pool})
        else:
            self._call("POST", "/pools", {"name": name, **pool})

    def wait_for_run(
        self, dag_id: str, run_id: str, patience: float, beside: Callable[[], object] = lambda: None
    ) -> str:
        """The state the run settled in; TimeoutError when it did not, and nothing moved for `patience` seconds.

        What moves are the run and its tasks, and what `beside` tells. A question that nobody answers is put again.
        """
        waiting, silent, poll = Patience(patience), "", 0
        seen: tuple[object, ...] = ()
        aside: object = None
        while True:
            try:
                if poll % BETWEEN_LOOKS == 0:
                    aside = beside()
                state = self.state(dag_id, run_id)
                if state is None:
                    raise AirflowRefused(f"there is no run {run_id} of {dag_id}", http.client.NOT_FOUND)
                if state in SETTLED:
                    return state
                silent = ""
                if poll % BETWEEN_LOOKS == 0:
                    seen = (state, moves(self.tasks(dag_id, run_id)), aside)
            except SILENCE as error:
                silent = f"; at last nobody answered: {error}"
            except AirflowRefused as refused:
                if refused.status < http.client.INTERNAL_SERVER_ERROR:
                    raise
                silent = f"; at last it answered: {refused}"
            if waiting.is_over(seen):
                raise TimeoutError(f"nothing of {dag_id} run {run_id} moved for {waiting.waited:.0f} s{silent}")
            poll += 1
            time.sleep(0.5)

    def _log(self, dag_id: str, run_id: str, task: dict[str, Any]) -> list[Any]:
        path = (
            f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances/{task['task_id']}"
            f"/logs/{task['try_number']}?map_index={task['map_index']}"
        )
        return list(self.get(path)["content"])

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        if not self._token:
            login = {"username": self.user, "password": self.password}
            self._token = self._send("POST", "/auth/token", login)["access_token"]
        return self._send(method, f"/api/v2{path}", body)

    def _send(self, method: str, path: str, body: Any) -> Any:
        request = urllib.request.Request(f"{self.url}{path}", method=method)  # noqa: S310 - our own loopback url
        request.add_header("Content-Type", "application/json")
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with urllib.request.urlopen(request, json.dumps(body).encode() if body else None, TIMEOUT) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            words = error.read().decode(errors="replace")[:1000]
            raise AirflowRefused(f"{method} {path}: {error.code} {error.reason}: {words}", error.code) from error
        except (OSError, http.client.HTTPException) as error:
            # A time-out while connecting comes wrapped, one while reading does not.
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            why = f"not within {TIMEOUT:.0f} s" if isinstance(cause, TimeoutError) else cause or type(cause).__name__
            away = AirflowAway(f"Airflow's api-server at {self.url} did not answer {method} {path}: {why}")
            raise away from (cause if isinstance(cause, Exception) else error)


def moves(tasks: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """How task instances stand; it differs when one of them has moved."""
    names = ("dag_id", "dag_run_id", "task_id", "map_index", "state", "try_number")
    return sorted(tuple(str(task.get(name)) for name in names) for task in tasks)


def _text(line: Any) -> str:
    """A line of a log, with what was raised where it tells of an exception."""
    if not isinstance(line, dict):
        return str(line)
    raised = [f"{each['exc_type']}: {each['exc_value']}" for each in line.get("error_detail") or []]
    return "\n".join([str(line.get("event", line)), *raised])
