"""A deployed stack to try pieces of the pipeline on: a new set at each stage of its way, and the functions at hand."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Any

from include.base.keys import SetKey
from include.base.settings import Resources, resources
from include.ledger.queues import manifests
from include.ledger.sets import Ledger
from include.sense.gates import Gatekeeper
from tests.support import small_set
from tests.support.chain import eventually
from tests.support.deployed_stack import Deployed

PARTITION = (small_set.SOURCE, small_set.MARKET, small_set.DATE)

Try = Callable[[], object]


class GivenBack(Exception):
    """A function reported its message as failed, so that the queue hands it out again; the text is its log."""


class NotAnnounced(Exception):
    """A manifest was put, and its queue heard nothing of it."""


class Bench:
    """A deployed stack whose functions sleep, the settings of Airflow's tasks on it, and a new set whenever asked."""

    def __init__(self, deployed: Deployed) -> None:
        self.deployed = deployed
        names = {field.name for field in fields(Resources)}
        given = {output: _snake(output) for output in deployed.outputs}
        given |= {f"{kind}DeadLetterQueueUrl": f"{kind.lower()}_dead_letter_url" for kind in ("Copy", "Transform")}
        self.settings = {
            f"LISTINGS_{name.upper()}": deployed.outputs[output] for output, name in given.items() if name in names
        }
        self.client = cache(lambda who, service: getattr(deployed, who)(service))
        self._numbers = itertools.count(1)

    @property
    def s3(self) -> Any:
        """Airflow's client of S3."""
        return self.client("airflow", "s3")

    @property
    def sqs(self) -> Any:
        """Airflow's client of SQS."""
        return self.client("airflow", "sqs")

    @property
    def ledger(self) -> Ledger:
        """The ledgers as Airflow reads them."""
        return Ledger(self.s3, resources())

    @property
    def gates(self) -> Gatekeeper:
        """The gates as Airflow guards them; half of the small set's listings may be rejects."""
        return Gatekeeper(self.s3, resources(), reject_share_limit=0.5)

    def put(self, bucket: str, objects: dict[str, bytes]) -> None:
        """Puts objects as root, in their order."""
        for key, body in objects.items():
            self.client("root", "s3").put_object(Bucket=bucket, Key=key, Body=body)

    def new(self) -> SetKey:
        """A set that nobody has heard of."""
        return SetKey(*PARTITION, f"20261122T060003Z-{next(self._numbers):06d}")

    def landed(self) -> SetKey:
        """A new set that lies in landing."""
        key = self.new()
        self.put(resources().landing_bucket, small_set.objects(key.extract_id))
        return key

    def kept(self) -> SetKey:
        """A new set that lies in landing and in raw."""
        key = self.landed()
        self.put(resources().raw_bucket, small_set.objects(key.extract_id))
        return key

    def clean(self) -> SetKey:
        """A new set that the deployed transform has cleaned."""
        key = self.kept()
        self.transform(key)
        return key

    def ready(self) -> SetKey:
        """A new set that passed the gates."""
        key = self.clean()
        self.gates.let_through(key)
        return key

    def copy(self, key: SetKey) -> None:
        """Has the copy function do a set of the landing bucket; GivenBack when it fails."""
        self._invoke("CopyFunctionName", resources().landing_bucket, key)

    def transform(self, key: SetKey) -> None:
        """Has the transform do a set of the raw bucket; GivenBack when it fails."""
        self._invoke("TransformFunctionName", resources().raw_bucket, key)

    def empty_queues(self) -> None:
        """Drops what earlier tries left on the queues, dead letters included."""
        for queue in ("Copy", "CopyDeadLetter", "Transform", "TransformDeadLetter"):
            self.client("root", "sqs").purge_queue(QueueUrl=self.deployed.outputs[f"{queue}QueueUrl"])

    def is_in(self, bucket: str, key: str) -> bool:
        """Whether an object is there, asked as root."""
        found = self.client("root", "s3").list_objects_v2(Bucket=bucket, Prefix=key)
        return any(item["Key"] == key for item in found.get("Contents", []))

    def _invoke(self, output: str, bucket: str, key: SetKey) -> None:
        notification = {"Records": [{"s3": {"bucket": {"name": bucket}, "object": {"key": key.manifest}}}]}
        answer = self.client("root", "lambda").invoke(
            FunctionName=self.deployed.outputs[output],
            Payload=json.dumps({"Records": [{"messageId": "tried", "body": json.dumps(notification)}]}),
            LogType="Tail",
        )
        if {"batchItemFailures": []} != json.loads(answer["Payload"].read()):
            raise GivenBack(base64.b64decode(answer["LogResult"]).decode())


def _snake(name: str) -> str:
    return (
        "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
        .lstrip("_")
        .removesuffix("_name")
    )


def receives(bench: Bench, queue: str, key: SetKey) -> int | None:
    """How often the message about a set was handed out, once it lies in a dead-letter queue; None until then."""
    sqs, url = bench.client("root", "sqs"), bench.deployed.outputs[queue]
    for message in sqs.receive_message(
        QueueUrl=url, AttributeNames=["All"], MaxNumberOfMessages=10, VisibilityTimeout=0
    ).get("Messages", []):
        if key.manifest in manifests(message["Body"]):
            return int(message["Attributes"]["ApproximateReceiveCount"])
    return None


def dies(bench: Bench, queue: str, key: SetKey) -> int:
    """Waits until a set's message lies in a dead-letter queue; its receive count there."""
    count: int = eventually(lambda: receives(bench, queue, key), f"a dead letter about {key.manifest}")
    return count
