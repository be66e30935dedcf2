"""What a stack is like before anybody has done anything with it. Comes first in its session."""

from __future__ import annotations

import pytest

from tests.support.pipeline import Pipeline

# The stack is started by whichever test comes first: this one, which its start must not fail.
pytestmark = pytest.mark.timeout(900, func_only=True)


def test_a_start_after_a_killed_start_brings_up_every_process(pipeline: Pipeline) -> None:
    """Eight programs run after an `up` whose predecessor was killed with SIGKILL in mid-deploy."""
    expected = {
        "postgres", "ministack", "redshift", "listing-api",
        "airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer",
    }  # fmt: skip

    assert expected == {each.name for each in pipeline.stack.supervisor.programs() if each.state == "RUNNING"}
    assert pipeline.stack.is_up()


def test_a_fresh_stack_has_asked_the_api_for_nothing(pipeline: Pipeline) -> None:
    """After `up` not one request has gone out and the extraction is paused."""
    assert 0 == pipeline.api.requests()["total"]
    assert True is pipeline.airflow.get("/dags/extract_listings")["is_paused"]
