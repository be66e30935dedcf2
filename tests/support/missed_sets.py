"""Sets that the loader missed, one of them spoilt: what the tests of faults, and of secrets, start from."""

from __future__ import annotations

from dataclasses import dataclass

from tests.proofs.halves.spoilt import poison
from tests.support.pipeline import Pipeline


@dataclass(frozen=True)
class Woken:
    """What one reconciliation came to, after sets had become ready while the loader was paused.

    `runs_before` counts those of load_listings, `loaded_before` the rows of fargo-nd; `state` is how it ended.
    """

    runs_before: int
    loaded_before: int
    state: str


def wake_a_loader_that_missed_sets(pipeline: Pipeline) -> Woken:
    """Leaves a set of today and a batch of yesterday, one of whose two files is no Parquet, to one reconciliation.

    The loads of two dates have nothing to do with each other.
    """
    pipeline.airflow.pause("load_listings", True)
    runs = [pipeline.extract(["fargo, nd"]), pipeline.extract(["nome, ak", "kodiak, ak"], key=pipeline.yesterday)]
    assert ["success", "success"] == [pipeline.finish(run_id) for run_id in runs]
    for market in ("fargo-nd", "nome-ak", "kodiak-ak"):
        pipeline.until(lambda market=market: is_ready(pipeline, market), f"{market} is ready")
        pipeline.until(lambda market=market: is_sensed(pipeline, market), f"sense_listings has emitted {market}")
    poison(pipeline, "nome-ak")
    pipeline.airflow.pause("load_listings", False)
    runs_before, loaded_before = len(pipeline.runs_of("load_listings")), pipeline.loaded("fargo-nd")
    state = pipeline.reconcile()
    pipeline.until(lambda: {"nome-ak", "kodiak-ak"} == set(suspects(pipeline)), "both sets are suspect")
    return Woken(runs_before, loaded_before, state)


def is_ready(pipeline: Pipeline, market: str) -> bool:
    """Whether the market has a ready marker."""
    return any(f"~{market}~" in key for key in pipeline.keys("clean", "ready/"))


def is_sensed(pipeline: Pipeline, market: str) -> bool:
    """Whether a run of sense_listings for the market has ended well."""
    sql = "select 1 from dag_run where dag_id = 'sense_listings' and state = 'success' and partition_key like %s"
    return pipeline.metadata(sql, f"%/{market}|%") != []


def suspects(pipeline: Pipeline) -> dict[str, int]:
    """How often each Alaskan set was in a failed batch."""
    sql = (
        "select market, count(*) from core.load_audit where status = 'suspect' and market like '%%-ak' group by market"
    )
    return dict(pipeline.warehouse(sql))
