"""What the demo does around the pipeline: what it reads, what it leaves behind, and how it ends when it cannot run."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local.airflow_api import AirflowRefused
from local.demo import MARKETS, Plan, plan, run
from local.listing_api.recordings import BadRecording
from local.stack import Ports, Stack, StackError, free_ports

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
QUIET = Console(quiet=True)


class Recorder:
    """An HTTP server on loopback: `script` gives the status and body for each request, `asked` has them all."""

    def __init__(self, script: dict[str, tuple[int, Any]]) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked.append((self.command, self.path, json.loads(body or b"null")))
                status, answer = next(script[end] for end in script if self.path.endswith(end))
                content = json.dumps(answer).encode()
                self.send_response_only(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = answer  # noqa: N815

            def log_message(self, *args: Any) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]


@contextmanager
def answering(script: dict[str, tuple[int, Any]]) -> Iterator[Recorder]:
    """A server that answers by the end of the path, for as long as the block runs."""
    recorder = Recorder(script)
    threading.Thread(target=recorder.server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield recorder
    finally:
        recorder.server.shutdown()
        recorder.server.server_close()


def airflow_where_runs(state: str) -> dict[str, tuple[int, Any]]:
    """What an Airflow answers whose extractions all end in this state."""
    return {
        "/auth/token": (201, {"access_token": "token-not-real"}),
        "/dags/extract_listings": (200, {}),
        "/dagRuns": (200, {"dag_run_id": "manual"}),
        "/dagRuns/manual": (200, {"state": state}),
    }


def test_a_failed_demo_sets_the_clock_back(tmp_path: Path) -> None:
    """When an extraction fails, the listing API's clock, which stood at a past date, is set to the real time."""
    with answering(airflow_where_runs("failed")) as airflow, answering({"/clock": (200, {})}) as api:
        stack = Stack(home=tmp_path, ports=Ports(ui=airflow.port, api=api.port))
        days = [date(2026, 11, 20), date(2026, 11, 21)]

        with pytest.raises(StackError, match="ended failed"):
            run(stack, Plan(MARKETS, "zillow56", days), QUIET)

    assert ["2026-11-20T12:00:00+00:00", None] == [body["now"] for _, _, body in api.asked]


def test_a_clock_that_cannot_be_set_back_hides_no_failure(tmp_path: Path) -> None:
    """When the listing API has gone too, what is raised is why the demo failed, and what is said names the clock."""
    with answering(airflow_where_runs("failed")) as airflow:
        stack = Stack(home=tmp_path, ports=Ports(ui=airflow.port, api=free_ports().api))
        with (tmp_path / "said").open("w+") as said, pytest.raises(StackError, match="ended failed"):
            run(stack, Plan(MARKETS, "zillow56", [date(2026, 11, 20)]), Console(file=said, width=200))

    assert "the listing API's clock could not be set back" in (tmp_path / "said").read_text()


def test_what_airflow_refuses_is_told_and_not_traced(tmp_path: Path) -> None:
    """Airflow's refusal of a run reaches the caller as AirflowRefused, with the clock set back."""
    refusing = airflow_where_runs("success") | {"/dagRuns": (409, {"detail": "there is such a run"})}
    with answering(refusing) as airflow, answering({"/clock": (200, {})}) as api:
        stack = Stack(home=tmp_path, ports=Ports(ui=airflow.port, api=api.port))

        with pytest.raises(AirflowRefused, match="there is such a run"):
            run(stack, Plan(MARKETS, "zillow56", [date(2026, 11, 20), date(2026, 11, 21)]), QUIET)

    assert api.asked[-1][2] == {"now": None}


def demo(home: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """`make demo` of a home, as a process."""
    settings = os.environ | {"LISTINGS_HOME": str(home)} | environment
    for name, port in free_ports().items():
        settings.setdefault(f"LISTINGS_PORT_{name.upper()}", str(port))
    # Tests that run in the background of a shell ignore Ctrl-C, and all that they start would with them.
    heeding = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    program = f"{heeding}import runpy; sys.argv[0] = 'demo'; runpy.run_module('local.demo', run_name='__main__')"
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_an_interrupted_demo_ends_with_a_sentence(tmp_path: Path) -> None:
    """Ctrl-C ends the demo with exit code 130 and a sentence, not with a traceback."""
    # It waits for whoever works on the home: a moment that lasts as long as the test wishes.
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with demo(tmp_path) as process:
            assert process.stdout is not None
            assert "waiting" in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            said = process.stdout.read()

    assert 130 == process.returncode, said
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("interrupted. ")


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["--recordings", "nowhere"], {}, "nowhere: expected a folder of recorded pages"),
        ([], {"LISTINGS_API_SLOTS": "x"}, "LISTINGS_API_SLOTS='x': expected a value like 2"),
        ([], {"LISTINGS_API_SLOT": "2"}, "LISTINGS_API_SLOT is no setting. Did you mean LISTINGS_API_SLOTS?"),
        ([], {"LISTINGS_PORT_UI": "http"}, "LISTINGS_PORT_UI='http': expected a number"),
        ([], {"LISTINGS_HOME": "/dev/null/home"}, "/dev/null"),
    ],
)
def test_a_demo_that_cannot_be_run_ends_with_a_sentence(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], words: str
) -> None:
    """What a person can get wrong ends the demo with exit code 2 and words for it, before anything is started."""
    # A port that is taken: should the demo get beyond what is wrong, it would not start a whole stack here.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = {"LISTINGS_PORT_POSTGRES": str(taken.getsockname()[1])}
        with demo(tmp_path, *arguments, **(port | environment)) as process:
            said = process.communicate()[0]

    assert 2 == process.returncode, said
    assert words in said
    assert "Traceback" not in said
    assert not (tmp_path / "run").exists()


def test_recordings_of_two_families_are_refused(tmp_path: Path) -> None:
    """Markets of two families in one folder cannot be one demo: the error names a market of each, and its family."""
    shutil.copytree(FIXTURES / "zillow56", tmp_path / "houston-tx")
    shutil.copytree(FIXTURES / "zillow-com4", tmp_path / "austin-tx")

    with pytest.raises(BadRecording, match=r"austin-tx of zillow-com4 and houston-tx of zillow56"):
        plan(tmp_path, date(2026, 11, 20))


def test_recordings_of_one_family_are_one_demo(tmp_path: Path) -> None:
    """Markets of one family are extracted together, of that family, on the day."""
    for market in ("houston-tx", "san-antonio-tx"):
        shutil.copytree(FIXTURES / "zillow-com4", tmp_path / market)

    expected = Plan(["houston, tx", "san antonio, tx"], "zillow-com4", [date(2026, 11, 20)])
    assert expected == plan(tmp_path, date(2026, 11, 20))
