"""Dead letters on a real queue: looked at without being taken, moved back without being lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from include.ledger.queues import DeadLetters, Moved, move_back, peek, send_again
from tests.support.examples import KEY
from tests.support.warehouse_fixture import Warehouse

UNREADABLE = ["no JSON {", '"text"', '{"Records": [{"s3": null}]}', json.dumps({"Event": "s3:TestEvent"})]


@dataclass
class Queues:
    """A source queue and its dead-letter queue."""

    client: Any
    source: str
    dead: str

    def bodies(self, url: str) -> list[str]:
        """The bodies of all messages that may be received now, in alphabetical order."""
        found = []
        while messages := self.client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            found += [message["Body"] for message in messages]
        return sorted(found)


@pytest.fixture
def queues(warehouse: Warehouse) -> Iterator[Queues]:
    """Two empty queues."""
    client = warehouse.ministack.client("sqs")
    name = f"letters-{uuid4().hex[:8]}"
    urls = [client.create_queue(QueueName=f"{name}{end}")["QueueUrl"] for end in ("", "-dead")]
    yield Queues(client, *urls)
    for url in urls:
        client.delete_queue(QueueUrl=url)


def test_a_look_takes_nothing(queues: Queues) -> None:
    """The count and the manifests, sorted, are told twice alike, and every message can still be received."""
    second = replace(KEY, market="humble-tx")
    for key in (second, KEY):
        send_again(queues.client, queues.dead, "landing", key.manifest)
    queues.client.send_message(QueueUrl=queues.dead, MessageBody="no JSON {")

    for _ in range(2):
        found = peek(queues.client, queues.dead)
        assert DeadLetters(3, (KEY.manifest, second.manifest)) == found
    assert 3 == len(queues.bodies(queues.dead))


def test_a_look_names_no_more_than_asked_for(queues: Queues) -> None:
    """Of many messages some are named, and all are counted; an empty queue has none."""
    assert DeadLetters(0) == peek(queues.client, queues.dead)
    for number in range(12):
        send_again(queues.client, queues.dead, "landing", replace(KEY, market=f"market-{number}").manifest)

    found = peek(queues.client, queues.dead, at_most=2)

    assert (12, 2) == (found.count, len(set(found.manifests)))


def test_every_message_goes_back_as_it_is(queues: Queues) -> None:
    """Twenty-five notifications and what nobody can read arrive at the source, and the dead-letter queue is empty."""
    keys = [replace(KEY, market=f"market-{number}").manifest for number in range(25)]
    for key in keys:
        send_again(queues.client, queues.dead, "landing", key)
    for body in UNREADABLE:
        queues.client.send_message(QueueUrl=queues.dead, MessageBody=body)

    moved = move_back(queues.client, queues.dead, queues.source)

    assert (29, set(keys)) == (moved.messages, set(moved.manifests))
    assert ([], DeadLetters(0)) == (queues.bodies(queues.dead), peek(queues.client, queues.dead))
    arrived = queues.bodies(queues.source)
    assert (29, sorted(UNREADABLE)) == (len(arrived), sorted(set(arrived) & set(UNREADABLE)))


def test_an_empty_queue_is_nothing_to_do(queues: Queues) -> None:
    """Nothing dead, nothing moved."""
    assert Moved(0) == move_back(queues.client, queues.dead, queues.source)


def test_what_could_not_be_sent_is_not_deleted(queues: Queues) -> None:
    """Where the source queue takes nothing the message stays among the dead."""
    send_again(queues.client, queues.dead, "landing", KEY.manifest)

    with pytest.raises(ClientError, match="NonExistentQueue"):
        move_back(queues.client, queues.dead, f"{queues.source}-gone")

    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = queues.client.get_queue_attributes(QueueUrl=queues.dead, AttributeNames=names)["Attributes"]
    assert 1 == sum(int(count) for count in found.values())
