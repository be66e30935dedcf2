"""Cleans a complete raw set into Parquet in the clean bucket.

It is woken through SQS by the event of a set's `_manifest.json` in raw. It writes listings.parquet and
rejects.parquet, and `_SUCCESS.json` last, under `transform=<version>/` in the set's folder: the same input
gives the same bytes, so repeating it changes nothing, and another version of code or contract never overwrites
what a COPY may be reading. Rights needed: read raw; put clean.

Environment: CLEAN_BUCKET, TRANSFORM_VERSION. Beside this file, made by the build: contract.json, sources.json and
version.txt, the version of this code. While a deployment has changed only one of code and environment, nothing is
cleaned: the messages come again.
"""

import hashlib
import json
import logging
import os
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import boto3
from parquet import to_parquet
from plan import make_plan
from transform import Cleaned, Cleaner, SetError

MANIFEST = "_manifest.json"
# Pages asked for ahead of the one being cleaned: enough to hide the network, few enough to hold in memory.
_PAGES_AHEAD = 8

log = logging.getLogger(__name__)
log.setLevel(logging.INFO)
s3 = boto3.client("s3")


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Cleans the sets of an SQS batch; answers which messages failed, so that only those come again."""
    failed = []
    for message in event["Records"]:
        try:
            for bucket, key in manifests(message["body"]):
                counts = clean_set(s3, bucket, os.environ["CLEAN_BUCKET"], key, agreed_version())
                log.info("cleaned %s: %s", key, counts)
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


def agreed_version() -> str:
    """The version of this code; RuntimeError while the environment names another, as in the midst of a deployment."""
    own, named = (Path(__file__).parent / "version.txt").read_text("utf-8").strip(), os.environ["TRANSFORM_VERSION"]
    if own != named:
        raise RuntimeError(
            f"expected TRANSFORM_VERSION={own}, the version of this code, found {named}: a deployment is under way, "
            "or died half-way, then deploy again"
        )
    return own


@cache
def cleaner(source: str) -> Cleaner:
    """The cleaner of a family; SetError names the known ones where it is not among them."""
    beside = Path(__file__).parent
    sources = json.loads((beside / "sources.json").read_text("utf-8"))
    if source not in sources:
        raise SetError(f"no adapter for the API family {source!r}; this build has {', '.join(sorted(sources))}")
    return Cleaner(make_plan(json.loads((beside / "contract.json").read_text("utf-8")), sources[source]))


def clean_set(client: Any, raw: str, clean: str, manifest_key: str, version: str) -> Mapping[str, int]:
    """Cleans one set and returns its counts; SetError where raw is not what the manifest says."""
    prefix = manifest_key.removesuffix(MANIFEST)
    manifest_bytes = _read(client, raw, manifest_key)
    manifest = _manifest(f"s3://{raw}/{manifest_key}", manifest_bytes)
    cleaned = cleaner(manifest["source"]).clean(manifest, verified_pages(client, raw, prefix, manifest), prefix)
    files = {"listings.parquet": to_parquet(cleaned.listings), "rejects.parquet": to_parquet(cleaned.rejects)}
    success = success_record(manifest, manifest_bytes, cleaned, files, version, cleaner(manifest["source"]))
    target = f"{prefix}transform={version}/"
    for name, body in files.items():
        client.put_object(Bucket=clean, Key=target + name, Body=body, ContentType="application/vnd.apache.parquet")
    text = json.dumps(success, indent=1).encode() + b"\n"
    client.put_object(Bucket=clean, Key=f"{target}_SUCCESS.json", Body=text, ContentType="application/json")
    return cleaned.counts


def _manifest(uri: str, body: bytes) -> Mapping[str, Any]:
    """What a manifest says; SetError for one that another hand wrote."""
    try:
        manifest: dict[str, Any] = json.loads(body)
        needed = [(manifest, name) for name in ("source", "market", "date", "extract_id", "observed_at")]
        needed += [(page, name) for page in manifest["pages"] for name in ("name", "bytes", "sha256")]
        if lacking := [name for holder, name in needed if name not in holder]:
            raise ValueError(f"expected {lacking[0]} in it")
    except (ValueError, KeyError, TypeError, RecursionError) as fault:
        raise SetError(
            f"{uri} is no manifest of a set ({type(fault).__name__}: {fault}). Put back the version of the object that "
            "copy_raw wrote"
        ) from fault
    return manifest


def verified_pages(
    client: Any, raw: str, prefix: str, manifest: Mapping[str, Any]
) -> Iterator[tuple[Mapping[str, Any], bytes]]:
    """Each page in order, a few fetched ahead; SetError for the first that differs from its checksum."""
    with ThreadPoolExecutor(_PAGES_AHEAD) as pool:
        entries = iter(manifest["pages"])
        ahead: deque[tuple[Mapping[str, Any], Future[bytes]]] = deque()
        while True:
            while len(ahead) < _PAGES_AHEAD and (entry := next(entries, None)):
                ahead.append((entry, pool.submit(_read, client, raw, prefix + entry["name"])))
            if not ahead:
                return
            entry, coming = ahead.popleft()
            body = coming.result()
            found = hashlib.sha256(body).hexdigest()
            if (len(body), found) != (entry["bytes"], entry["sha256"]):
                raise SetError(
                    f"s3://{raw}/{prefix}{entry['name']} holds {len(body)} bytes with sha256 {found}; "
                    f"its manifest says {entry['bytes']} bytes with sha256 {entry['sha256']}"
                )
            yield entry, body


def success_record(
    manifest: Mapping[str, Any],
    manifest_bytes: bytes,
    cleaned: Cleaned,
    files: Mapping[str, bytes],
    version: str,
    by: Cleaner,
) -> dict[str, Any]:
    """What `_SUCCESS.json` says: whose set, by which code, how many of what, and the files' checksums."""
    rows = {"listings.parquet": len(cleaned.listings), "rejects.parquet": len(cleaned.rejects)}
    return {
        "success_version": 1,
        **{name: manifest[name] for name in ("source", "market", "date", "extract_id", "observed_at")},
        "transform_version": version,
        "contract_version": by.plan.contract_version,
        "manifest_sha256": hashlib.sha256(manifest_bytes).hexdigest(),
        "counts": dict(cleaned.counts),
        "pages": len(manifest["pages"]),
        "pages_unreadable": cleaned.pages_unreadable,
        "rejects_by_reason": dict(cleaned.rejects_by_reason),
        "oddities": dict(cleaned.oddities),
        "unknown_fields": dict(cleaned.unknown_fields),
        "absent_columns": list(cleaned.absent_columns),
        "impossible_columns": list(cleaned.impossible_columns),
        "absent_claims": [name for name in ("pages_claimed", "listings_claimed") if manifest.get(name) is None],
        "files": {
            name: {"rows": rows[name], "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
            for name, body in files.items()
        },
    }


def _read(client: Any, bucket: str, key: str) -> bytes:
    body: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    return body
