"""
### Fetches the listings of the markets you name and lands them in S3

**Wakes** daily at 06:00 UTC, and by hand (markets, family, search and page limit are in the form). Created paused:
unpausing it spends requests of your API key.

**Reads** the listing API through the connection `zillow_api`. **Writes** each page as received to the landing
bucket, `_manifest.json` last, and emits `landed_listings` for each market on its own. Keeps the quota ledger there too.

**Runs again** safely: clear a failed `land_listings` task and only the pages that it lacks are asked for. A set
that is complete is announced again and costs nothing.

**When it fails**, the failed mapped task names its market and repeats the API's own words; the other markets
have gone on. A wrong key or a used-up quota is not cured by waiting: mend it, then clear the task.
A run that may not fit into what is left of the quota is refused in `plan_requests`, which says by how much and what
to do; nothing was asked of the API then.
The date is the partition key, or the day of the run. The API serves only today: a date more than 36 hours away
is refused unless `date_override` gives a reason, which the manifests record.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk import CronPartitionTimetable, dag, task
from airflow.sdk.configuration import conf

from include.assets import LANDED_LISTINGS
from include.base.refusals import refuse_unknown
from include.base.settings import tuning
from include.dag_defaults import API_POOL, AWS_CONN_ID, DEFAULT_ARGS, START_DATE, TAGS
from include.extract import plan
from include.extract.operator import LandListingsOperator
from include.extract.params import PARAMS
from include.extract.quota_account import LONGEST_TASK
from include.extract.quota_ledger import reserve_plan


@task
def plan_requests(
    params: dict[str, Any] | None = None,
    partition_key: str | None = None,
    dag_run: Any = None,
    ti: Any = None,
    dag: Any = None,
) -> list[dict[str, Any]]:
    """One `ExtractRequest` per market, for which the quota has reserved what they may spend."""
    assert params is not None
    refuse_unknown(dag_run.conf or {}, dag.params)  # the task's own hold the conf too
    requests = plan.plan(
        source=params["source"],
        locations=params["markets"],
        listing=params["listing"],
        page_limit=params["page_limit"],
        partition_key=partition_key,
        run_after=dag_run.run_after,
        run_id=dag_run.run_id,
        started_at=ti.start_date,
        tolerance=tuning().date_tolerance,
        most=conf.getint("core", "max_map_length"),
        date_override=params["date_override"],
    )
    reserve_plan(S3Hook(AWS_CONN_ID).get_conn(), requests, override=params["quota_override"])
    return [request.to_dict() for request in requests]


@dag(
    dag_display_name="1 · extract_listings",
    doc_md=__doc__,
    schedule=CronPartitionTimetable("0 6 * * *", timezone="UTC", key_format="%Y-%m-%d"),
    start_date=START_DATE,
    catchup=False,
    is_paused_upon_creation=True,
    default_args=DEFAULT_ARGS,
    tags=TAGS,
    params=PARAMS,
)
def extract_listings() -> None:
    LandListingsOperator.partial(
        task_id="land_listings",
        pool=API_POOL,
        outlets=[LANDED_LISTINGS],
        map_index_template="{{ task.market_name }}",
        execution_timeout=LONGEST_TASK,
    ).expand(request=plan_requests())


extract_listings()
