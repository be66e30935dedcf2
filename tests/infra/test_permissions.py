"""Who may do what, asked of the stand-in itself, which evaluates the template's policies on each request."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.infra.conftest import CONNECTIONS, Deployed

# A key in each place; no manifest, which would wake a function.
PAGE = "listings/source=zillow56/market=houston-tx/date=2026-11-22/extract=20261122T060003Z-1f3a9c/page-0001.json"
CLEAN = (
    "listings/source=zillow56/market=houston-tx/date=2026-11-22/extract=20261122T060003Z-1f3a9c/transform=0a1b2c3d4e5f/"
)
MANIFEST = PAGE.replace("page-0001.json", "_manifest.json")

Attempt = Callable[[Any, dict[str, str]], Any]


def get(bucket: str, key: str) -> Attempt:
    return lambda client, outputs: client("s3").get_object(Bucket=outputs[f"{bucket}BucketName"], Key=key)


def head(bucket: str, key: str) -> Attempt:
    return lambda client, outputs: client("s3").head_object(Bucket=outputs[f"{bucket}BucketName"], Key=key)


def put(bucket: str, key: str) -> Attempt:
    return lambda client, outputs: client("s3").put_object(Bucket=outputs[f"{bucket}BucketName"], Key=key, Body=b"{}")


def delete(bucket: str, key: str) -> Attempt:
    return lambda client, outputs: client("s3").delete_object(Bucket=outputs[f"{bucket}BucketName"], Key=key)


def listed(bucket: str) -> Attempt:
    return lambda client, outputs: client("s3").list_objects_v2(Bucket=outputs[f"{bucket}BucketName"])


def send(queue: str) -> Attempt:
    # What S3 sends once, and every function ignores.
    return lambda client, outputs: client("sqs").send_message(
        QueueUrl=outputs[f"{queue}QueueUrl"], MessageBody='{"Event": "s3:TestEvent"}'
    )


def look(queue: str) -> Attempt:
    return lambda client, outputs: client("sqs").get_queue_attributes(
        QueueUrl=outputs[f"{queue}QueueUrl"], AttributeNames=["ApproximateNumberOfMessages"]
    )


def receive(queue: str) -> Attempt:
    return lambda client, outputs: client("sqs").receive_message(QueueUrl=outputs[f"{queue}QueueUrl"])


def secret(name: str) -> Attempt:
    return lambda client, outputs: client("secretsmanager").get_secret_value(SecretId=name)


def overwrite_secret(name: str) -> Attempt:
    return lambda client, outputs: client("secretsmanager").put_secret_value(SecretId=name, SecretString="{}")


def assume(role: str) -> Attempt:
    return lambda client, outputs: client("sts").assume_role(RoleArn=outputs[f"{role}RoleArn"], RoleSessionName="try")


def invoke(function: str) -> Attempt:
    return lambda client, outputs: client("lambda").invoke(FunctionName=outputs[f"{function}FunctionName"])


def outcome(attempt: Attempt, identity: Any, outputs: dict[str, str]) -> str:
    """ "allowed", also where the object is not there, or "denied"; any other error is raised."""
    try:
        attempt(identity, outputs)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code.startswith("AccessDenied") or code == "403":
            return "denied"
        if code in {"NoSuchKey", "404", "ResourceNotFoundException"}:
            return "allowed"
        raise
    return "allowed"


CASES: list[tuple[str, str, str, Attempt]] = [
    ("base", "denied", "list a bucket", listed("Landing")),
    ("base", "denied", "read a page", get("Landing", PAGE)),
    ("base", "denied", "put an object", put("Landing", PAGE)),
    ("base", "denied", "read a secret", secret("airflow/connections/zillow_api")),
    ("base", "denied", "send a message", send("Copy")),
    ("base", "denied", "become the copy function", assume("Copy")),
    ("base", "denied", "become Redshift", assume("RedshiftCopy")),
    ("base", "allowed", "become Airflow", assume("Airflow")),
    ("airflow", "allowed", "land a page", put("Landing", PAGE)),
    ("airflow", "allowed", "keep an error body", put("Landing", "errors/source=zillow56/page-0001.json")),
    ("airflow", "allowed", "read a landed page", get("Landing", PAGE)),
    ("airflow", "allowed", "list landing", listed("Landing")),
    ("airflow", "allowed", "list raw", listed("Raw")),
    ("airflow", "allowed", "read a raw manifest", get("Raw", MANIFEST)),
    ("airflow", "allowed", "list clean", listed("Clean")),
    ("airflow", "allowed", "look for _SUCCESS.json", head("Clean", CLEAN + "_SUCCESS.json")),
    ("airflow", "allowed", "read rejects", get("Clean", CLEAN + "rejects.parquet")),
    ("airflow", "allowed", "mark a set ready", put("Clean", "ready/date=2026-11-22/a.json")),
    ("airflow", "allowed", "write a COPY manifest", put("Clean", "loads/batch=1/listings.manifest")),
    ("airflow", "allowed", "publish a report", put("Clean", "reports/date=2026-11-22/report.html")),
    ("airflow", "allowed", "send a lost event to the copy", send("Copy")),
    ("airflow", "allowed", "send a lost event to the transform", send("Transform")),
    ("airflow", "allowed", "count waiting sets", look("Copy")),
    ("airflow", "allowed", "count sets waiting to be cleaned", look("Transform")),
    ("airflow", "allowed", "count dead letters of the copy", look("CopyDeadLetter")),
    ("airflow", "allowed", "count dead letters of the transform", look("TransformDeadLetter")),
    ("airflow", "allowed", "read a connection", secret("airflow/connections/zillow_api")),
    ("airflow", "allowed", "hear that a connection is not there", secret("airflow/connections/smtp_default")),
    ("airflow", "denied", "write outside its places in landing", put("Landing", "elsewhere/page-0001.json")),
    ("airflow", "denied", "write to raw", put("Raw", PAGE)),
    ("airflow", "denied", "read a raw page", get("Raw", PAGE)),
    ("airflow", "denied", "write clean listings", put("Clean", CLEAN + "listings.parquet")),
    ("airflow", "denied", "claim success", put("Clean", CLEAN + "_SUCCESS.json")),
    ("airflow", "denied", "delete a landed page", delete("Landing", PAGE)),
    ("airflow", "denied", "delete from raw", delete("Raw", PAGE)),
    ("airflow", "denied", "delete a marker", delete("Clean", "ready/date=2026-11-22/a.json")),
    ("airflow", "denied", "take a message", receive("Copy")),
    ("airflow", "denied", "take a dead letter", receive("CopyDeadLetter")),
    ("airflow", "denied", "send a dead letter", send("CopyDeadLetter")),
    ("airflow", "denied", "change a connection", overwrite_secret("airflow/connections/zillow_api")),
    ("airflow", "denied", "read another secret", secret("somebody/elses")),
    ("airflow", "denied", "become Redshift", assume("RedshiftCopy")),
    ("airflow", "denied", "call a function", invoke("Copy")),
    ("copy", "allowed", "read a landed page", get("Landing", PAGE)),
    ("copy", "allowed", "write a raw page", put("Raw", PAGE)),
    ("copy", "allowed", "verify a raw page", get("Raw", PAGE)),
    ("copy", "denied", "write to landing", put("Landing", PAGE)),
    ("copy", "denied", "read an error body", get("Landing", "errors/source=zillow56/page-0001.json")),
    ("copy", "denied", "delete from raw", delete("Raw", PAGE)),
    ("copy", "denied", "read clean", get("Clean", CLEAN + "listings.parquet")),
    ("copy", "denied", "list clean", listed("Clean")),
    ("copy", "denied", "read a secret", secret("airflow/connections/zillow_api")),
    ("copy", "denied", "take the transform's message", receive("Transform")),
    ("transform", "allowed", "read a raw page", get("Raw", PAGE)),
    ("transform", "allowed", "write clean listings", put("Clean", CLEAN + "listings.parquet")),
    ("transform", "denied", "read landing", get("Landing", PAGE)),
    ("transform", "denied", "list landing", listed("Landing")),
    ("transform", "denied", "write to raw", put("Raw", PAGE)),
    ("transform", "denied", "mark a set ready", put("Clean", "ready/date=2026-11-22/b.json")),
    ("transform", "denied", "delete clean listings", delete("Clean", CLEAN + "listings.parquet")),
    ("transform", "denied", "read a secret", secret("airflow/connections/zillow_api")),
    ("transform", "denied", "take the copy's message", receive("Copy")),
    ("redshift", "allowed", "read clean listings", get("Clean", CLEAN + "listings.parquet")),
    ("redshift", "allowed", "read a COPY manifest", get("Clean", "loads/batch=1/listings.manifest")),
    ("redshift", "allowed", "list clean", listed("Clean")),
    ("redshift", "denied", "read a marker", get("Clean", "ready/date=2026-11-22/a.json")),
    ("redshift", "denied", "read raw", get("Raw", PAGE)),
    ("redshift", "denied", "read landing", get("Landing", PAGE)),
    ("redshift", "denied", "write to clean", put("Clean", CLEAN + "listings.parquet")),
    ("redshift", "denied", "read a secret", secret("airflow/connections/zillow_api")),
]


@pytest.mark.parametrize(
    ("who", "expected", "attempt"),
    [pytest.param(who, expected, attempt, id=f"{who}-{what}") for who, expected, what, attempt in CASES],
)
def test_identity_does_what_it_must_and_no_more(deployed: Deployed, who: str, expected: str, attempt: Attempt) -> None:
    """Each identity is allowed what the pipeline needs of it and denied what it does not."""
    assert expected == outcome(attempt, getattr(deployed, who), deployed.outputs)


def test_airflow_reads_the_connection_as_it_was_given(deployed: Deployed) -> None:
    """The Airflow role reads the very connection that the deploy was given, as Airflow's JSON."""
    value = deployed.airflow("secretsmanager").get_secret_value(SecretId="airflow/connections/zillow_api")
    assert CONNECTIONS["zillow_api"] == json.loads(value["SecretString"])


def test_wrong_base_secret_opens_nothing(deployed: Deployed) -> None:
    """A request signed with another secret than the base key's is refused: signatures are checked."""
    forged = deployed.ministack.client("sts", deployed.deployment.base_access_key_id, "example-secret-not-real")
    with pytest.raises(ClientError, match=r"SignatureDoesNotMatch|InvalidClientTokenId"):
        forged.get_caller_identity()
