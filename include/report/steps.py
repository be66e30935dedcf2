"""What `report_listings` does between its tasks: builds the marts, publishes what is due, sums it up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from include.base.keys import parse_warehouse_partition
from include.base.settings import resources
from include.report import marts
from include.report.marts import MartBuild
from include.warehouse.migrations import migrate
from include.warehouse.sql_files import Connection

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
else:
    S3Client = Any

PAGE = "listings/"
"""Where the Listings page is, below Airflow's own address."""


def build(connection: Connection, rendered: Mapping[str, Sequence[str]], *, run_id: str, full: bool) -> dict[str, Any]:
    """Brings the warehouse's tables up to date, builds the marts, and returns the `MartBuild` as a dict."""
    migrate(connection)
    return marts.build(
        connection, run_id=run_id, full=full, mart_sql=rendered["marts"], check_sql=rendered["checks"]
    ).to_dict()


def publish(
    connection: Connection,
    client: S3Client,
    build: Mapping[str, Any],
    *,
    partition_key: str | None,
    run_id: str,
    generated_at: datetime,
) -> list[dict[str, Any]]:
    """The `PublishedReport`s of the run's date and of the newest one, as dicts: those that were due."""
    # Not at the top: Altair and pyarrow would be imported whenever the DAG file is parsed, by every task of it.
    from include.report.publishing import Publisher

    done = MartBuild.from_dict(build)
    asked = parse_warehouse_partition(partition_key) if partition_key else None
    moment = generated_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    publisher = Publisher(connection, client, resources(), done, run_id, moment)
    dates = sorted({date for date in (asked, done.newest_date) if date})
    return [publisher.publish(date).to_dict() for date in dates if publisher.is_due(date)]


def summary(published: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The newest of the published reports, short enough for an asset event, with where to look."""
    newest = published[-1]
    return {**newest, "page": f"{PAGE}?date={newest['date']}", "reports": [each["uri"] for each in published]}
