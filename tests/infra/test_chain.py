"""A set through the deployed chain: landing, queue, copy, raw, queue, transform, clean; and what breaks it."""

from __future__ import annotations

import json
from urllib.parse import unquote_plus

from tests.support import small_set
from tests.support.chain import asleep, dead_letter, eventually, impatient, land, success
from tests.support.deployed_stack import Deployed


def test_landed_set_becomes_clean(deployed: Deployed) -> None:
    """Two pages and a manifest, landed by Airflow's role, come out clean with the counts made by hand."""
    extract_id = "20261122T060003Z-aaaaaa"
    land(deployed, small_set.objects(extract_id))
    found = success(deployed, extract_id)
    assert small_set.COUNTS == found["counts"]
    assert small_set.REJECTS_BY_REASON == found["rejects_by_reason"]
    assert ({}, []) == (found["unknown_fields"], found["absent_columns"])
    assert deployed.outputs["TransformVersion"] == found["transform_version"]


def test_a_changed_api_is_noticed(deployed: Deployed) -> None:
    """New fields, one with a hostile name, and a renamed price in 20 listings are said in the record of the set."""
    extract_id = "20261122T060003Z-ababab"
    hostile = 'a.b"\0' + "x" * 10_000
    page = {
        "results": [
            {"zpid": 1 + number, "listPrice": 1.0, "homeType": "CONDO", "listing_sub_type": {"is_pending": True}}
            for number in range(20)
        ],
        "totalPages": 1,
    }
    page["results"][7][hostile] = "anything"  # type: ignore[index]
    land(deployed, small_set.objects(extract_id, {"page-0001.json": page}))
    found = success(deployed, extract_id)
    cut = '"a.b\\"\\u0000' + "x" * 87 + "…"
    assert {cut: 1, "listPrice": 20, "listing_sub_type.is_pending": 20} == found["unknown_fields"]
    assert {"price", "home_status", "zipcode"} <= set(found["absent_columns"])
    assert not {"zpid", "home_type"} & set(found["absent_columns"])
    assert {"price_missing": 20} == found["rejects_by_reason"]


def test_raw_holds_what_was_landed(deployed: Deployed) -> None:
    """Every object of a set is in raw, under the same key and byte for byte."""
    extract_id = "20261122T060003Z-bbbbbb"
    landed = small_set.objects(extract_id)
    land(deployed, landed)
    success(deployed, extract_id)
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

    with asleep(deployed, "CopyFunctionName"):
        land(deployed, {"errors/source=zillow56/_manifest.json": b"{}"} | small_set.objects(extract_id))
        keys = eventually(look, "an announcement")
    assert [small_set.prefix(extract_id) + "_manifest.json"] == [unquote_plus(key) for key in keys]


def test_poison_ends_with_the_dead_letters_and_holds_up_nobody(deployed: Deployed) -> None:
    """A set whose page is missing ends in the copy's dead-letter queue, and a set behind it comes through."""
    poisoned = small_set.objects("20261122T060003Z-eeeeee")
    del poisoned[small_set.prefix("20261122T060003Z-eeeeee") + "page-0002.json"]
    with impatient(deployed, "CopyQueueUrl"):
        land(deployed, poisoned)
        land(deployed, small_set.objects("20261122T060003Z-ffffff"))
        assert small_set.COUNTS == success(deployed, "20261122T060003Z-ffffff")["counts"]
        letter = json.loads(dead_letter(deployed, "CopyDeadLetterQueueUrl", "eeeeee/_manifest.json"))
    assert deployed.outputs["LandingBucketName"] == letter["Records"][0]["s3"]["bucket"]["name"]


def test_unreadable_raw_manifest_ends_with_the_transforms_dead_letters(deployed: Deployed) -> None:
    """A manifest in raw that is not JSON ends in the transform's own dead-letter queue."""
    key = small_set.prefix("20261122T060003Z-999999") + "_manifest.json"
    with impatient(deployed, "TransformQueueUrl"):
        deployed.root("s3").put_object(Bucket=deployed.outputs["RawBucketName"], Key=key, Body=b"not json")
        letter = json.loads(dead_letter(deployed, "TransformDeadLetterQueueUrl", "999999/_manifest.json"))
    assert deployed.outputs["RawBucketName"] == letter["Records"][0]["s3"]["bucket"]["name"]
