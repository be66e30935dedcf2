"""The queues before the two Lambdas: looks into dead letters, moves them back, and sends a lost event again.

Amazon SQS moves messages by itself (StartMessageMoveTask); the local stand-in does not, so this does it one by one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, unquote_plus

from include.base.keys import MANIFEST, SetKey, parse_partition
from include.base.settings import Resources
from include.ledger.sets import Ledger

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef
else:
    SQSClient = MessageTypeDef = Any

RECEIVED_AT_ONCE = 10
# A queue spread over servers may answer with less than it holds, so an empty answer is asked for twice.
_EMPTY_ANSWERS = 2
_HELD_WHILE_MOVED = 60
# The rest is announced by the hourly reconciliation: what a task returns stays below 10 kB.
_ANNOUNCED_AT_MOST = 100


@dataclass(frozen=True)
class DeadLetters:
    """What lies in a dead-letter queue: how many messages, and the manifests that some of them name."""

    count: int
    manifests: tuple[str, ...] = ()


@dataclass(frozen=True)
class Moved:
    """What was moved back: how many messages, and the manifests that they name."""

    messages: int
    manifests: tuple[str, ...] = ()


def peek(client: SQSClient, queue_url: str, at_most: int = 10) -> DeadLetters:
    """The number of messages in the queue, and up to `at_most` of the manifests they name.

    Nothing is consumed: a message that was looked at is at once there for others. The number is Amazon's
    approximation. A message that names no manifest is only counted.
    """
    count = _count(client, queue_url)
    named: dict[str, None] = {}
    looks = min(count, at_most)
    while looks > 0 and len(named) < at_most:
        found = client.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=RECEIVED_AT_ONCE, VisibilityTimeout=0
        ).get("Messages", [])
        named |= dict.fromkeys(key for message in found for key in manifests(message["Body"]))
        looks -= max(1, len(found))
    # Sorted: a queue gives its messages in any order, and the same names are the same news.
    return DeadLetters(count, tuple(sorted(named)[:at_most]))


def send_again(client: SQSClient, queue_url: str, bucket: str, key: str) -> str:
    """Sends the ObjectCreated event of `key` to the queue and returns the message's id."""
    event = {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/")}},
            }
        ]
    }
    return str(client.send_message(QueueUrl=queue_url, MessageBody=json.dumps(event))["MessageId"])


def move_back(client: SQSClient, dead_letter_url: str, queue_url: str) -> Moved:
    """Sends every message of a dead-letter queue to its source queue, unchanged, whatever it says.

    A message is deleted only after it was sent, so none is lost; one that is sent twice because its deletion
    failed harms nothing. As many are moved as lay there in the beginning: what dies again meanwhile is left.
    """
    left = max(_count(client, dead_letter_url), 1)
    moved, empty = 0, 0
    named: dict[str, None] = {}
    while left > 0 and empty < _EMPTY_ANSWERS:
        found = client.receive_message(
            QueueUrl=dead_letter_url,
            MaxNumberOfMessages=min(left, RECEIVED_AT_ONCE),
            VisibilityTimeout=_HELD_WHILE_MOVED,
            WaitTimeSeconds=1,
        ).get("Messages", [])
        empty = 0 if found else empty + 1
        for message in found:
            client.send_message(QueueUrl=queue_url, MessageBody=message["Body"])
            client.delete_message(QueueUrl=dead_letter_url, ReceiptHandle=message["ReceiptHandle"])
            named |= dict.fromkeys(manifests(message["Body"]))
        moved += len(found)
        left -= len(found)
    return Moved(moved, tuple(named))


def queues(where: Resources) -> dict[str, tuple[str, str]]:
    """Dead-letter queue and source queue of each function."""
    return {
        "copy_raw": (where.copy_dead_letter_url, where.copy_queue_url),
        "transform_listings": (where.transform_dead_letter_url, where.transform_queue_url),
    }


def waiting_partitions(ledger: Ledger, named: Iterable[str]) -> list[str]:
    """The partitions of these manifests that have landed sets which nobody let through yet."""
    partitions = sorted({key.partition for name in named if (key := SetKey.of(name))})
    return [each for each in partitions if ledger.unsensed(*parse_partition(each))][:_ANNOUNCED_AT_MOST]


def manifests(body: str) -> Iterator[str]:
    """The keys of the manifests that an S3 notification names; none for a message that is none."""
    try:
        records = json.loads(body)["Records"]
        keys = [unquote_plus(record["s3"]["object"]["key"]) for record in records]
    except (ValueError, KeyError, TypeError, AttributeError):
        return
    yield from (key for key in keys if key.rsplit("/", 1)[-1] == MANIFEST)


def _count(client: SQSClient, queue_url: str) -> int:
    said = client.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(said["Attributes"]["ApproximateNumberOfMessages"])
