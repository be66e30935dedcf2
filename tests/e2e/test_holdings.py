"""What the proof of upgrades counts of a home is what the pipeline put there."""

from __future__ import annotations

import pytest

from tests.proofs.upgrade.holdings import holdings
from tests.support.pipeline import Pipeline

pytestmark = pytest.mark.timeout(300)

LOADED = "select market from core.load_audit where status = 'loaded' and source = 'zillow56' and snapshot_date = %s"


def test_holdings_are_what_was_loaded(pipeline: Pipeline) -> None:
    """Rows by table, market and day, objects with their bytes, and runs with their tasks are all counted."""
    if not pipeline.warehouse(LOADED, pipeline.today):
        assert "success" == pipeline.finish(pipeline.extract(["logan, ut"]))
        pipeline.wait_until_loaded("logan-ut")
    market = pipeline.warehouse(LOADED, pipeline.today)[0][0]
    run = next(run for run in pipeline.runs_of("extract_listings", "success"))["dag_run_id"]
    page = next(key for key in pipeline.keys("raw", "listings/") if "/page-0001" in key)
    bucket = pipeline.environment["LISTINGS_RAW_BUCKET"]
    size = len(pipeline.s3.get_object(Bucket=bucket, Key=page)["Body"].read())

    found = holdings(pipeline.stack)

    assert pipeline.loaded(market) == found[f"core.listing_snapshots zillow56 {market} {pipeline.today}"]
    assert len(pipeline.airflow.tasks("extract_listings", run)) == found[f"run extract_listings {run} success"]
    assert size == found[f"s3://{bucket}/{page}"]
