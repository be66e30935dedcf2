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
from airflow.sdk import CronPartitionTimetable, Param, dag, task
from airflow.sdk.configuration import conf

from include.assets import LANDED_LISTINGS
from include.base.markets import LONGEST_LOCATION, LONGEST_REASON, ONE_LINE
from include.base.refusals import refuse_unknown
from include.base.searches import SALE, SEARCHES
from include.base.settings import tuning
from include.contract.families import known_sources
from include.dag_defaults import API_POOL, AWS_CONN_ID, DEFAULT_ARGS, START_DATE, TAGS
from include.extract import plan
from include.extract.operator import LandListingsOperator
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
    params={
        "markets": Param(
            ["houston, tx", "austin, tx", "phoenix, az"],
            type="array",
            items={"type": "string", "maxLength": LONGEST_LOCATION, "pattern": ONE_LINE},
            minItems=1,
            title="Markets",
            description="One per line, as the API knows them: a city and its state.",
        ),
        "source": Param(
            "zillow56",
            type="string",
            enum=list(known_sources()),
            title="API family",
            description="Which of the listing APIs to ask (source).",
        ),
        "listing": Param(
            SALE,
            type="string",
            enum=list(SEARCHES),
            title="Homes",
            description="For sale, for rent or sold: each is a market of its own (houston-tx-rent).",
        ),
        "page_limit": Param(
            20,
            type="integer",
            minimum=1,
            maximum=20,
            title="Page limit",
            description="Pages per market at most; each page is one request of your quota. The API shows 20 at most.",
        ),
        "date_override": Param(
            None,
            type=["null", "string"],
            maxLength=LONGEST_REASON,
            pattern=ONE_LINE,
            title="Reason for another date",
            description="Only when the partition key is not today: why what the API serves now stands for that date.",
        ),
        "quota_override": Param(
            None,
            type=["null", "string"],
            maxLength=LONGEST_REASON,
            pattern=ONE_LINE,
            title="Reason not to believe the API's quota",
            description="Only when a run is refused for what the API last said of its quota: why there is more now.",
        ),
    },
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
