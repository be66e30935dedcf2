"""Events and functions that go wrong, made to: each set comes out clean once all the same, or says where it lies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

from include.ledger.queues import send_again
from infra.deploy.deploy import deploy_local
from tests.support import small_set
from tests.support.chain import asleep, dead_letter, eventually, impatient, land, success
from tests.support.deployed_stack import CONNECTIONS, Deployed
from tests.support.ministack import RunningMiniStack
from tests.support.slow_line import SlowLine


def extract(number: int) -> str:
    """An extraction's id, one for each number."""
    return f"20261122T06{number:02d}03Z-{number:06d}"


def manifest(extract_id: str) -> str:
    """The key of a set's manifest."""
    return f"{small_set.prefix(extract_id)}_manifest.json"


def written(deployed: Deployed, extract_id: str) -> list[tuple[str, str]]:
    """Keys and content hashes of what the set left in the clean bucket."""
    bucket, prefix = deployed.outputs["CleanBucketName"], small_set.prefix(extract_id)
    found = deployed.root("s3").list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return [(item["Key"], item["ETag"]) for item in found]


def is_idle(deployed: Deployed, queue: str) -> bool | None:
    """True when no message waits in a queue or is being worked on, else None."""
    counts = deployed.root("sqs").get_queue_attributes(QueueUrl=deployed.outputs[queue], AttributeNames=["All"])
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    return True if {"0"} == {counts["Attributes"][name] for name in names} else None


def send(deployed: Deployed, queue: str, event: dict[str, Any]) -> None:
    """Puts an event of S3's own making onto a queue."""
    deployed.airflow("sqs").send_message(QueueUrl=deployed.outputs[queue], MessageBody=json.dumps(event))


def test_an_event_that_comes_twice_changes_nothing(deployed: Deployed) -> None:
    """Both functions take the same event again, three times over, and what they wrote stays byte for byte."""
    extract_id = extract(1)
    land(deployed, small_set.objects(extract_id))
    success(deployed, extract_id)
    before = written(deployed, extract_id)
    sqs = deployed.airflow("sqs")
    for queue, bucket in (("Copy", "Landing"), ("Transform", "Raw")):
        for _ in range(3):
            send_again(
                sqs, deployed.outputs[f"{queue}QueueUrl"], deployed.outputs[f"{bucket}BucketName"], manifest(extract_id)
            )
    for queue in ("CopyQueueUrl", "TransformQueueUrl"):
        eventually(lambda queue=queue: is_idle(deployed, queue), f"an idle {queue}")  # type: ignore[misc]
    assert before == written(deployed, extract_id)
    assert is_idle(deployed, "CopyDeadLetterQueueUrl")


def test_events_in_the_wrong_order_clean_every_set(deployed: Deployed) -> None:
    """Three sets whose events come newest first each come out clean with the counts made by hand."""
    ids = [extract(number) for number in (10, 11, 12)]
    with asleep(deployed, "CopyFunctionName"):
        for extract_id in ids:
            land(deployed, small_set.objects(extract_id))
        drain(deployed, "CopyQueueUrl", 3)
        for extract_id in reversed(ids):
            bucket, url = deployed.outputs["LandingBucketName"], deployed.outputs["CopyQueueUrl"]
            send_again(deployed.airflow("sqs"), url, bucket, manifest(extract_id))
    assert [small_set.COUNTS] * 3 == [success(deployed, extract_id)["counts"] for extract_id in ids]


def test_a_lost_event_is_made_good_by_sending_it_again(deployed: Deployed) -> None:
    """A set whose event vanished stays where it is, complete, until the same event is put back; then it is clean."""
    extract_id = extract(20)
    eventually(lambda: is_idle(deployed, "CopyQueueUrl"), "the end of what earlier tests sent")
    with asleep(deployed, "CopyFunctionName"):
        land(deployed, small_set.objects(extract_id))
        drain(deployed, "CopyQueueUrl", 1)
    eventually(lambda: is_idle(deployed, "CopyQueueUrl"), "a queue without the event")
    assert [] == written(deployed, extract_id)
    bucket, url = deployed.outputs["LandingBucketName"], deployed.outputs["CopyQueueUrl"]
    send_again(deployed.airflow("sqs"), url, bucket, manifest(extract_id))
    assert small_set.COUNTS == success(deployed, extract_id)["counts"]


def drain(deployed: Deployed, queue: str, expected: int) -> None:
    """Takes this many messages off a queue and throws them away."""
    sqs, url, taken = deployed.root("sqs"), deployed.outputs[queue], []

    def look() -> bool | None:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            taken.append(message)
        return True if len(taken) >= expected else None

    eventually(look, f"{expected} messages on {queue}")


def test_the_test_event_ends_without_a_dead_letter(deployed: Deployed) -> None:
    """What S3 sends when its notification is made is taken by both functions and leaves nothing behind."""
    event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "listings-local-landing"}
    with impatient(deployed, "CopyQueueUrl"), impatient(deployed, "TransformQueueUrl"):
        for queue in ("CopyQueueUrl", "TransformQueueUrl"):
            send(deployed, queue, event)
            eventually(lambda queue=queue: is_idle(deployed, queue), f"an idle {queue}")  # type: ignore[misc]
    for queue in ("CopyDeadLetterQueueUrl", "TransformDeadLetterQueueUrl"):
        assert is_idle(deployed, queue), queue


ODD_KEYS = [
    "listings/a b+c/_manifest.json",
    "listings/ünï=çø∂é/_manifest.json",
    "listings/'; drop table x; --/_manifest.json",
    "listings/{{ 7*7 }}$(id)/_manifest.json",
    "listings/../../elsewhere/_manifest.json",
]


@pytest.fixture(scope="module")
def odd_letters(deployed: Deployed) -> dict[str, dict[str, Any]]:
    """What lies with the dead letters of each odd key; all were put at once, as each takes five attempts."""
    with impatient(deployed, "CopyQueueUrl"):
        for key in ODD_KEYS:
            deployed.root("s3").put_object(Bucket=deployed.outputs["LandingBucketName"], Key=key, Body=b"no manifest")
        return {
            key: json.loads(dead_letter(deployed, "CopyDeadLetterQueueUrl", quote_plus(key, safe="/")))
            for key in ODD_KEYS
        }


@pytest.mark.parametrize("key", ODD_KEYS)
def test_an_odd_key_ends_with_the_dead_letters_under_its_own_name(
    deployed: Deployed, odd_letters: dict[str, dict[str, Any]], key: str
) -> None:
    """A manifest that somebody put under a key of no set is read under exactly that key, and harms no set behind it."""
    letter = odd_letters[key]
    assert quote_plus(key, safe="/") == letter["Records"][0]["s3"]["object"]["key"]
    raw = deployed.root("s3").list_objects_v2(Bucket=deployed.outputs["RawBucketName"])
    assert [] == [item["Key"] for item in raw.get("Contents", []) if "/source=" not in item["Key"]]


@contextmanager
def over_a_slow_line(deployed: Deployed, timeout: int) -> Iterator[SlowLine]:
    """While it lasts, the transform reaches S3 over a line that stands still until it is released."""
    functions, name = deployed.root("lambda"), deployed.outputs["TransformFunctionName"]
    before = functions.get_function_configuration(FunctionName=name)
    environment = before["Environment"]
    with SlowLine(deployed.ministack.port) as line:
        slow = {"Variables": {**environment["Variables"], "AWS_ENDPOINT_URL": line.endpoint}}
        functions.update_function_configuration(FunctionName=name, Timeout=timeout, Environment=slow)
        try:
            yield line
        finally:
            functions.update_function_configuration(
                FunctionName=name, Timeout=before["Timeout"], Environment=environment
            )


def test_a_transform_that_times_out_is_tried_again(deployed: Deployed) -> None:
    """Stopped by its time-out in the middle of a set, it leaves nothing; over a better line the next try succeeds."""
    extract_id = extract(30)
    with impatient(deployed, "TransformQueueUrl", receives=1000):
        with over_a_slow_line(deployed, timeout=1) as line:
            land(deployed, small_set.objects(extract_id))
            eventually(lambda: True if line.callers() else None, "a call over the slow line")
            eventually(lambda: True if timed_out(deployed) else None, "a time-out")
            assert [] == written(deployed, extract_id)
        assert small_set.COUNTS == success(deployed, extract_id)["counts"]


def timed_out(deployed: Deployed) -> bool:
    """Whether the stand-in says that it stopped the transform for its time."""
    return "listings-local-transform-listings timed out after 1s" in deployed.ministack.log_path.read_text()


def test_a_transform_that_always_times_out_ends_with_the_dead_letters(deployed: Deployed) -> None:
    """After five attempts the set waits there; sent again, when there is time, it is clean."""
    extract_id = extract(31)
    with impatient(deployed, "TransformQueueUrl"), over_a_slow_line(deployed, timeout=1):
        land(deployed, small_set.objects(extract_id))
        letter = json.loads(dead_letter(deployed, "TransformDeadLetterQueueUrl", f"{extract_id}/_manifest.json"))
    assert [] == written(deployed, extract_id)
    send(deployed, "TransformQueueUrl", letter)
    assert small_set.COUNTS == success(deployed, extract_id)["counts"]


def test_a_worker_killed_as_for_its_memory_is_replaced(deployed: Deployed) -> None:
    """Ended with SIGKILL in the middle of a set, as the kernel ends what has no memory left, it is done again.

    MiniStack does not enforce a function's memory, so that the end of the process is made by hand.
    """
    extract_id = extract(40)
    with impatient(deployed, "TransformQueueUrl", seconds=5, receives=1000):
        with over_a_slow_line(deployed, timeout=60) as line:
            land(deployed, small_set.objects(extract_id))
            [worker] = eventually(lambda: line.callers() or None, "a call over the slow line")
            worker.kill()
            assert [] == written(deployed, extract_id)
        assert small_set.COUNTS == success(deployed, extract_id)["counts"]


def test_with_room_for_one_function_at_a_time_every_set_arrives(tmp_path: Path) -> None:
    """Where the account lets one invocation run, eight sets at once are throttled, wait, and all come out clean."""
    ids = [extract(number) for number in range(50, 58)]
    with RunningMiniStack(tmp_path, settings={"LAMBDA_ACCOUNT_CONCURRENCY": "1"}) as ministack:
        deployed = Deployed(ministack, deploy_local(ministack.endpoint, tmp_path / "build", CONNECTIONS))
        with (
            impatient(deployed, "CopyQueueUrl", seconds=4, receives=1000),
            impatient(deployed, "TransformQueueUrl", seconds=4, receives=1000),
        ):
            with asleep(deployed, "CopyFunctionName"):
                for extract_id in ids:
                    land(deployed, small_set.objects(extract_id))
            assert [small_set.COUNTS] * len(ids) == [success(deployed, extract_id)["counts"] for extract_id in ids]
        for queue in ("CopyDeadLetterQueueUrl", "TransformDeadLetterQueueUrl"):
            assert is_idle(deployed, queue), queue
