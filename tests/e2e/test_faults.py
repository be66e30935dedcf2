"""What goes wrong in life, made to happen in the running stack: nothing is lost, nothing comes twice."""

from __future__ import annotations

from typing import Any

import pytest

from tests.proofs.halves.spoilt import failed_batches
from tests.support.missed_sets import Woken, suspects
from tests.support.pipeline import Pipeline

pytestmark = [pytest.mark.timeout(900), pytest.mark.usefixtures("after_the_waves")]


def failed_tasks(pipeline: Pipeline, dag_id: str, run_id: str) -> list[dict[str, Any]]:
    """The failed task instances of a run."""
    return [task for task in pipeline.airflow.tasks(dag_id, run_id) if task["state"] == "failed"]


@pytest.mark.wave
def test_a_failed_market_holds_up_no_other_and_flows_when_cleared(pipeline: Pipeline) -> None:
    """Its run ends failed and repeats the API's words; cleared with only-failed it asks for what it lacks."""
    refusal = {"message": "You are not subscribed to this API."}
    pipeline.api.add_faults([{"location": "tampa, fl", "page": 2, "times": 1, "status": 403, "body": refusal}])
    run_id = pipeline.extract(["tampa, fl", "elko, nv"], page_limit=3)
    assert "failed" == pipeline.finish(run_id)
    [failed] = failed_tasks(pipeline, "extract_listings", run_id)
    assert "tampa, fl" == failed["rendered_map_index"]
    assert "You are not subscribed to this API." in pipeline.airflow.log("extract_listings", run_id, failed)
    pipeline.wait_until_loaded("elko-nv")
    assert 0 == pipeline.loaded("tampa-fl")

    before = pipeline.asked("tampa-fl")
    assert 1 == pipeline.airflow.clear("extract_listings", run_id, only_failed=True)
    assert "success" == pipeline.finish(run_id)
    pipeline.wait_until_loaded("tampa-fl")
    after = pipeline.asked("tampa-fl")
    assert (1, 0, 1, 1) == (before[1], *(after[page] - before.get(page, 0) for page in (1, 2, 3)))


@pytest.mark.wave
def test_a_quota_that_runs_out_on_page_7_keeps_six_pages_and_goes_on_when_cleared(pipeline: Pipeline) -> None:
    """The market fails in the API's words and nothing goes on; cleared after the reset it asks for 7 and 8 only."""
    used_up = {"message": "You have exceeded the MONTHLY quota for Requests on your current plan, BASIC."}
    headers = {"x-ratelimit-requests-remaining": "0", "x-ratelimit-requests-reset": "1"}
    # Of a family that nobody else asks meanwhile: the account of all its markets says that it is used up.
    pipeline.api.add_faults(
        [{"location": "las vegas, nv", "page": 7, "status": 429, "headers": headers, "body": used_up}]
    )
    run_id = pipeline.extract(["las vegas, nv"], page_limit=8, source="zillow-com1")
    assert "failed" == pipeline.finish(run_id)
    [failed] = failed_tasks(pipeline, "extract_listings", run_id)
    assert "You have exceeded the MONTHLY quota" in pipeline.airflow.log("extract_listings", run_id, failed)
    landed = [key for key in pipeline.keys("landing", "listings/") if "/market=las-vegas-nv/" in key]
    assert [f"page-{page:04d}.json" for page in range(1, 7)] == [key.rsplit("/", 1)[1] for key in landed]
    before = pipeline.asked("las-vegas-nv")

    assert 1 == pipeline.airflow.clear("extract_listings", run_id, only_failed=True)
    assert "success" == pipeline.finish(run_id)
    pipeline.wait_until_loaded("las-vegas-nv")
    after = pipeline.asked("las-vegas-nv")
    assert dict.fromkeys(range(1, 8), 1) == before
    assert {**before, 7: 2, 8: 1} == after


def test_an_event_that_a_paused_loader_missed_is_made_good_by_reconcile(pipeline: Pipeline, woken: Woken) -> None:
    """A set sensed while load_listings is paused stays out of the warehouse until reconcile wakes the loader."""
    assert (0, "success") == (woken.loaded_before, woken.state)
    pipeline.wait_until_loaded("fargo-nd")
    assert woken.runs_before < len(pipeline.runs_of("load_listings"))


@pytest.mark.sample
def test_a_poisoned_set_names_itself_and_the_others_of_its_batch_arrive(pipeline: Pipeline, woken: Woken) -> None:
    """Two ready sets, one with a file that is no Parquet: the batch fails and wakes its load for each of them alone."""
    assert 2 == failed_batches(pipeline, pipeline.yesterday)[0]

    pipeline.wait_until_loaded("kodiak-ak", date=pipeline.yesterday)
    # Twice or more: a wake that was queued meanwhile tries it once more.
    pipeline.until(lambda: suspects(pipeline).get("nome-ak", 0) >= 2, "the bad set failed alone")
    assert [2, 1] == failed_batches(pipeline, pipeline.yesterday)[:2]
    assert 1 == suspects(pipeline)["kodiak-ak"]
    assert 0 == pipeline.loaded("nome-ak", pipeline.yesterday)
    [[reason]] = pipeline.warehouse(
        "select error from core.load_audit where market = 'nome-ak' order by recorded_at desc limit 1"
    )
    assert "copy_listings" in reason
    assert "Parquet" in reason


def test_a_stuck_set_does_not_hold_up_the_next_extraction(pipeline: Pipeline) -> None:
    """A set whose copy is refused for good leaves the market's second extraction of the day its way."""
    bucket = pipeline.environment["LISTINGS_LANDING_BUCKET"]
    pipeline.airflow.pause("sense_listings", True)
    assert "success" == pipeline.finish(pipeline.extract(["juneau, wi"]))
    pipeline.until(lambda: manifest_of(pipeline, "juneau-wi", "raw") != [], "the first set is copied")
    [landed] = manifest_of(pipeline, "juneau-wi", "landing")
    stuck = landed.replace("/extract=", "/extract=0")
    pipeline.s3.copy_object(Bucket=bucket, Key=stuck, CopySource={"Bucket": bucket, "Key": landed})
    pipeline.airflow.pause("sense_listings", False)

    assert "success" == pipeline.finish(pipeline.extract(["juneau, wi"]))
    pipeline.wait_until_loaded("juneau-wi")
    assert 3 == len(manifest_of(pipeline, "juneau-wi", "landing"))


def manifest_of(pipeline: Pipeline, market: str, bucket: str) -> list[str]:
    """The keys of a market's manifests in a bucket."""
    return [key for key in pipeline.keys(bucket, "listings/") if f"/market={market}/" in key and "_manifest" in key]
