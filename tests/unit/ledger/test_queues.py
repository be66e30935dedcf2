"""What goes back on a queue is what S3 itself would send."""

import json
from urllib.parse import unquote_plus

import pytest

from include.ledger.queues import send_again
from tests.support.examples import KEY
from tests.support.memory_queue import Queue


def test_the_notification_names_bucket_and_encoded_key() -> None:
    """The message is an ObjectCreated event whose key is URL-encoded as S3 encodes it."""
    queue = Queue()

    assert "message-1" == send_again(queue, "http://queues/copy-raw", "landing", KEY.manifest)
    url, body = queue.messages[0]
    assert "http://queues/copy-raw" == url
    [record] = json.loads(body)["Records"]
    assert ("aws:s3", "ObjectCreated:Put", "landing") == (
        record["eventSource"],
        record["eventName"],
        record["s3"]["bucket"]["name"],
    )
    folder = "listings/source%3Dzillow56/market%3Dhouston-tx/date%3D2026-11-22/extract%3D20261122T060003Z-1f3a9c"
    assert f"{folder}/_manifest.json" == record["s3"]["object"]["key"]


@pytest.mark.parametrize("key", [KEY.manifest, "a b/ü+%.json"])
def test_the_key_is_what_a_consumer_decodes(key: str) -> None:
    """unquote_plus, which the Lambdas use, gives the key back."""
    queue = Queue()
    send_again(queue, "http://queues/copy-raw", "landing", key)

    assert key == unquote_plus(json.loads(queue.messages[0][1])["Records"][0]["s3"]["object"]["key"])
