"""A set through the deployed chain: landing, queue, copy, raw, queue, transform, clean; and what breaks it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote_plus

from tests.infra import small_set
from tests.infra.conftest import Deployed

WITHIN_SECONDS = 60.0


def _eventually(look: Callable[[], Any], what: str) -> Any:
    """The first answer of `look` that is not None."""
    deadline = time.monotonic() + WITHIN_SECONDS
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come within {WITHIN_SECONDS:.0f} s")


def _land(deployed: Deployed, objects: dict[str, bytes]) -> None:
    s3 = deployed.airflow("s3")
    for key, body in objects.items():
        s3.put_object(Bucket=deployed.outputs["LandingBucketName"], Key=key, Body=body, IfNoneMatch="*")


def _success(deployed: Deployed, extract_id: str) -> dict[str, Any]:
    s3 = deployed.airflow("s3")
    key = f"{small_set.prefix(extract_id)}transform={deployed.outputs['TransformVersion']}/_SUCCESS.json"

    def look() -> dict[str, Any] | None:
        try:
            body: bytes = s3.get_object(Bucket=deployed.outputs["CleanBucketName"], Key=key)["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None
        found: dict[str, Any] = json.loads(body)
        return found

    success: dict[str, Any] = _eventually(look, key)
    return success


def _dead_letter(deployed: Deployed, output: str, key: str) -> str:
    """The body of the message about `key` in a dead-letter queue; it is taken out."""
    sqs, url = deployed.root("sqs"), deployed.outputs[output]

    def look() -> str | None:
        for message in sqs.receive_message(QueueUrl=url).get("Messages", []):
            body: str = message["Body"]
            if json.loads(body)["Records"][0]["s3"]["object"]["key"].endswith(key):
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                return body
        return None

    found: str = _eventually(look, f"a dead letter about {key}")
    return found


@contextmanager
def _impatient(deployed: Deployed, queue: str) -> Iterator[None]:
    """While it lasts, a queue hands a failed message out again after a second instead of minutes."""
    sqs, url = deployed.root("sqs"), deployed.outputs[queue]
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=before)


@contextmanager
def _asleep(deployed: Deployed, function: str) -> Iterator[None]:
    """While it lasts, nobody takes the messages from a function's queue."""
    functions = deployed.root("lambda")
    [trigger] = functions.list_event_source_mappings(FunctionName=deployed.outputs[function])["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=trigger["UUID"], Enabled=False)
    try:
        yield
    finally:
        functions.update_event_source_mapping(UUID=trigger["UUID"], Enabled=True)


def test_landed_set_becomes_clean(deployed: Deployed) -> None:
    """Two pages and a manifest, landed by Airflow's role, come out clean with the counts made by hand."""
    extract_id = "20261122T060003Z-aaaaaa"
    _land(deployed, small_set.objects(extract_id))
    success = _success(deployed, extract_id)
    assert small_set.COUNTS == success["counts"]
    assert small_set.REJECTS_BY_REASON == success["rejects_by_reason"]
    assert deployed.outputs["TransformVersion"] == success["transform_version"]


def test_raw_holds_what_was_landed(deployed: Deployed) -> None:
    """Every object of a set is in raw, under the same key and byte for byte."""
    extract_id = "20261122T060003Z-bbbbbb"
    landed = small_set.objects(extract_id)
    _land(deployed, landed)
    _success(deployed, extract_id)
    s3 = deployed.root("s3")
    raw = {k: s3.get_object(Bucket=deployed.outputs["RawBucketName"], Key=k)["Body"].read() for k in landed}
    assert landed == raw


def test_only_manifests_of_sets_are_announced(deployed: Deployed) -> None:
    """Of a landed set and an error body that is called like a manifest, the queue hears of the set's manifest only."""
    extract_id, sqs, url = "20261122T060003Z-cccccc", deployed.root("sqs"), deployed.outputs["CopyQueueUrl"]

    def look() -> list[str] | None:
        keys = []
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            # S3's test event, which it sends when the notification is made, has no records.
            keys += [r["s3"]["object"]["key"] for r in json.loads(message["Body"]).get("Records", [])]
        return keys or None

    with _asleep(deployed, "CopyFunctionName"):
        _land(deployed, {"errors/source=zillow56/_manifest.json": b"{}"} | small_set.objects(extract_id))
        keys = _eventually(look, "an announcement")
    assert [small_set.prefix(extract_id) + "_manifest.json"] == [unquote_plus(key) for key in keys]


def test_poison_ends_with_the_dead_letters_and_holds_up_nobody(deployed: Deployed) -> None:
    """A set whose page is missing ends in the copy's dead-letter queue, and a set behind it comes through."""
    poisoned = small_set.objects("20261122T060003Z-eeeeee")
    del poisoned[small_set.prefix("20261122T060003Z-eeeeee") + "page-0002.json"]
    with _impatient(deployed, "CopyQueueUrl"):
        _land(deployed, poisoned)
        _land(deployed, small_set.objects("20261122T060003Z-ffffff"))
        assert small_set.COUNTS == _success(deployed, "20261122T060003Z-ffffff")["counts"]
        letter = json.loads(_dead_letter(deployed, "CopyDeadLetterQueueUrl", "eeeeee/_manifest.json"))
    assert deployed.outputs["LandingBucketName"] == letter["Records"][0]["s3"]["bucket"]["name"]


def test_unreadable_raw_manifest_ends_with_the_transforms_dead_letters(deployed: Deployed) -> None:
    """A manifest in raw that is not JSON ends in the transform's own dead-letter queue."""
    key = small_set.prefix("20261122T060003Z-999999") + "_manifest.json"
    with _impatient(deployed, "TransformQueueUrl"):
        deployed.root("s3").put_object(Bucket=deployed.outputs["RawBucketName"], Key=key, Body=b"not json")
        letter = json.loads(_dead_letter(deployed, "TransformDeadLetterQueueUrl", "999999/_manifest.json"))
    assert deployed.outputs["RawBucketName"] == letter["Records"][0]["s3"]["bucket"]["name"]
