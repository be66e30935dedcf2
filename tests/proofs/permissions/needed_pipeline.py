"""Pieces of what Airflow does, each as small as can be and real: code of `include`, as the Airflow role.

A piece gets its things ready as root, whom nothing holds back, and returns what is to be tried: a call that may be
made again, and raises when it is refused something.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import pytest

from include.base.keys import SetKey, report_key
from include.base.receipts import ExtractRequest
from include.base.settings import resources
from include.contract.families import load_source
from include.extract.landing import LandingSet
from include.extract.quota_ledger import reserve_plan
from include.ledger import withdrawals
from include.ledger.queues import move_back, peek, send_again
from include.load import steps as loading
from include.replay import steps as replay
from include.report.store import ReportStore
from include.warehouse import audit
from tests.proofs.permissions.needed_bench import PARTITION, Bench, Try
from tests.support import small_set

DAY = date.fromisoformat(small_set.DATE)
RECEIVED_AT = f"{small_set.DATE}T06:00:05.123456Z"


# ------------------------------------------------------------------------------------------------ Airflow, S3


def _request(key: SetKey) -> ExtractRequest:
    return ExtractRequest(key.source, key.market, "houston, tx", key.date, key.extract_id, "by-hand", 20)


def _landing(bench: Bench) -> LandingSet:
    return LandingSet(bench.s3, resources().landing_bucket, _request(bench.new()))


def see_what_is_landed(bench: Bench) -> Try:
    """The first thing that land_listings does: is the set complete?"""
    return _landing(bench).manifest


def list_what_is_landed(bench: Bench) -> Try:
    """The second: which pages did an earlier try bring?"""
    landing = _landing(bench)
    return lambda: landing.pages(load_source(small_set.SOURCE))


def land_a_page(bench: Bench) -> Try:
    """A page that came is landed."""
    landing, page = _landing(bench), json.dumps(small_set.PAGES["page-0001.json"]).encode()
    return lambda: landing.put_page(load_source(small_set.SOURCE), 1, page, RECEIVED_AT, None)


def keep_an_error(bench: Bench) -> Try:
    """A body that is no page is kept."""
    landing = _landing(bench)
    return lambda: landing.put_error(1, 403, b"forbidden")


def plan_requests(bench: Bench) -> Try:
    """The quota reserves what a run may spend; the month's ledger has an entry already."""
    reserve_plan(bench.s3, [_request(bench.new())])
    return lambda: reserve_plan(bench.s3, [_request(bench.new())])


def expect_sets(bench: Bench) -> Try:
    """The ledger is asked which landed sets wait to be sensed."""
    bench.landed()
    return lambda: bench.ledger.unsensed(*PARTITION)


def wait_until_clean(bench: Bench) -> Try:
    """The sensor looks for the `_SUCCESS.json` of a set, through Airflow's own connection."""
    from include.sense.sensor import CleanSetSensor

    key = bench.clean()
    url = f"s3://{resources().clean_bucket}/{key.success(resources().transform_version)}"

    def act() -> None:
        sensor = CleanSetSensor(task_id="wait_until_clean", bucket_key=url, aws_conn_id="aws_s3_conn")
        assert sensor.poke_one(url, {})

    return act


def pass_gates(bench: Bench) -> Try:
    """A clean set passes its gates and gets its marker."""
    key = bench.clean()
    return lambda: bench.gates.let_through(key)


def _plan_replay(bench: Bench) -> list[str]:
    wanted = replay.Wanted(DAY, DAY)
    return replay.plan(bench.ledger, wanted, lambda first, last: ())


def plan_a_replay(bench: Bench) -> Try:
    """Raw is asked which sets could be brought again."""
    bench.kept()
    return lambda: _plan_replay(bench)


def _replay(bench: Bench, key: SetKey) -> replay.DateReplay:
    return replay.DateReplay(bench.s3, resources(), f"replay-{key.extract_id}", key.date)


def ask_for_a_replay(bench: Bench) -> Try:
    """A replay writes down what it asks for, and sends it."""
    key = bench.kept()
    return lambda: _replay(bench, key).ask(bench.sqs, [key])


def end_a_replay(bench: Bench) -> Try:
    """What was cleaned again passes the gates, by its manifest in raw; what was refused is the outcome's."""
    key = bench.kept()
    _replay(bench, key).ask(bench.sqs, [key])
    bench.transform(key)

    def act() -> None:
        outcome = _replay(bench, key).let_through(bench.gates)
        if outcome.in_words:
            raise replay.ReplayRefused(outcome.in_words)

    return act


def _withdraw(bench: Bench, key: SetKey) -> str:
    return withdrawals.withdraw(bench.s3, resources(), key, "another town", "anna", datetime.now(UTC))


def withdraw_a_set(bench: Bench) -> Try:
    """A person withdraws a set that lies in raw."""
    key = bench.kept()
    return lambda: _withdraw(bench, key)


def see_what_is_withdrawn(bench: Bench) -> Try:
    """Who plans a load asks which sets of the date are withdrawn, and why."""
    _withdraw(bench, bench.kept())
    return lambda: withdrawals.of_date(bench.s3, resources().raw_bucket, small_set.DATE)


def give_a_set_back(bench: Bench) -> Try:
    """A person gives back a set that was withdrawn."""
    key = bench.kept()
    _withdraw(bench, key)
    return lambda: withdrawals.give_back(bench.s3, resources(), key)


def plan_batches(bench: Bench) -> Try:
    """The load plans its batches: reads the ready markers, puts the COPY manifests. Its warehouse is empty."""
    bench.ready()

    def act() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loading, "migrate", lambda connection: None)
            patch.setattr(loading, "loaded_sets", lambda connection, of: ())
            patch.setattr(audit, "suspicions", lambda connection, of: {})
            key = f"all|{small_set.DATE}"
            assert loading.plan(None, bench.s3, partition_key=key, run_id="by-hand", retry_suspects=False)  # type: ignore[arg-type]

    return act


def show_a_report(bench: Bench) -> Try:
    """The Listings page, and who publishes, read what a report says of itself."""
    said = {"generated_at": f"{small_set.DATE}T07:00:00Z", "build_number": 1, "run_id": "by-hand"}
    bench.put(resources().clean_bucket, {report_key(small_set.DATE, "report.json"): json.dumps(said).encode()})
    return lambda: ReportStore(bench.s3, resources().clean_bucket).summary(small_set.DATE)


# ------------------------------------------------------------------------------------------------ Airflow, the rest


def _dead(bench: Bench, function: str) -> tuple[str, str]:
    """Dead-letter queue and source queue of a function, with a dead letter about a set in the one."""
    where = resources()
    dead, source = {
        "copy": (where.copy_dead_letter_url, where.copy_queue_url),
        "transform": (where.transform_dead_letter_url, where.transform_queue_url),
    }[function]
    send_again(bench.client("root", "sqs"), dead, where.landing_bucket, bench.new().manifest)
    return dead, source


def look_into_dead_letters(function: str) -> Callable[[Bench], Try]:
    """The reconciliation tells what lies among the dead."""

    def piece(bench: Bench) -> Try:
        dead, _ = _dead(bench, function)

        def act() -> None:
            assert peek(bench.sqs, dead).manifests

        return act

    return piece


def redrive(function: str) -> Callable[[Bench], Try]:
    """The redrive moves a dead letter back; what an earlier try received is received again first."""

    def piece(bench: Bench) -> Try:
        dead, source = _dead(bench, function)

        def act() -> None:
            _received_again(bench, dead)
            assert move_back(bench.sqs, dead, source).messages

        return act

    return piece


def _received_again(bench: Bench, dead: str) -> None:
    """Puts a letter there in place of one that an earlier try still hides."""
    sqs = bench.client("root", "sqs")
    counts = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["ApproximateNumberOfMessages"])
    if counts["Attributes"]["ApproximateNumberOfMessages"] == "0":
        send_again(sqs, dead, resources().landing_bucket, bench.new().manifest)


def read_a_connection(bench: Bench) -> Try:
    """Airflow's secrets backend looks a connection up, set up as the deployment sets it up."""
    from airflow.providers.amazon.aws.secrets.secrets_manager import SecretsManagerBackend

    backend = SecretsManagerBackend(
        connections_prefix="airflow/connections",
        region_name="us-east-1",
        role_arn=bench.deployed.outputs["AirflowRoleArn"],
    )

    def act() -> None:
        assert backend.get_connection("zillow_api") is not None

    return act


def become_airflow(bench: Bench) -> Try:
    """Airflow's hook assumes the role that its connection names, and asks who it is."""
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

    def act() -> None:
        sts: Any = AwsBaseHook("aws_s3_conn", client_type="sts").get_conn()
        sts.get_caller_identity()

    return act


# ------------------------------------------------------------------------------------------------ what is missing


def look_for_what_is_clean(bench: Bench) -> Try:
    """A replay's sensor asks for a set that was not cleaned yet."""
    key = bench.kept()
    _replay(bench, key).ask(bench.sqs, [key])
    return lambda: _replay(bench, key).missing()


def copy_half_a_set(bench: Bench) -> Try:
    """The copy's code, as its role, meets a manifest that names a page which nobody landed."""
    from lambda_functions.copy_raw.handler import copy_set

    key = bench.new()
    [*_, (name, manifest)] = small_set.objects(key.extract_id).items()
    bench.put(resources().landing_bucket, {name: manifest})
    return lambda: copy_set(bench.client("copy", "s3"), resources().landing_bucket, resources().raw_bucket, name)


@contextmanager
def forbidden_for_missing(bench: Bench) -> Iterator[None]:
    """While it lasts, S3's answer to Airflow and the copy for what is not there is 403, as to who may not list."""

    def forbid(http_response: Any, parsed: dict[str, Any], **_: Any) -> None:
        if http_response.status_code == 404:
            http_response.status_code = parsed["ResponseMetadata"]["HTTPStatusCode"] = 403
            parsed["Error"] = {"Code": "AccessDenied", "Message": "Access Denied"}

    events = [bench.client(who, "s3").meta.events for who in ("airflow", "copy")]
    for each in events:
        each.register("after-call.s3", forbid)
    try:
        yield
    finally:
        for each in events:
            each.unregister("after-call.s3", forbid)
