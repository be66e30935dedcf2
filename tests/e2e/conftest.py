"""One whole stack for all end-to-end tests: a real scheduler runs the DAGs, and nothing wakes them but their assets.

What can go on at the same time does: see `wave.py`. Tests that pause a DAG or break something follow each other.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.stack import Ports, Stack, free_ports
from local.stack.process_marks import marked_processes
from tests.support.mailbox import Mailbox
from tests.support.ministack import LAMBDA_PYTHON
from tests.support.missed_sets import Woken, wake_a_loader_that_missed_sets
from tests.support.pipeline import Pipeline
from tests.support.wave import Wave, members, wave_of
from tools.pictures import Login, logged_in

ROOT = Path(__file__).resolve().parents[2]
ORDER = (
    "test_a_fresh_stack",  # nothing has happened yet
    "test_alerts",  # counts every mail of the stack: nothing may fail beside it
    "test_ui",  # from here on the wave is under way
    "test_listings_page",  # starts the late wave
    "test_chain",
    "test_searches",
    "test_listeners",
    "test_fresh_workers",
    "test_hostile_inputs",
    "test_replay",
    "test_holdings",  # counts what the others loaded
    "test_killed_api_server",
    "test_faults",  # leaves sets that are tried again and again
    "test_secrets",  # searches all that the others left
    "test_stack",  # ends the stack
)

SETTINGS = {
    # Reconciliation looks at everything at once, also at what has just landed.
    "LISTINGS_RECONCILE_AFTER": "0",
    "LISTINGS_SENSE_POKE_INTERVAL": "2",
    "LISTINGS_API_SLOTS": "6",
}
AIRFLOW_SETTINGS = {
    # A task is started soon after the one before it has ended; looking more often costs more than it brings.
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
    # No DAG file changes.
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "3600",
    # The tasks of one partition run as on workers that share nothing.
    "AIRFLOW__CORE__EXECUTOR": "LocalExecutor,tests.proofs.no_state.fresh_executor.FreshExecutor",
    "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'proofs' / 'no_state' / 'fresh_partition'}",
}
# Overdue from the start; test_alerts, which comes early, brings it. Without that every reconciliation would fail.
EXPECTED = {"LISTINGS_EXPECTED_MARKETS": "zillow56/bozeman-mt", "LISTINGS_FRESHNESS_HOURS": "0"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the modules of this folder into their order, and gives each wave to the tests that belong to it."""
    places = [place for place, item in enumerate(items) if item.path.parent == Path(__file__).parent]
    ordered = sorted((items[place] for place in places), key=_turn)
    for place, item in zip(places, ordered, strict=True):
        items[place] = item
        if wave := wave_of(item):
            item.fixturenames.append(wave)


def _turn(item: pytest.Item) -> int:
    if item.path.stem not in ORDER:
        raise pytest.UsageError(f"{item.path}: the tests of this folder share a stack; say in {__file__} when it comes")
    return ORDER.index(item.path.stem)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test of a wave runs already: its outcome is waited for."""
    wave = wave_of(pyfuncitem)
    if wave is None:
        return None
    pyfuncitem.funcargs[wave].outcome(pyfuncitem)
    return True


@pytest.fixture(scope="package")
def mailbox() -> Iterator[Mailbox]:
    """The mail server of the stack."""
    with Mailbox() as server:
        yield server


def leave_half_a_start(home: Path, ports: Ports) -> list[int]:
    """Starts `up` and kills it with SIGKILL in the middle of the deploy; gives what it left running."""
    environment = os.environ | {"LISTINGS_HOME": str(home)}
    environment |= {f"LISTINGS_PORT_{name.upper()}": str(port) for name, port in ports.items()}
    command = [str(LAMBDA_PYTHON), "-m", "local.stack", "up"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as starting:
        assert starting.stdout is not None
        for line in starting.stdout:
            if line.startswith("deploying"):
                break
        time.sleep(0.5)
        starting.kill()
    return [process.pid for process in marked_processes(home)]


@pytest.fixture(scope="package")
def pipeline(request: pytest.FixtureRequest, mailbox: Mailbox) -> Iterator[Pipeline]:
    """A stack that is up and has never asked the API for anything, started over what a killed start had left."""
    expected = EXPECTED if any("test_alerts" in item.nodeid for item in request.session.items) else {}
    settings = {**SETTINGS, **mailbox.settings(), **expected}
    home = Path(tempfile.mkdtemp(prefix="listings-e2e-")).resolve()
    home.chmod(0o755)  # PostgreSQL's own user must get through
    (home / "ledger").mkdir()
    fresh = {
        "FRESH_FOLDERS_LEDGER": str(home / "ledger"),
        "FRESH_FOLDERS_PARTITION": f"zillow56/laredo-tx|{datetime.now(UTC).date()}",
    }
    stack = Stack(
        home=home,
        ports=free_ports(),
        say=lambda line: None,
        settings=settings,
        airflow_settings={**AIRFLOW_SETTINGS, **fresh},
        durable=False,
    )
    try:
        assert [] != leave_half_a_start(home, stack.ports)
        stack.up()
        with Pipeline(stack) as pipeline:
            yield pipeline
    finally:
        stack.down()
        shutil.rmtree(home)


@pytest.fixture(scope="module")
def login(pipeline: Pipeline, chromium: str) -> Iterator[Login]:
    """A browser that is logged in to Airflow, for all tests of a module.

    Not for the session's: Playwright leaves its event loop running in the thread, where other tests have theirs.
    """
    with logged_in(pipeline.stack) as login:
        yield login


@pytest.fixture(scope="package")
def wave(request: pytest.FixtureRequest, pipeline: Pipeline) -> Iterator[Wave]:
    """All tests of the wave that are to run in this session, started."""
    with Wave(pipeline, members(request.session.items, "wave")) as started:
        yield started


@pytest.fixture(scope="package")
def late_wave(request: pytest.FixtureRequest, pipeline: Pipeline) -> Iterator[Wave]:
    """The same of the late wave."""
    with Wave(pipeline, members(request.session.items, "late_wave")) as started:
        yield started


@pytest.fixture(scope="package")
def after_the_waves(pipeline: Pipeline, wave: Wave, late_wave: Wave) -> None:
    """No test of a wave runs any more, nor anything that they set going."""
    wave.wait()
    late_wave.wait()
    pipeline.until(pipeline.is_at_rest, "the stack is at rest")


@pytest.fixture(scope="package")
def woken(pipeline: Pipeline, after_the_waves: None) -> Woken:
    """What one reconciliation came to, after sets had become ready while the loader was paused; one is spoilt."""
    return wake_a_loader_that_missed_sets(pipeline)
