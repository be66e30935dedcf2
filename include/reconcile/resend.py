"""Puts a lost notification back on a Lambda's queue: the very event S3 sends when a manifest is put."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
else:
    SQSClient = Any


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
