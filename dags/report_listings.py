"""
### Builds the marts and publishes the market report

**Wakes** on `warehouse_listings`, one run at a time, key `all|date`; or a person, also without a key: then the
report is of the newest date in the warehouse.

**Reads** `core`. Which days of which markets are to be built is read off `core.load_audit` and `marts.coverage`, so a
wake that was missed is made up for by the next one; a run that finds nothing ends at once.
**Writes** the marts in one transaction with their checks (`include/sql/marts`, `include/sql/mart_checks`), then in the
clean bucket `reports/date=…/`: `report.html`, every mart as CSV and Parquet, and `report.json` last; the newest date's
also as `latest.html` and `latest.json`. A run of an earlier date publishes the newest one's again too. Emits
`market_report`, whose event links to it. The *Listings* page shows all of it.

**Runs again** safely: the same rows, the same files. With the param `full` all marts are built anew from `core`.

**When `build_marts` fails**, the marts and the last report stay as they were: its error names the check and the rows
that are its evidence (docs/marts.md says what must hold). Mend the rows in `core` (usually: `make replay` of the date),
then clear it. **When `publish_report` fails**, the marts are built and only the files are missing: clear it.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.amazon.aws.hooks.redshift_sql import RedshiftSQLHook
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk import IdentityMapper, Param, PartitionedAssetTimetable, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from include.assets import MARKET_REPORT, WAREHOUSE_LISTINGS
from include.dag_defaults import AWS_CONN_ID, DEFAULT_ARGS, LOOK_AGAIN, REDSHIFT_CONN_ID, START_DATE, TAGS
from include.report import steps
from include.warehouse.sql_files import MART_CHECK_FILES, MART_FILES, SQL_DIR, includes


@task(
    templates_dict={"marts": includes(MART_FILES), "checks": includes(MART_CHECK_FILES)},
    **LOOK_AGAIN,
)
def build_marts(templates_dict: Any = None, dag_run: Any = None, params: dict[str, Any] | None = None) -> Any:
    """Builds the days that are stale, checks them, commits. Returns the `MartBuild`."""
    assert params is not None
    with RedshiftSQLHook(REDSHIFT_CONN_ID).get_conn() as connection:
        return steps.build(connection, templates_dict, run_id=dag_run.run_id, full=params["full"])


@task(outlets=[MARKET_REPORT], **LOOK_AGAIN)
def publish_report(
    build: dict[str, Any],
    partition_key: str | None = None,
    dag_run: Any = None,
    ti: Any = None,
    outlet_events: Any = None,
) -> Any:
    """Publishes the run's date and the newest one. Returns each `PublishedReport`; skipped when none is due."""
    with RedshiftSQLHook(REDSHIFT_CONN_ID).get_conn() as connection:
        published = steps.publish(
            connection,
            S3Hook(AWS_CONN_ID).get_conn(),
            build,
            partition_key=partition_key,
            run_id=dag_run.run_id,
            generated_at=ti.start_date,
        )
    if not published:
        raise AirflowSkipException("the published reports are those of the newest build")
    outlet_events[MARKET_REPORT].extra = steps.summary(published)
    return published


@dag(
    dag_display_name="4 · report_listings",
    doc_md=__doc__,
    schedule=PartitionedAssetTimetable(assets=WAREHOUSE_LISTINGS, default_partition_mapper=IdentityMapper()),
    start_date=START_DATE,
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=TAGS,
    template_searchpath=[str(SQL_DIR)],
    params={
        "full": Param(
            False,
            type="boolean",
            title="Full rebuild",
            description="Build all days of all markets anew from core, not only those that differ.",
        )
    },
)
def report_listings() -> None:
    publish_report(build_marts())


report_listings()
