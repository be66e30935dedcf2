"""The short form of `make chaos`: each seed kills one process of a stack that is theirs alone.

CHAOS_SEEDS says how many seeds; five share a scene, and with it the one undisturbed run.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proofs.chaos.plan import SCENES, disturbance
from tests.proofs.chaos.runner import Runner, chaos_stack

# `make test` keeps one that runs on the stack of the end-to-end tests: tests/e2e/test_killed_api_server.py.
SEEDS = range(1, 1 + int(os.environ.get("CHAOS_SEEDS", "5")))

pytestmark = pytest.mark.timeout(420)


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    """A stack that notices dead tasks early, and its runner."""
    home = Path(tempfile.mkdtemp(prefix="listings-chaos-")).resolve()
    home.chmod(0o755)  # PostgreSQL's own user must get through
    try:
        with chaos_stack(home, lambda line: None) as stack:
            runner = Runner(stack)
            # Or the moments would be parts of a run in which everything starts for the first time.
            runner.warm_up(SCENES[0])
            yield runner
    finally:
        shutil.rmtree(home)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_whose_process_is_killed_ends_as_if_it_had_not_been(runner: Runner, seed: int) -> None:
    """After a kill -9 and what a clock or a person does about it, `core` is that of an undisturbed run."""
    outcome = runner.run(disturbance(seed))
    assert outcome.is_right, "\n".join([outcome.line(), *outcome.wrongs()])
    assert "nothing" != outcome.victim
