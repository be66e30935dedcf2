"""Each action that a policy of the template allows is taken away, and something of the pipeline breaks for want of it.

One case for each action on each resource that the stand-in guards: what is tried, which call is refused, and how it
shows. Then it is given back, and the same is done. What the stand-in does not guard stands in docs/permissions.md,
with the page of AWS that asks for it; a grant that is in neither place fails here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from include.base.settings import resources
from include.ledger.queues import move_back, queues
from tests.proofs.permissions import needed_pipeline as pipeline
from tests.proofs.permissions.needed_bench import Bench, Try, dies
from tests.proofs.permissions.needed_cases import CASES, WRITE
from tests.support import small_set
from tests.support.chain import impatient, success
from tests.support.deployed_stack import Deployed
from tests.support.needed_grants import Grant, statements_of, without
from tests.support.needed_page import not_enforced
from tests.support.template import read_template

TEMPLATE = read_template()
GRANTS = [grant for statement in statements_of(TEMPLATE, locally=True) for grant in statement.grants]
GUARDED = [grant for grant in GRANTS if (grant.holder, grant.action, grant.resource) in CASES]


@pytest.fixture(scope="module")
def bench(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The stack of this module, its functions asleep, and the environment of a task of Airflow on it."""
    switch(deployed, on=False)
    found = Bench(deployed)
    connection = {
        "conn_type": "aws",
        "extra": {"role_arn": deployed.outputs["AirflowRoleArn"], "region_name": "us-east-1"},
    }
    environment = {
        **found.settings,
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW_CONN_AWS_S3_CONN": json.dumps(connection),
        "AWS_ENDPOINT_URL": deployed.ministack.endpoint,
        "AWS_ACCESS_KEY_ID": deployed.deployment.base_access_key_id,
        "AWS_SECRET_ACCESS_KEY": deployed.deployment.base_secret_access_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        resources.cache_clear()
        yield found
    resources.cache_clear()


def params() -> list[Any]:
    """A case for each grant; the first of each holder is a sample."""
    first = {grant.holder: grant for grant in reversed(GUARDED)}.values()
    return [
        pytest.param(grant, marks=[pytest.mark.sample] if grant in first else [], id=str(grant)) for grant in GUARDED
    ]


@pytest.mark.parametrize("grant", params())
def test_without_the_action_the_pipeline_breaks_and_with_it_works(bench: Bench, grant: Grant) -> None:
    """The piece of the pipeline that needs the grant is refused without it, shows that, and succeeds with it."""
    case = CASES[grant.holder, grant.action, grant.resource]
    act = case.piece(bench)
    with without(bench.deployed, TEMPLATE, grant), pytest.raises(case.raises) as refused:
        act()
    assert refused.match(f"(?s){case.shows}")
    act()


@pytest.mark.sample
def test_every_grant_has_a_case_or_stands_in_the_page_s_table() -> None:
    """No action is allowed on anything that no test takes away and docs/permissions.md gives no page of AWS for."""
    everything = {grant for statement in statements_of(TEMPLATE) for grant in statement.grants}
    unproved = {grant for grant in everything if (grant.holder, grant.action, grant.resource) not in CASES}
    assert sorted(map(str, unproved)) == sorted(map(str, not_enforced()))


@pytest.mark.sample
def test_every_case_takes_something_away() -> None:
    """Each case is about a grant that the stand-in is given, and no two statements give it."""
    taken = [(grant.holder, grant.action, grant.resource) for grant in GUARDED]
    assert sorted(CASES) == sorted(taken)


def test_functions_without_leave_give_their_messages_up(bench: Bench) -> None:
    """Through the queues: tried five times, both messages lie with the dead; moved back, with leave, both are clean."""
    deployed, where = bench.deployed, resources()
    no_raw, no_clean = (
        grant for grant in GUARDED if (grant.holder, grant.action) in {("CopyRole", WRITE), ("TransformRole", WRITE)}
    )
    bench.empty_queues()
    with impatient(deployed, "CopyQueueUrl"), impatient(deployed, "TransformQueueUrl"), awake(deployed):
        with without(deployed, TEMPLATE, no_raw), without(deployed, TEMPLATE, no_clean):
            landed, kept = bench.landed(), bench.kept()
            assert 5 <= dies(bench, "CopyDeadLetterQueueUrl", landed)
            assert 5 <= dies(bench, "TransformDeadLetterQueueUrl", kept)
            assert not bench.is_in(where.raw_bucket, landed.manifest)
            assert not bench.is_in(where.clean_bucket, kept.success(where.transform_version))
        for dead, queue in queues(where).values():
            move_back(bench.sqs, dead, queue)
        for key in (landed, kept):
            assert small_set.COUNTS == success(deployed, key.extract_id)["counts"]


@pytest.mark.parametrize(
    "piece", [pipeline.see_what_is_landed, pipeline.look_for_what_is_clean, pipeline.copy_half_a_set]
)
def test_without_leave_to_list_what_is_missing_looks_forbidden(bench: Bench, piece: Callable[[Bench], Try]) -> None:
    """Where S3 answers 403 for an object that is not there, what waits for one fails, and a log tells a wrong reason.

    S3 does so for who may read but not list; the stand-in answers 404 to both, so that the answer is made here.
    """
    act = piece(bench)
    found = _error_of(act)
    assert found in (None, "NoSuchKey")
    with pipeline.forbidden_for_missing(bench):
        assert "AccessDenied" == _error_of(act)


def _error_of(act: Try) -> str | None:
    """The code of the error that S3 answered, or None where nothing was raised."""
    try:
        act()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


@contextmanager
def awake(deployed: Deployed) -> Iterator[None]:
    """While it lasts, the functions take what is on their queues."""
    switch(deployed, on=True)
    try:
        yield
    finally:
        switch(deployed, on=False)


def switch(deployed: Deployed, *, on: bool) -> None:
    """Wakes both functions, or puts them to sleep."""
    functions = deployed.root("lambda")
    for trigger in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.update_event_source_mapping(UUID=trigger["UUID"], Enabled=on)
