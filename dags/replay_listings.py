"""
### Cleans and loads again what lies in raw, without asking the API

**Wakes** by hand only. With "only missing" it is a backfill: the sets that the warehouse lacks, and
those that should hold their day and do not.

**Reads** the sets of these dates in the raw bucket. **Writes**, date by date: `ask` sends each set's manifest to
`transform_listings` once more, `wait` until each `_SUCCESS.json` is newer than the request, `let_through` checks them
at their gates, puts a ready marker that names this replay, and emits `clean_listings`, so that `load_listings`
takes them although it has had them. Request and outcome lie under `reports/replays/` in the clean bucket.

**Runs again** safely: clear a failed date (brings only what has not come), or start another replay (loads all again).
A replay with the same transform changes nothing; with another one it leaves what a fresh warehouse would have.

**When `wait` times out** or `tell_the_rest` fails, the error names each set that did not come and why: not cleaned,
or the gate that is closed. The others went on; whether their load succeeded is said by `load_listings`.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.amazon.aws.hooks.redshift_sql import RedshiftSQLHook
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.hooks.sqs import SqsHook
from airflow.sdk import TriggerRule, dag, task, task_group
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from include.alerts import send
from include.assets import CLEAN_LISTINGS
from include.base.keys import partition_of
from include.base.refusals import refuse_unknown
from include.base.settings import resources, tuning
from include.dag_defaults import AWS_CONN_ID, DEFAULT_ARGS, LOOK_AGAIN, REDSHIFT_CONN_ID, START_DATE, TAGS
from include.ledger.sets import Ledger
from include.replay import steps
from include.replay.params import PARAMS
from include.replay.sensor import ReplayedSetsSensor
from include.sense.drift import tell_unknown_fields
from include.sense.gates import Gatekeeper


@task
def plan_dates(params: Any = None, dag_run: Any = None, dag: Any = None) -> list[str]:
    """The dates that have sets to bring again."""
    refuse_unknown(dag_run.conf or {}, dag.params)  # the task's own hold the conf too
    wanted = steps.Wanted.from_params(params)
    return steps.plan(Ledger(S3Hook(AWS_CONN_ID).get_conn(), resources()), wanted, _missing)


@task
def ask(date: str, params: Any = None, dag_run: Any = None) -> int:
    """The number of sets of the date that were sent to the transform again."""
    its = _date_of(dag_run, date)
    sets = steps.Wanted.from_params(params).sets(Ledger(its.client, its.where), _missing, date)
    return its.ask(SqsHook(aws_conn_id=AWS_CONN_ID).get_conn(), sets)


@task(outlets=[CLEAN_LISTINGS], trigger_rule=TriggerRule.ALL_DONE)
def let_through(date: str, dag_run: Any = None, ti: Any = None, outlet_events: Any = None) -> int:
    """The number of sets that passed their gates and were announced; skipped when none did. XCom `outcome`: its URL."""
    if steps.unfinished(ti, dag_run, "ask"):
        raise AirflowSkipException(f"not all sets of {date} were asked for: ask did not end well")
    its = _date_of(dag_run, date)
    gates = Gatekeeper(its.client, its.where, tuning().reject_share_limit)
    passed = its.let_through(gates, lambda key: tell_unknown_fields(its.client, its.where, key, send)).let_through
    if not passed:
        raise AirflowSkipException(f"no set of {date} came")
    ti.xcom_push("outcome", its.outcome_url)
    outlet_events[CLEAN_LISTINGS].add_partitions(sorted({partition_of(set_id) for set_id in passed}))
    outlet_events[CLEAN_LISTINGS].extra = {"by": "replay_listings", "replay": its.replay, "sets": len(passed)}
    return len(passed)


@task(trigger_rule=TriggerRule.ALL_DONE)
def tell_the_rest(date: str, dag_run: Any = None, ti: Any = None) -> None:
    """Fails with the names of the sets that did not come, when there is any, or when a task before it failed."""
    if failed := steps.unfinished(ti, dag_run, "ask", "let_through"):
        raise AirflowFailException(f"{date} was not let through: {failed}. See why, clear it with what follows it")
    if words := _date_of(dag_run, date).rest():
        raise AirflowFailException(f"{date}: {words}")


def _missing(*asked: Any) -> Any:
    with RedshiftSQLHook(REDSHIFT_CONN_ID).get_conn() as connection:
        return steps.missing(connection, *asked)


def _date_of(run: Any, date: str) -> steps.DateReplay:
    return steps.DateReplay.of(S3Hook(AWS_CONN_ID).get_conn(), resources(), run, date)


@task_group
def replay_date(date: str) -> None:
    wait = ReplayedSetsSensor(
        task_id="wait",
        date=date,
        aws_conn_id=AWS_CONN_ID,
        poke_interval=tuning().sense_poke_interval,
        timeout=tuning().replay_timeout,
        **LOOK_AGAIN,
    )
    ask(date) >> wait >> let_through(date) >> tell_the_rest(date)


@dag(
    dag_display_name="replay_listings",
    doc_md=__doc__,
    schedule=None,
    start_date=START_DATE,
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=TAGS,
    params=PARAMS,
)
def replay_listings() -> None:
    replay_date.expand(date=plan_dates())


replay_listings()
