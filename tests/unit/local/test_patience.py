"""Patience counts from the last progress and the crowd on the machine, and a silent Airflow is asked again."""

from __future__ import annotations

import os
import socket
import time
from urllib.parse import parse_qsl, urlsplit

import pytest

from local.airflow import api as airflow_api
from local.airflow.api import AirflowApi, AirflowAway
from local.patience import Patience, asked_again
from tests.support.answering import answering, run_of


class Clock:
    """A clock that a test moves on, on a machine with so many processes for each processor."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.crowd = 1000.0, 0.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self.sleep)
        monkeypatch.setattr(os, "cpu_count", lambda: 2)
        monkeypatch.setattr(os, "getloadavg", lambda: (2 * self.crowd, 0.0, 0.0))

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of this test."""
    return Clock(monkeypatch)


def test_patience_counts_from_the_last_progress(clock: Clock) -> None:
    """What moves every nine seconds is waited for with a patience of ten, and given up eleven after it moved last."""
    waiting = Patience(10)
    ends = []
    for seen in (0, 1, 2, 2):
        clock.sleep(9)
        ends.append(waiting.is_over(seen))

    assert [False, False, False, False] == ends
    clock.sleep(2)
    assert waiting.is_over(2)


@pytest.mark.parametrize(("crowd", "seconds"), [(0.5, 10), (3, 30), (21, 50)])
def test_a_crowded_machine_is_given_more_time(clock: Clock, crowd: float, seconds: int) -> None:
    """Three processes for each processor take three times as long; beyond five times nobody waits."""
    clock.crowd = crowd
    waiting = Patience(10)
    clock.sleep(seconds - 1)
    assert not waiting.is_over()
    clock.sleep(2)
    assert waiting.is_over()


def test_a_question_is_put_again_until_somebody_answers(clock: Clock) -> None:
    """Two silences and an answer are an answer; silence for longer than patience is the last silence's error."""
    said = iter([TimeoutError("first"), TimeoutError("second"), None])

    def ask() -> str:
        if silence := next(said):
            raise silence
        return "an answer"

    assert "an answer" == asked_again(ask, 10)
    said = iter([TimeoutError(str(number)) for number in range(100)])
    with pytest.raises(TimeoutError, match="11"):
        asked_again(ask, 10)


def test_a_poll_that_times_out_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """An api-server that swallows four questions, and answers 503 once, still tells how the run ended."""
    monkeypatch.setattr(airflow_api, "TIMEOUT", 0.3)
    script = {
        "/dagRuns/it": [None, None, None, None, (503, "busy"), (200, {"state": "running"}), (200, {"state": "success"})]
    }
    with answering({**run_of("it", "running"), **script}) as airflow:
        state = AirflowApi(f"http://127.0.0.1:{airflow.port}", "admin", "not-real").wait_for_run("it", "it", 30)

    assert "success" == state
    assert 7 == [path for _, path, _ in airflow.asked].count("/api/v2/dags/it/dagRuns/it")


def test_a_run_that_stands_still_is_given_up_and_named(clock: Clock) -> None:
    """Nothing moved for longer than patience: the error names the run, not a socket."""
    with (
        answering(run_of("it", "running")) as airflow,
        pytest.raises(TimeoutError, match=r"nothing of dag run it moved for 1\d s$"),
    ):
        AirflowApi(f"http://127.0.0.1:{airflow.port}", "admin", "not-real").wait_for_run("dag", "it", 10)


def test_a_silent_api_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks an api-server that does not answer hears its address, the question and for how long."""
    monkeypatch.setattr(airflow_api, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(AirflowAway, match=f"api-server at {url} did not answer POST /auth/token: not within 0 s"):
            AirflowApi(url, "admin", "not-real").get("/pools")


def test_a_run_that_is_there_already_is_the_one_that_was_asked_for() -> None:
    """A trigger whose answer was lost may be put again: 409 for a run of that id is no error."""
    there = {**run_of("mine", "queued"), "/dagRuns": (409, {"detail": "already exists"})}
    with answering(there) as airflow:
        api = AirflowApi(f"http://127.0.0.1:{airflow.port}", "admin", "not-real")
        assert "mine" == api.trigger("dag", run_id="mine")


def test_every_page_of_a_long_answer_is_read() -> None:
    """Of 201 tasks all are found, each once and in order, though the API gives a hundred at a time."""
    tasks = [{"map_index": number} for number in range(201)]

    def page(method: str, path: str) -> tuple[int, dict[str, object]]:
        asked = {name: int(value) for name, value in parse_qsl(urlsplit(path).query)}
        chosen = tasks[asked["offset"] : asked["offset"] + min(asked["limit"], 100)]
        return 200, {"task_instances": chosen, "total_entries": len(tasks)}

    script = {"/auth/token": (201, {"access_token": "token-not-real"}), "/taskInstances": page}
    with answering(script) as airflow:
        found = AirflowApi(f"http://127.0.0.1:{airflow.port}", "admin", "not-real").tasks("extract_listings", "run")

    assert tasks == found
    assert 3 == sum(path.partition("?")[0].endswith("/taskInstances") for _, path, _ in airflow.asked)
