"""The search for gaps over a real warehouse and a real S3."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include import reconcile
from include.gaps import Gaps
from include.keys import SetKey
from include.settings import resources, tuning
from include.sql_files import Connection
from tests.integration.staged_sets import rows, seen, stage
from tests.integration.warehouse_fixture import Warehouse
from tests.unit.examples import ENVIRONMENT, KEY

NOW = datetime.now(UTC)
LANDED = replace(KEY, date=NOW.date().isoformat())
BUCKETS = ("landing", "raw", "clean")


@pytest.fixture
def s3(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A stack's three buckets with one set, which landed now and came no further."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in ("RECONCILE_AFTER", "RECONCILE_PATIENCE", "RECONCILE_DAYS", "SUSPECT_RETRIES"):
        monkeypatch.delenv(f"LISTINGS_{name}", raising=False)
    resources.cache_clear()
    tuning.cache_clear()
    client = warehouse.ministack.client("s3")
    for bucket in BUCKETS:
        client.create_bucket(Bucket=bucket)
    client.put_object(Bucket="landing", Key=LANDED.manifest, Body=b"{}")
    yield client
    client.delete_object(Bucket="landing", Key=LANDED.manifest)
    for bucket in BUCKETS:
        client.delete_bucket(Bucket=bucket)
    resources.cache_clear()
    tuning.cache_clear()


@pytest.mark.parametrize(
    ("hours", "retry_stuck", "sent", "stuck"),
    [(0, False, 0, 0), (1, False, 1, 0), (7, False, 0, 1), (7, True, 1, 0), (8 * 24, True, 0, 0)],
)
def test_what_is_sent_again_and_what_is_stuck(
    core_tables: Connection, s3: Any, hours: int, retry_stuck: bool, sent: int, stuck: int
) -> None:
    """A set is left alone, sent again after ten minutes, stuck after six hours but for a retry, past after a week."""
    found = reconcile.find_gaps(core_tables, s3, datetime.now(UTC) + timedelta(hours=hours), retry_stuck=retry_stuck)

    not_copied: tuple[SetKey, ...] = (LANDED,) * sent
    assert Gaps(not_copied=not_copied, stuck=(f"{LANDED.manifest} (not copied)",) * stuck) == found


@pytest.mark.parametrize(("hours", "left"), [(23, [("failed",)]), (25, [])])
def test_staging_of_a_day_ago_is_dropped(
    core_tables: Connection, s3: Any, hours: int, left: list[tuple[str, ...]]
) -> None:
    """What a failed load left in staging is kept for a day, and gone with its tables after it."""
    stage(core_tables, "failed", seen({1: 100}))

    reconcile.find_gaps(core_tables, s3, datetime.now(UTC) + timedelta(hours=hours), retry_stuck=False)

    assert left == rows(core_tables, "select batch_id from staging.batches")
    tables = "select count(*) from information_schema.tables where table_schema = 'staging' and table_name like %s"
    assert bool(left) is (rows(core_tables, tables, "%_failed")[0][0] > 0)
