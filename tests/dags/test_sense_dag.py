"""sense_listings on a real S3: its tasks called with plain values, and the whole of it run in-process."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.models import dagrun
from airflow.models.asset import AssetEvent, AssetModel
from airflow.sdk.definitions.taskgroup import MappedTaskGroup
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.context import OutletEventAccessors
from airflow.utils.session import create_session

from include import alerts
from include.assets import CLEAN_LISTINGS
from include.base.keys import SetKey
from include.base.refusals import Refused
from include.base.settings import resources
from tests.support.backends import DATE, Extraction
from tests.support.examples import VERSION, put_clean_set

PARTITION = f"zillow56/houston-tx|{DATE}"
FIRST = SetKey("zillow56", "houston-tx", DATE, "20261122T060003Z-1f3a9c")
SECOND = SetKey("zillow56", "houston-tx", DATE, "20261122T100003Z-aaaaaa")
THIRD = SetKey("zillow56", "houston-tx", DATE, "20261122T120003Z-bbbbbb")
ALL_REJECTED = {"landed": 41, "clean": 0, "rejected": 41, "duplicates": 0, "unreadable": 0}


class _Buckets:
    """A stack's buckets under the names that examples use."""

    def __init__(self, extraction: Extraction) -> None:
        self.s3 = extraction.s3
        self.names = {"landing": extraction.bucket, "clean": f"{extraction.bucket}-clean"}
        self.s3.create_bucket(Bucket=self.names["clean"])

    def put_object(self, *, Bucket: str, **what: Any) -> None:  # noqa: N803
        """Puts an object."""
        self.s3.put_object(Bucket=self.names[Bucket], **what)

    def url(self, key: SetKey) -> str:
        """The awaited object of a set."""
        return f"s3://{self.names['clean']}/{key.success(VERSION)}"

    def ready(self) -> list[str]:
        """The ready markers."""
        found = self.s3.list_objects_v2(Bucket=self.names["clean"], Prefix="ready/").get("Contents", [])
        return [each["Key"] for each in found]


@pytest.fixture
def stack(extraction: Extraction) -> _Buckets:
    """Empty landing and clean buckets."""
    return _Buckets(extraction)


def call(dags: dict[str, Any], task_id: str, *arguments: Any, **context: Any) -> Any:
    """What the task's function does."""
    return dags["sense_listings"].get_task(task_id).python_callable(*arguments, **context)


def test_it_expects_every_complete_set_of_the_partition(dags: dict[str, Any], stack: _Buckets) -> None:
    """The awaited objects are those of each complete set, whatever the event said; an incomplete one is not awaited."""
    for key in (SECOND, FIRST):
        stack.put_object(Bucket="landing", Key=key.manifest, Body=b"{}")
    stack.put_object(Bucket="landing", Key=FIRST.prefix.replace("1f3a9c", "bbbbbb") + "page-0001.json", Body=b"{}")

    assert [
        f"s3://{stack.names['clean']}/{FIRST.prefix}transform=aaaaaaaaaaaa/_SUCCESS.json",
        f"s3://{stack.names['clean']}/{SECOND.prefix}transform=aaaaaaaaaaaa/_SUCCESS.json",
    ] == call(dags, "expect_sets", partition_key=PARTITION)


def test_what_was_let_through_is_not_waited_for_again(dags: dict[str, Any], stack: _Buckets) -> None:
    """A set with a ready marker, of whatever transform version, is not expected; where all have one nothing is."""
    for key in (FIRST, SECOND):
        stack.put_object(Bucket="landing", Key=key.manifest, Body=b"{}")
    stack.put_object(Bucket="clean", Key=FIRST.ready("bbbbbbbbbbbb"), Body=b"{}")
    assert [SECOND.success("aaaaaaaaaaaa")] == [
        url.split("/", 3)[3] for url in call(dags, "expect_sets", partition_key=PARTITION)
    ]

    stack.put_object(Bucket="clean", Key=SECOND.ready("aaaaaaaaaaaa"), Body=b"{}")
    assert [] == call(dags, "expect_sets", partition_key=PARTITION)


@pytest.mark.parametrize(
    ("partition", "words"),
    [
        (None, "no partition key: trigger with one like zillow56/houston-tx"),
        (PARTITION, "no complete set lies in landing-"),
    ],
)
def test_nothing_to_expect_is_said_so(dags: dict[str, Any], stack: _Buckets, partition: str | None, words: str) -> None:
    """Without a key, or without a complete set, the run fails with what to do."""
    with pytest.raises(AirflowFailException, match=words):
        call(dags, "expect_sets", partition_key=partition)


def test_a_sound_set_is_announced_by_itself(dags: dict[str, Any], stack: _Buckets) -> None:
    """A set that passes gets its marker, and its receipt is what XCom and the event carry."""
    put_clean_set(stack, FIRST)
    events = OutletEventAccessors()

    receipt = call(dags, "sense_set.pass_gates", stack.url(FIRST), outlet_events=events)

    assert [FIRST.ready(VERSION)] == stack.ready()
    assert (FIRST.set_id(VERSION), receipt) == (receipt["set_id"], events[CLEAN_LISTINGS].extra)


def test_a_closed_gate_fails_in_its_words(dags: dict[str, Any], stack: _Buckets) -> None:
    """A set that does not pass is a failure that names set and gate: no marker, no event."""
    put_clean_set(stack, FIRST, counts=ALL_REJECTED)
    events = OutletEventAccessors()

    with pytest.raises(Refused, match=re.escape(f"{FIRST.manifest}: 41 of 41 listings were rejected")):
        call(dags, "sense_set.pass_gates", stack.url(FIRST), outlet_events=events)
    assert ([], {}) == (stack.ready(), events[CLEAN_LISTINGS].extra)


def test_gates_after_a_deployment_say_so(
    dags: dict[str, Any], stack: _Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set that the earlier transform cleaned is not let through, and the error is no missing key."""
    put_clean_set(stack, FIRST)
    monkeypatch.setenv("LISTINGS_TRANSFORM_VERSION", "bbbbbbbbbbbb")
    resources.cache_clear()

    words = f"a new transform, bbbbbbbbbbbb, was deployed meanwhile .*sense_listings again for {re.escape(PARTITION)}"
    with pytest.raises(AirflowFailException, match=words):
        call(dags, "sense_set.pass_gates", stack.url(FIRST), outlet_events=OutletEventAccessors())
    assert [] == stack.ready()


def test_unknown_fields_are_mailed_once_and_counted_in_the_event(
    dags: dict[str, Any], stack: _Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two sets of a day with the same new field: both pass and say one field, and one mail goes out."""
    mails: list[str] = []
    monkeypatch.setattr(alerts, "send", lambda subject, lines: bool(mails.append(subject)))
    said = []
    for key in (FIRST, SECOND):
        put_clean_set(stack, key, unknown_fields={"solar": 41})
        events = OutletEventAccessors()
        call(dags, "sense_set.pass_gates", stack.url(key), outlet_events=events)
        said.append(events[CLEAN_LISTINGS].extra["unknown_fields"])

    assert [1, 1] == said
    assert [f"Unknown fields: zillow56, houston-tx, {DATE}"] == mails
    assert [FIRST.ready(VERSION), SECOND.ready(VERSION)] == stack.ready()


def test_an_absent_column_is_an_alarm_that_names_the_unknown_field(
    dags: dict[str, Any], stack: _Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renamed price fails the task in the gate's words, after its new name was mailed: no marker, no event."""
    mails: list[str] = []
    monkeypatch.setattr(alerts, "send", lambda subject, lines: bool(mails.extend(lines)))
    put_clean_set(stack, FIRST, counts=ALL_REJECTED, absent_columns=["price"], unknown_fields={"listPrice": 41})
    events = OutletEventAccessors()

    words = f"{FIRST.manifest}: of 41 listings of zillow56/houston-tx none has price (price in the payload). Nothing"
    with pytest.raises(Refused, match=re.escape(words)):
        call(dags, "sense_set.pass_gates", stack.url(FIRST), outlet_events=events)
    assert "listPrice: in 41 of 41 listings" in mails
    assert ([], {}) == (stack.ready(), events[CLEAN_LISTINGS].extra)


def test_each_set_has_a_sensor_and_gates_of_its_own(dags: dict[str, Any]) -> None:
    """The group is mapped over the expected sets, and within it the gates follow the sensor and nothing else."""
    dag = dags["sense_listings"]
    group = dag.task_group.get_child_by_label("sense_set")

    assert isinstance(group, MappedTaskGroup)
    assert ["expect_sets"] == [operator.task_id for operator in group.iter_mapped_dependencies()]
    assert {"sense_set.wait_until_clean", "sense_set.pass_gates"} == set(group.children)
    assert {"expect_sets", "sense_set.wait_until_clean", "sense_set.pass_gates"} == set(dag.task_ids)
    gates = dag.get_task("sense_set.pass_gates")
    assert {"sense_set.wait_until_clean"} == gates.upstream_task_ids - {"expect_sets"}


@pytest.fixture
def run(
    dags: dict[str, Any], metadata_database: None, stack: _Buckets, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Any]:
    """Runs the DAG in-process for PARTITION, for which `dag.test` has no parameter; its sensor waits six seconds."""
    begin = dagrun.get_or_create_dagrun

    def begin_for_the_partition(*, session: Any, **what: Any) -> Any:
        begun = begin(session=session, **what)
        begun.partition_key = PARTITION
        session.commit()
        return begun

    dag = dags["sense_listings"]
    sensor = dag.get_task("sense_set.wait_until_clean")
    monkeypatch.setattr(dagrun, "get_or_create_dagrun", begin_for_the_partition)
    monkeypatch.setattr(sensor, "timeout", 6.0)
    monkeypatch.setattr(sensor, "poke_interval", 3.0)
    return lambda: dag.test(logical_date=None, run_after=datetime.now(UTC))


def test_no_set_holds_up_another(stack: _Buckets, run: Callable[[], Any]) -> None:
    """Of a set that never gets clean, a rejected one and a sound one the last is announced while the first waits."""
    stack.put_object(Bucket="landing", Key=FIRST.manifest, Body=b"{}")
    put_clean_set(stack, SECOND, counts=ALL_REJECTED)
    put_clean_set(stack, THIRD)

    done = run()

    instances = {(ti.task_id, ti.map_index): ti for ti in done.get_task_instances()}
    assert "failed" == str(done.state)
    assert {
        ("expect_sets", -1): "success",
        ("sense_set.wait_until_clean", 0): "failed",
        ("sense_set.wait_until_clean", 1): "success",
        ("sense_set.wait_until_clean", 2): "success",
        ("sense_set.pass_gates", 0): "upstream_failed",
        ("sense_set.pass_gates", 1): "failed",
        ("sense_set.pass_gates", 2): "success",
    } == {name: str(ti.state) for name, ti in instances.items()}
    assert instances["sense_set.pass_gates", 2].end_date < instances["sense_set.wait_until_clean", 0].end_date
    assert [THIRD.ready(VERSION)] == stack.ready()
    assert [(PARTITION, THIRD.set_id(VERSION))] == announced(done.run_id)


def test_where_nothing_is_expected_nothing_is_mapped(stack: _Buckets, run: Callable[[], Any]) -> None:
    """A partition whose sets were all let through ends well, without a sensor and without an event."""
    stack.put_object(Bucket="landing", Key=FIRST.manifest, Body=b"{}")
    stack.put_object(Bucket="clean", Key=FIRST.ready(VERSION), Body=b"{}")

    done = run()

    assert "success" == str(done.state)
    assert {
        ("expect_sets", -1): "success",
        ("sense_set.wait_until_clean", -1): "skipped",
        ("sense_set.pass_gates", -1): "skipped",
    } == {(ti.task_id, ti.map_index): str(ti.state) for ti in done.get_task_instances()}
    assert [] == announced(done.run_id)


def announced(run_id: str) -> list[tuple[str | None, str]]:
    """Partition key and set of each event of clean_listings that a run emitted."""
    with create_session() as session:
        found = session.query(AssetEvent).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
        rows = found.filter(AssetModel.name == "clean_listings", AssetEvent.source_run_id == run_id).all()
        return [(row.partition_key, row.extra["set_id"]) for row in rows]
