"""One seed of the chaos proof, on the stack that the others share, so that the proof cannot rot unseen."""

from __future__ import annotations

import pytest

from tests.proofs.chaos.plan import disturbance
from tests.proofs.chaos.runner import Runner
from tests.support.pipeline import Pipeline

# The API's clock is set for it: nobody else may ask meanwhile.
pytestmark = [pytest.mark.sample, pytest.mark.timeout(900), pytest.mark.usefixtures("after_the_waves")]

SEED = 4


def test_a_run_whose_api_server_is_killed_ends_as_if_it_had_not_been(pipeline: Pipeline) -> None:
    """After a kill -9 in the middle of a run, `core` is that of an undisturbed one and follows from its snapshots."""
    what = disturbance(SEED)
    assert "api-server" == what.kind
    try:
        outcome = Runner(pipeline.stack).run(what)
    finally:
        pipeline.api.set_clock(None)
    assert outcome.is_right, "\n".join([outcome.line(), *outcome.wrongs()])
    assert "nothing" != outcome.victim
