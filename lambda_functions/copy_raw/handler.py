"""Copies a complete set from the landing bucket to the raw bucket, verified, each object once.

It is woken through SQS by the event of a set's `_manifest.json`. Every page is read, compared with the
manifest and put with `If-None-Match: *`; the manifest goes last, so a set in raw is complete when its manifest
is there. It may be repeated, race with itself, or die after any page: what is there already is compared, and
equal content is success. Rights needed: read landing; read and put raw. Nothing is listed.

Environment: RAW_BUCKET.
"""

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote_plus

import boto3
from botocore.exceptions import ClientError

MANIFEST = "_manifest.json"
_PAGE_NAME = re.compile(r"page-\d{4,}\.json")
# Each holds a page of up to 25 MB, up to twice while it is read, and once more where raw has the page already: 75 MB.
# Four of them are 300 MB; Python with boto3 takes 100 MB more, and the template gives 512 MB.
_PARALLEL_PAGES = 4
# S3 answers 409 when another put of the same key is under way; one of the two then finds the other's object.
_PUT_ATTEMPTS = 5

log = logging.getLogger(__name__)
log.setLevel(logging.INFO)
s3 = boto3.client("s3")


class CopyError(RuntimeError):
    """What was found is not what the manifest promises; a person must look."""


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Copies the sets of an SQS batch; answers which messages failed, so that only those come again."""
    failed = []
    for message in event["Records"]:
        try:
            for bucket, key in manifests(message["body"]):
                copied = copy_set(s3, bucket, os.environ["RAW_BUCKET"], key)
                log.info("copied %s: %d pages", key, copied)
        except Exception:
            log.exception("message %s failed and will come again: %s", message["messageId"], message["body"])
            failed.append({"itemIdentifier": message["messageId"]})
    return {"batchItemFailures": failed}


def manifests(body: str) -> Iterator[tuple[str, str]]:
    """Bucket and key of each manifest that an S3 notification names; none for the test event S3 sends once."""
    notification = json.loads(body)
    if notification.get("Event") == "s3:TestEvent":
        return
    for record in notification["Records"]:
        key = unquote_plus(record["s3"]["object"]["key"])
        if key.rsplit("/", 1)[-1] == MANIFEST:
            yield record["s3"]["bucket"]["name"], key


def copy_set(client: Any, landing: str, raw: str, manifest_key: str) -> int:
    """Copies one set and returns its number of pages; CopyError names the object that differs and both hashes."""
    manifest = _read(client, landing, manifest_key)
    prefix = manifest_key.removesuffix(MANIFEST)
    pages = _pages(f"s3://{landing}/{manifest_key}", manifest)
    with ThreadPoolExecutor(_PARALLEL_PAGES) as pool:
        # The list waits for every page, and raises the first fault: the manifest must not overtake a page.
        list(pool.map(lambda page: _copy_page(client, landing, raw, prefix, page), pages))
    _put_once(client, raw, manifest_key, manifest)
    return len(pages)


def _pages(uri: str, manifest: bytes) -> list[dict[str, Any]]:
    """The pages that a manifest names; CopyError for one that another hand wrote."""
    try:
        return [{name: page[name] for name in ("name", "bytes", "sha256")} for page in json.loads(manifest)["pages"]]
    except (ValueError, KeyError, TypeError, RecursionError) as fault:
        raise CopyError(
            f"{uri} is no manifest of a set: expected `pages`, each with name, bytes and sha256, came "
            f"{manifest[:80]!r}. Put back the version of the object that extract_listings wrote"
        ) from fault


def _copy_page(client: Any, landing: str, raw: str, prefix: str, page: Mapping[str, Any]) -> None:
    if not _PAGE_NAME.fullmatch(page["name"]):
        raise CopyError(f"{prefix}{MANIFEST} names a page {page['name']!r}; expected page-0001.json and the like")
    key = prefix + page["name"]
    body = _read(client, landing, key)
    found = _sha256(body)
    if (len(body), found) != (page["bytes"], page["sha256"]):
        raise CopyError(
            f"s3://{landing}/{key} holds {len(body)} bytes with sha256 {found}; "
            f"its manifest says {page['bytes']} bytes with sha256 {page['sha256']}"
        )
    _put_once(client, raw, key, body)


def _put_once(client: Any, bucket: str, key: str, body: bytes) -> None:
    """Puts the object unless it is there; there already with other content is a CopyError."""
    for attempt in range(1, _PUT_ATTEMPTS + 1):
        try:
            client.put_object(Bucket=bucket, Key=key, Body=body, IfNoneMatch="*", ContentType="application/json")
            return
        except ClientError as fault:
            code = fault.response["Error"]["Code"]
            if code == "ConditionalRequestConflict" and attempt < _PUT_ATTEMPTS:
                continue
            if code not in ("PreconditionFailed", "412"):
                raise
        break
    there = _read(client, bucket, key)
    if there != body:
        raise CopyError(
            f"s3://{bucket}/{key} is there already with sha256 {_sha256(there)}; landing has {_sha256(body)}. "
            "Raw is written once: find out which of the two is right"
        )


def _read(client: Any, bucket: str, key: str) -> bytes:
    body: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    return body


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
