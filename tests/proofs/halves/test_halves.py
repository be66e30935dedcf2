"""A hundred sets of one batch, one of them spoilt: the load halves it by itself until the bad one stands alone.

`tests/e2e/test_faults.py` has the case of two, tests/integration/test_warehouse_faults.py 1,100 without a scheduler.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.stack import Stack, free_ports
from tests.proofs.halves.spoilt import failed_batches, poison
from tests.support.pipeline import Pipeline

# A place has no figures in its name.
MARKETS = [f"half {one}{other}, tx" for one in "abcdefghij" for other in "abcdefghij"]
BAD = "half-eb-tx"


@pytest.fixture
def pipeline() -> Iterator[Pipeline]:
    """A stack of its own, which nobody else wakes."""
    home = Path(tempfile.mkdtemp(prefix="listings-halves-")).resolve()
    home.chmod(0o755)  # PostgreSQL's own user must get through
    stack = Stack(home=home, ports=free_ports(), say=lambda line: None, settings={}, durable=False)
    try:
        stack.up()
        with Pipeline(stack) as found:
            yield found
    finally:
        stack.down()
        shutil.rmtree(home)


@pytest.mark.timeout(2400)
def test_a_hundred_sets_arrive_but_the_bad_one(pipeline: Pipeline) -> None:
    """All fail together, and no person and no reconciliation is needed for 99 to arrive and the bad one to be named."""
    pipeline.airflow.pause("reconcile_listings", True)
    pipeline.airflow.pause("load_listings", True)
    assert "success" == pipeline.finish(pipeline.extract(MARKETS))
    pipeline.until(lambda: len(pipeline.keys("clean", "ready/")) == len(MARKETS), "all are ready", 1500)
    poison(pipeline, BAD)
    before = len(pipeline.runs_of("load_listings"))
    pipeline.airflow.pause("load_listings", False)
    began = time.monotonic()
    pipeline.airflow.trigger("load_listings", partition_key=f"all|{pipeline.today}")

    alone = """
        select 1 from core.load_audit where status = 'suspect' and market = %s
        and batch_id not in (select batch_id from core.load_audit where status = 'suspect' and market <> %s)
    """
    pipeline.until(lambda: pipeline.warehouse(alone, BAD, BAD) != [], "the bad set failed alone", 900)
    loaded = "select count(*) from core.load_audit where status = 'loaded'"
    pipeline.until(lambda: pipeline.warehouse(loaded) == [(len(MARKETS) - 1,)], "all others are loaded")
    pipeline.until(pipeline.is_at_rest, "nothing is under way")

    print(f"{time.monotonic() - began:.0f} s, {len(pipeline.runs_of('load_listings')) - before} runs of the load")
    assert [len(MARKETS), 50, 25] == failed_batches(pipeline, pipeline.today)[:3]
    assert [] == pipeline.warehouse("select 1 from core.listing_snapshots where market = %s", BAD)
