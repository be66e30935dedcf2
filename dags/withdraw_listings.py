"""
### Withdraws a set, with a reason, or gives it back

**Wakes** by hand only. Withdraw a set that must not count: a search for another place, a test, an API's bad day.

**Reads** the set's market and date in the raw bucket. **Writes** one object under `withdrawn/date=…/` there, with the
set, the reason, who and when; *Give back* deletes it. Then emits `clean_listings`, so that `load_listings` works out
which set holds the day now. The set's pages stay in raw.

**Runs again** safely: of a set that is withdrawn already the first reason stays, and the load is woken once more.

**When `withdraw_set` fails**, its error says what was expected and which sets the day has: trigger it again with one
of these. When S3 refused, clear it.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk import Param, dag, task

from include.assets import CLEAN_LISTINGS
from include.base.keys import set_of
from include.base.refusals import refuse_unknown
from include.base.settings import resources
from include.dag_defaults import AWS_CONN_ID, DEFAULT_ARGS, START_DATE, TAGS
from include.ledger import withdrawals


@task(outlets=[CLEAN_LISTINGS])
def withdraw_set(params: Any = None, dag_run: Any = None, dag: Any = None, outlet_events: Any = None) -> dict[str, str]:
    """Withdraw the set or give it back, and wake its load. Returns what came of it, in words, and the partition."""
    s3, where = S3Hook(AWS_CONN_ID).get_conn(), resources()
    refuse_unknown(dag_run.conf or {}, dag.params)
    key = set_of(params["set"].strip())
    if params["give_back"]:
        said = withdrawals.give_back(s3, where, key)
    else:
        by = dag_run.triggering_user_name or "unknown"
        said = withdrawals.withdraw(s3, where, key, params["reason"] or "", by, dag_run.run_after)
    outlet_events[CLEAN_LISTINGS].add_partitions([key.partition])
    outlet_events[CLEAN_LISTINGS].extra = {"by": "withdraw_listings", "set": key.name}
    return {"said": said, "partition": key.partition}


@dag(
    dag_display_name="withdraw_listings",
    doc_md=__doc__,
    schedule=None,
    start_date=START_DATE,
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=TAGS,
    params={
        "set": Param(
            type="string",
            title="Set",
            description="Its id, which the Listings page shows over a number and core.load_audit has, like "
            "zillow56/houston-tx/2026-11-22/20261122T060003Z-1f3a9c; a transform behind it is no matter.",
        ),
        "reason": Param(
            None,
            type=["null", "string"],
            title="Reason",
            description=f"Why the set must not count: one line of at most {withdrawals.LONGEST_REASON} characters. "
            "Not asked for to give a set back.",
        ),
        "give_back": Param(
            False, type="boolean", title="Give back", description="Undo the set's withdrawal, so that it counts again."
        ),
    },
)
def withdraw_listings() -> None:
    withdraw_set()


withdraw_listings()
