"""replay_listings and redrive_listings on a real S3 and real queues, run in-process."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models.asset import AssetEvent, AssetModel
from airflow.sdk.exceptions import AirflowFailException
from airflow.utils.session import create_session

from include.base.keys import SetKey, extract_id
from include.base.settings import resources
from include.ledger.queues import manifests, send_again
from include.replay.steps import DateReplay
from tests.support.backends import DATE, Extraction
from tests.support.examples import VERSION, put_clean_set

CAME = SetKey("zillow56", "houston-tx", DATE, "20261122T060003Z-1f3a9c")
CLOSED = replace(CAME, market="austin-tx")
LOST = replace(CAME, market="waco-tx")
ALL_REJECTED = {"landed": 41, "clean": 0, "rejected": 41, "duplicates": 0, "unreadable": 0}
SPAN = {"from_date": "2026-11-01", "to_date": "2026-11-30"}


class _Stack:
    """Raw and clean buckets, the queues, and a transform that cleans all but LOST."""

    def __init__(self, extraction: Extraction, patch: pytest.MonkeyPatch) -> None:
        self.s3, self.sqs = extraction.s3, extraction.aws.client("sqs")
        self.names = {name: f"{extraction.bucket}-{name}" for name in ("raw", "clean")} | {"landing": extraction.bucket}
        for name in ("raw", "clean"):
            self.s3.create_bucket(Bucket=self.names[name])
        self.queues = {}
        for name in ("COPY_QUEUE", "COPY_DEAD_LETTER", "TRANSFORM_QUEUE", "TRANSFORM_DEAD_LETTER"):
            queue = f"{extraction.bucket}-{name}".lower().replace("_", "-")
            self.queues[name] = self.sqs.create_queue(QueueName=queue)["QueueUrl"]
            patch.setenv(f"LISTINGS_{name}_URL", self.queues[name])
        patch.setenv("LISTINGS_TRANSFORM_VERSION", VERSION)
        resources.cache_clear()
        self._over = threading.Event()
        self._transform = threading.Thread(target=self._clean_what_is_asked)
        self._transform.start()

    def put_object(self, *, Bucket: str, **what: Any) -> None:  # noqa: N803
        """Puts an object; the manifest of a set, which examples land, lies in raw."""
        self.s3.put_object(Bucket=self.names["raw" if Bucket == "landing" else Bucket], **what)

    def keep(self, *sets: SetKey) -> None:
        """Puts complete sets into raw."""
        for key in sets:
            self.put_object(Bucket="raw", Key=key.manifest, Body=b"the manifest")

    def stop(self) -> None:
        """Ends the transform."""
        self._over.set()
        self._transform.join(timeout=30)

    def _clean_what_is_asked(self) -> None:
        while not self._over.is_set():
            asked = self.sqs.receive_message(QueueUrl=self.queues["TRANSFORM_QUEUE"], WaitTimeSeconds=1)
            for message in asked.get("Messages", []):
                for manifest in manifests(message["Body"]):
                    key = SetKey.from_key(manifest)
                    changes = {"counts": ALL_REJECTED} if key == CLOSED else {}
                    if key != LOST:
                        put_clean_set(self, key, **changes)
                self.sqs.delete_message(QueueUrl=self.queues["TRANSFORM_QUEUE"], ReceiptHandle=message["ReceiptHandle"])


@pytest.fixture
def stack(extraction: Extraction, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Stack]:
    """Three sets of one date in raw, none in landing."""
    stack = _Stack(extraction, monkeypatch)
    stack.keep(CAME, CLOSED, LOST)
    yield stack
    stack.stop()


@pytest.fixture
def run(dags: dict[str, Any], metadata_database: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs a DAG in-process with a conf; the sensor waits a few seconds."""
    sensor = dags["replay_listings"].get_task("replay_date.wait")
    for name, seconds in (("timeout", 6.0), ("poke_interval", 1.0)):
        monkeypatch.setattr(sensor, name, seconds)
    return lambda dag_id, **conf: dags[dag_id].test(logical_date=None, run_after=datetime.now(UTC), run_conf=conf)


def emitted(run_id: str, asset: str) -> list[str | None]:
    """The partitions of the events that a run emitted."""
    with create_session() as session:
        found = session.query(AssetEvent).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
        rows = found.filter(AssetModel.name == asset, AssetEvent.source_run_id == run_id).all()
        return sorted(row.partition_key for row in rows)


def test_what_comes_goes_on_and_the_rest_is_named(stack: _Stack, run: Callable[..., Any]) -> None:
    """Of three sets one is announced with its marker, one held at a gate, one never comes: both are named."""
    done = run("replay_listings", **SPAN)

    assert "failed" == str(done.state)
    states = {
        (ti.task_id.removeprefix("replay_date."), ti.map_index): str(ti.state) for ti in done.get_task_instances()
    }
    assert {
        ("plan_dates", -1): "success",
        ("ask", 0): "success",
        ("wait", 0): "failed",
        ("let_through", 0): "success",
        ("tell_the_rest", 0): "failed",
    } == states
    assert [CAME.partition] == emitted(done.run_id, "clean_listings")
    replay = extract_id(done.run_after, done.run_id)
    ready = stack.s3.list_objects_v2(Bucket=stack.names["clean"], Prefix="ready/")["Contents"]
    assert [CAME.ready(VERSION, replay)] == [each["Key"] for each in ready]
    kept = f"reports/replays/replay={replay}/date={DATE}/outcome.json"
    outcome = json.loads(stack.s3.get_object(Bucket=stack.names["clean"], Key=kept)["Body"].read())
    assert {CLOSED.manifest, LOST.manifest} == set(outcome["refused"])


@pytest.mark.parametrize(("step", "let_through"), [("ask", "skipped"), ("let_through", "failed")])
def test_a_step_that_fails_is_not_hidden_by_what_it_left(
    stack: _Stack,
    run: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    let_through: str,
) -> None:
    """Request and outcome lie there, as of an earlier try; the run fails all the same, and says which step did."""
    its = getattr(DateReplay, step)

    def do_and_die(date: DateReplay, *arguments: Any) -> Any:
        done = its(date, *arguments)
        if step == "ask":
            date._put("outcome", {"request": date._request().id, "asked": 1, "let_through": [], "refused": {}})
        raise OSError(f"died after {done}")

    monkeypatch.setattr(DateReplay, step, do_and_die)
    said: list[str] = []
    monkeypatch.setattr(AirflowFailException, "__init__", lambda self, words: said.append(words))

    done = run("replay_listings", **SPAN, markets=["houston-tx"])

    states = {ti.task_id.removeprefix("replay_date."): str(ti.state) for ti in done.get_task_instances()}
    assert ("failed", "failed") == (str(done.state), states["tell_the_rest"])
    assert ("failed", let_through) == (states[step], states["let_through"])
    assert [f"{DATE} was not let through: {step} ended as failed. See why, clear it with what follows it"] == said
    assert [] == emitted(done.run_id, "clean_listings")


@pytest.mark.parametrize(
    ("conf", "words"),
    [
        (SPAN | {"market": ["houston-tx"]}, "unknown in the run's conf: market"),
        (
            SPAN | {"markets": ["dallas, tx"]},
            "nothing of dallas-tx. Of these dates it has austin-tx, houston-tx, waco-tx",
        ),
        ({"from_date": "2026-12-01", "to_date": "2026-11-01"}, "from_date 2026-12-01 is after to_date 2026-11-01"),
    ],
)
def test_a_replay_that_cannot_be_meant_fails_at_once(
    dags: dict[str, Any], stack: _Stack, conf: dict[str, Any], words: str
) -> None:
    """The plan fails with what was expected, before anything is asked for."""
    params = {"markets": [], "source": None, "only_missing": False, **conf}
    plan = dags["replay_listings"].get_task("plan_dates").python_callable

    with pytest.raises((AirflowFailException, ValueError), match=words):
        plan(params=params, dag_run=SimpleNamespace(conf=conf), dag=dags["replay_listings"])


def test_dead_letters_go_back_and_their_partitions_are_announced(stack: _Stack, run: Callable[..., Any]) -> None:
    """Messages of both dead-letter queues are on their queues again, and the landed set is to be sensed."""
    landed = replace(CAME, market="reno-nv")
    stack.s3.put_object(Bucket=stack.names["landing"], Key=landed.manifest, Body=b"the manifest")
    send_again(stack.sqs, stack.queues["COPY_DEAD_LETTER"], stack.names["landing"], landed.manifest)
    stack.sqs.send_message(QueueUrl=stack.queues["COPY_DEAD_LETTER"], MessageBody="no JSON {")
    send_again(stack.sqs, stack.queues["TRANSFORM_DEAD_LETTER"], stack.names["raw"], LOST.manifest)

    done = run("redrive_listings")

    assert "success" == str(done.state)
    assert [landed.partition] == emitted(done.run_id, "landed_listings")
    name = ["ApproximateNumberOfMessages"]
    counts = {
        queue: stack.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=name)["Attributes"][name[0]]
        for queue, url in stack.queues.items()
        if queue != "TRANSFORM_QUEUE"
    }
    assert {"COPY_QUEUE": "2", "COPY_DEAD_LETTER": "0", "TRANSFORM_DEAD_LETTER": "0"} == counts
