"""sense_listings: what its tasks do with the partition's sets, called with plain values on a real S3."""

from __future__ import annotations

import re
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.context import OutletEventAccessors

from include.assets import CLEAN_LISTINGS
from include.keys import SetKey
from tests.dags.backends import DATE, Extraction
from tests.unit.examples import put_clean_set

PARTITION = f"zillow56/houston-tx|{DATE}"
FIRST = SetKey("zillow56", "houston-tx", DATE, "20261122T060003Z-1f3a9c")
SECOND = SetKey("zillow56", "houston-tx", DATE, "20261122T100003Z-aaaaaa")
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
    events = OutletEventAccessors()
    assert {"ready": [], "closed": []} == call(dags, "pass_gates", [], outlet_events=events)


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


def test_a_bad_set_does_not_hold_up_the_next_extraction(dags: dict[str, Any], stack: _Buckets) -> None:
    """Of a rejected extraction and a sound one after it, the second is announced and the first named."""
    put_clean_set(stack, FIRST, counts=ALL_REJECTED)
    put_clean_set(stack, SECOND)
    events = OutletEventAccessors()

    passed = call(dags, "pass_gates", call(dags, "expect_sets", partition_key=PARTITION), outlet_events=events)

    assert [SECOND.ready("aaaaaaaaaaaa")] == stack.ready()
    assert [SECOND.set_id("aaaaaaaaaaaa")] == [each["set_id"] for each in events[CLEAN_LISTINGS].extra["sets"]]
    with pytest.raises(AirflowFailException, match=re.escape(f"{FIRST.manifest}: 41 of 41 listings were rejected")):
        call(dags, "name_the_closed", passed)


def test_without_a_sound_set_nothing_is_announced(dags: dict[str, Any], stack: _Buckets) -> None:
    """Where no set passes, the task that would announce fails, in the gate's words, and no marker is there."""
    put_clean_set(stack, FIRST, counts=ALL_REJECTED)
    urls = call(dags, "expect_sets", partition_key=PARTITION)

    with pytest.raises(AirflowFailException, match="41 of 41 listings were rejected"):
        call(dags, "pass_gates", urls, outlet_events=OutletEventAccessors())
    assert [] == stack.ready()


def test_a_sound_partition_closes_no_gate(dags: dict[str, Any], stack: _Buckets) -> None:
    """Where every set passes, the run ends without a complaint."""
    put_clean_set(stack, FIRST)
    urls = call(dags, "expect_sets", partition_key=PARTITION)

    passed = call(dags, "pass_gates", urls, outlet_events=OutletEventAccessors())

    assert (1, []) == (len(passed["ready"]), passed["closed"])
    call(dags, "name_the_closed", passed)
