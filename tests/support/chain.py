"""What the tests of the deployed chain do: land a set, wait for what comes of it, hold a function or hurry a queue."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.support import small_set
from tests.support.deployed_stack import Deployed

WITHIN_SECONDS = 60.0


def eventually(look: Callable[[], Any], what: str) -> Any:
    """The first answer of `look` that is not None."""
    deadline = time.monotonic() + WITHIN_SECONDS
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come within {WITHIN_SECONDS:.0f} s")


def land(deployed: Deployed, objects: dict[str, bytes]) -> None:
    """Puts the objects into the landing bucket in their order, as Airflow."""
    s3 = deployed.airflow("s3")
    for key, body in objects.items():
        s3.put_object(Bucket=deployed.outputs["LandingBucketName"], Key=key, Body=body, IfNoneMatch="*")


def success(deployed: Deployed, extract_id: str) -> dict[str, Any]:
    """The set's _SUCCESS.json, as soon as it is there."""
    s3 = deployed.airflow("s3")
    key = f"{small_set.prefix(extract_id)}transform={deployed.outputs['TransformVersion']}/_SUCCESS.json"

    def look() -> dict[str, Any] | None:
        try:
            body: bytes = s3.get_object(Bucket=deployed.outputs["CleanBucketName"], Key=key)["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None
        found: dict[str, Any] = json.loads(body)
        return found

    found: dict[str, Any] = eventually(look, key)
    return found


def dead_letter(deployed: Deployed, output: str, key: str) -> str:
    """The body of the message about `key` in a dead-letter queue; it is taken out."""
    sqs, url = deployed.root("sqs"), deployed.outputs[output]

    def look() -> str | None:
        for message in sqs.receive_message(QueueUrl=url).get("Messages", []):
            body: str = message["Body"]
            if json.loads(body)["Records"][0]["s3"]["object"]["key"].endswith(key):
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                return body
        return None

    found: str = eventually(look, f"a dead letter about {key}")
    return found


@contextmanager
def impatient(deployed: Deployed, queue: str, seconds: int = 1, receives: int | None = None) -> Iterator[None]:
    """While it lasts, a queue hands a failed message out again after seconds instead of minutes.

    Five receives that are minutes apart are an hour, seconds apart they may be over before a busy machine has done
    what the message waits for: `receives` is how many it gets instead.
    """
    sqs, url = deployed.root("sqs"), deployed.outputs[queue]
    names: list[Any] = ["VisibilityTimeout", "RedrivePolicy"]
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    changed = {"VisibilityTimeout": str(seconds)}
    if receives:
        changed["RedrivePolicy"] = json.dumps(json.loads(before["RedrivePolicy"]) | {"maxReceiveCount": receives})
    sqs.set_queue_attributes(QueueUrl=url, Attributes=changed)
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=before)


@contextmanager
def asleep(deployed: Deployed, function: str) -> Iterator[None]:
    """While it lasts, nobody takes the messages from a function's queue."""
    functions = deployed.root("lambda")
    [trigger] = functions.list_event_source_mappings(FunctionName=deployed.outputs[function])["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=trigger["UUID"], Enabled=False)
    try:
        yield
    finally:
        functions.update_event_source_mapping(UUID=trigger["UUID"], Enabled=True)
