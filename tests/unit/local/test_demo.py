"""What the demo does around the pipeline: what it reads, what it leaves behind, and how it ends when it cannot run."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local.airflow.api import AirflowRefused
from local.commands.demo import MARKETS, Plan, plan, run
from local.listing_api.recordings import BadRecording
from local.stack import Ports, Stack, StackError, free_ports
from tests.support.answering import Recorder, answering

ROOT = Path(__file__).resolve().parents[3]
FIXTURES = ROOT / "tests" / "fixtures"
QUIET = Console(quiet=True)


DAYS = [date(2026, 11, 20), date(2026, 11, 21)]
THREE = Plan(MARKETS, "zillow56", DAYS)
API = {"/clock": (200, {}), "/requests": (200, {"total": 1})}


def airflow_where_runs(state: str, *, before: str | None = None) -> dict[str, Any]:
    """What an Airflow answers whose extractions end in this state, and had the state `before` before the demo."""
    found: dict[str, Any] = {
        "/auth/token": (201, {"access_token": "token-not-real"}),
        "/dags/extract_listings": (200, {}),
        "/taskInstances": (200, {"task_instances": [], "total_entries": 0}),
        "/clearTaskInstances": (200, {"total_entries": 1}),
        "/dags/~/dagRuns": (200, {"dag_runs": []}),
        "/dagRuns": (200, {}),
    }
    told = {"run_after": "2026-11-22T00:00:00Z"}
    for day in DAYS:
        first = (200, {"state": before, **told}) if before else (404, {})
        found[f"/dagRuns/{THREE.run_id(day)}"] = [first, (200, {"state": state, **told})]
    return found


@pytest.fixture
def up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every stack counts as up."""
    monkeypatch.setattr(Stack, "is_up", lambda stack: True)


def told_clocks(api: Recorder) -> list[Any]:
    """What the listing API's clock was set to, in order."""
    return [body["now"] for method, _, body in api.asked if method == "PUT"]


@pytest.mark.usefixtures("up")
def test_a_failed_demo_sets_the_clock_back(tmp_path: Path) -> None:
    """When an extraction fails, the listing API's clock, which stood at a past date, is set to the real time."""
    with answering(airflow_where_runs("failed")) as airflow, answering(API) as api:
        stack = Stack(home=tmp_path, ports=Ports(ui=airflow.port, api=api.port))

        with pytest.raises(StackError, match=r"ended failed: .* then `make demo` clears it and goes on"):
            run(stack, THREE, QUIET)

    assert ["2026-11-20T12:00:00+00:00", None] == told_clocks(api)


@pytest.mark.usefixtures("up")
def test_a_clock_that_cannot_be_set_back_hides_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the listing API has gone too, what is raised is why the demo failed, and what is said names the clock."""
    monkeypatch.setattr("local.patience.crowding", lambda: 0.1)
    with answering(airflow_where_runs("failed")) as airflow:
        stack = Stack(home=tmp_path, ports=Ports(ui=airflow.port, api=free_ports().api))
        with (tmp_path / "said").open("w+") as said, pytest.raises(StackError, match="ended failed"):
            run(stack, Plan(MARKETS, "zillow56", DAYS[:1]), Console(file=said, width=200))

    assert "the listing API's clock could not be set back" in (tmp_path / "said").read_text()


@pytest.mark.usefixtures("up")
def test_what_airflow_refuses_is_told_and_not_traced(tmp_path: Path) -> None:
    """Airflow's refusal of a run reaches the caller as AirflowRefused, with the clock set back."""
    refusing = airflow_where_runs("success") | {"/dagRuns": (400, {"detail": "no such market"})}
    with answering(refusing) as airflow, answering(API) as api:
        stack = Stack(home=tmp_path, ports=Ports(ui=airflow.port, api=api.port))

        with pytest.raises(AirflowRefused, match="no such market"):
            run(stack, THREE, QUIET)

    assert api.asked[-1][2] == {"now": None}


class Done(Exception):
    """The demo has come to what follows the extractions."""


@pytest.mark.parametrize(
    ("before", "sent"),
    [
        (None, [f"/api/v2/dags/extract_listings/dagRuns {THREE.run_id(day)}" for day in DAYS]),
        ("success", []),
        ("running", []),
        ("failed", [f"/api/v2/dags/extract_listings/clearTaskInstances {THREE.run_id(day)}" for day in DAYS]),
    ],
)
@pytest.mark.usefixtures("up")
def test_a_demo_goes_on_with_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None, sent: list[str]
) -> None:
    """A day that landed is not extracted again, one under way is waited for, of one that failed the rest is cleared."""

    def books(stack: Stack) -> None:
        raise Done

    monkeypatch.setattr("local.commands.demo.Books", books)
    with answering(airflow_where_runs("success", before=before)) as airflow, answering(API) as api:
        stack = Stack(home=tmp_path, ports=Ports(ui=airflow.port, api=api.port))
        with pytest.raises(Done):
            run(stack, THREE, QUIET)

    posts = [(path, body) for method, path, body in airflow.asked if method == "POST" and path != "/auth/token"]
    assert sent == [f"{path} {body['dag_run_id']}" for path, body in posts]
    days = [] if before == "success" else [f"{day}T12:00:00+00:00" for day in DAYS]
    assert [*days, None] == told_clocks(api)


@pytest.mark.usefixtures("up")
def test_runs_that_failed_behind_an_earlier_demo_are_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the DAGs behind the extraction those are cleared that failed since it began, and none that is older."""

    def books(stack: Stack) -> None:
        raise Done

    def failed(dag_id: str, run_after: str) -> dict[str, str]:
        return {"dag_id": dag_id, "dag_run_id": f"{dag_id} {run_after}", "state": "failed", "run_after": run_after}

    monkeypatch.setattr("local.commands.demo.Books", books)
    runs = [
        failed("load_listings", "2026-11-23T00:00:00Z"),
        failed("load_listings", "2026-11-21T00:00:00Z"),
        failed("replay_listings", "2026-11-23T00:00:00Z"),
    ]
    answers = {"/dags/~/dagRuns": (200, {"dag_runs": runs}), **airflow_where_runs("success", before="success")}
    answers["/dags/~/dagRuns"] = (200, {"dag_runs": runs})
    with answering(answers) as airflow, answering(API) as api, pytest.raises(Done):
        run(Stack(home=tmp_path, ports=Ports(ui=airflow.port, api=api.port)), THREE, QUIET)

    cleared = [body["dag_run_id"] for _, path, body in airflow.asked if path.endswith("/clearTaskInstances")]
    assert ["load_listings 2026-11-23T00:00:00Z"] == cleared


@pytest.mark.usefixtures("up")
def test_a_demo_that_gives_up_on_a_run_under_way_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pages would be of two days: the clock stays, and what is said names the run and the command that goes on."""
    monkeypatch.setattr("local.commands.demo.PATIENCE", 0.0)
    with answering(airflow_where_runs("running")) as airflow, answering(API) as api:
        stack = Stack(home=tmp_path, ports=Ports(ui=airflow.port, api=api.port))
        with (tmp_path / "said").open("w+") as said, pytest.raises(StackError) as raised:
            run(stack, THREE, Console(file=said, width=300))

    run_id = THREE.run_id(DAYS[0])
    assert re.match(rf"nothing of extract_listings run {run_id} moved for \d s\. ", str(raised.value))
    assert "`make demo` goes on with what is there" in str(raised.value)
    assert (
        f"{run_id} is still under way, and the listing API's clock stays at its date" in (tmp_path / "said").read_text()
    )
    assert ["2026-11-20T12:00:00+00:00"] == told_clocks(api)


def test_a_demo_whose_stack_has_gone_waits_for_nobody(tmp_path: Path) -> None:
    """Where the stack was taken down under it, the demo says so at once, and what starts it."""
    with answering(airflow_where_runs("running")) as airflow, answering(API) as api:
        stack = Stack(home=tmp_path, ports=Ports(ui=airflow.port, api=api.port))
        with pytest.raises(StackError, match="the stack is not up any more: `make demo` starts it"):
            run(stack, THREE, QUIET)


@contextmanager
def demo(home: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """`make demo` of a home, as a process, which ends with the test even if that fails."""
    settings = os.environ | {"LISTINGS_HOME": str(home)} | environment
    for name, port in free_ports().items():
        settings.setdefault(f"LISTINGS_PORT_{name.upper()}", str(port))
    # Tests that run in the background of a shell ignore Ctrl-C, and all that they start would with them.
    heeding = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    program = (
        f"{heeding}import runpy; sys.argv[0] = 'demo'; runpy.run_module('local.commands.demo', run_name='__main__')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


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

    planned = plan(tmp_path, date(2026, 11, 20))
    assert Plan(["houston, tx", "san antonio, tx"], "zillow-com4", [date(2026, 11, 20)], planned.pages) == planned


def test_other_pages_in_the_same_folder_are_another_extraction(tmp_path: Path) -> None:
    """The run of a day is told by the recorded pages: the same are extracted once, changed ones again."""
    folder, day = tmp_path / "houston-tx", date(2026, 11, 20)
    shutil.copytree(FIXTURES / "zillow56", folder)
    first, again = (plan(tmp_path, day).run_id(day) for _ in range(2))
    page = min(folder.glob("page-*.json"))
    page.write_bytes(page.read_bytes() + b"\n")

    assert first == again
    assert first != plan(tmp_path, day).run_id(day)
