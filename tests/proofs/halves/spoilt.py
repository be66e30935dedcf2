"""Spoils a set, and says which batches failed since."""

from __future__ import annotations

from tests.support.pipeline import Pipeline

_FAILED = """
select count(*)
from core.load_audit
where status = 'suspect' and snapshot_date = %s
group by batch_id
order by 1 desc
"""


def poison(pipeline: Pipeline, market: str) -> None:
    """Overwrites the market's clean listings with as many bytes that are no Parquet."""
    [key] = [key for key in pipeline.keys("clean", "listings/") if market in key and key.endswith("listings.parquet")]
    bucket = pipeline.environment["LISTINGS_CLEAN_BUCKET"]
    size = pipeline.s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
    pipeline.s3.put_object(Bucket=bucket, Key=key, Body=b"x" * size)


def failed_batches(pipeline: Pipeline, date: str) -> list[int]:
    """How many sets each failed batch of a date had, the biggest first."""
    return [sets for (sets,) in pipeline.warehouse(_FAILED, date)]
