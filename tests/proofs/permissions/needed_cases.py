"""What needs each grant that the stand-in guards: the piece of the pipeline that is tried, and what is seen then.

A key is holder, action and resource, as `needed_grants.Grant` has them: no two statements may give the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import ClientError

from include.replay.steps import ReplayRefused
from include.report.store import StoreTrouble
from local.redshift.errors import SqlError
from tests.proofs.permissions import needed_pipeline as pipeline
from tests.proofs.permissions import needed_services as services
from tests.proofs.permissions.needed_bench import Bench, GivenBack, NotAnnounced, Try


@dataclass(frozen=True)
class Case:
    """A piece of the pipeline that needs a grant, and what is seen of it without: the error and its text."""

    piece: Callable[[Bench], Try]
    shows: str
    raises: type[Exception] = ClientError


def _denied(operation: str) -> str:
    """What boto3 says when a call is refused for want of leave."""
    return rf"\((AccessDenied\w*|403)\) when calling the {operation} operation"


def _given_back(piece: Callable[[Bench], Try], operation: str) -> Case:
    return Case(piece, _denied(operation), GivenBack)


READ, WRITE, LIST, TAKE_AWAY = "s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:DeleteObject"
COUNT, RECEIVE, DELETE, SEND = (
    f"sqs:{name}" for name in ("GetQueueAttributes", "ReceiveMessage", "DeleteMessage", "SendMessage")
)
ASSUME = "sts:AssumeRole"

CASES: dict[tuple[str, str, str], Case] = {
    ("CopyQueuePolicy", SEND, "CopyQueue"): Case(
        services.announced("LandingBucketName", "CopyQueueUrl"), "_manifest.json", NotAnnounced
    ),
    ("TransformQueuePolicy", SEND, "TransformQueue"): Case(
        services.announced("RawBucketName", "TransformQueueUrl"), "_manifest.json", NotAnnounced
    ),
    ("CopyRole", READ, "LandingBucket/listings/*"): _given_back(services.copy_a_set, "GetObject"),
    ("CopyRole", WRITE, "RawBucket/listings/*"): _given_back(services.copy_a_set, "PutObject"),
    ("CopyRole", READ, "RawBucket/listings/*"): _given_back(services.copy_a_set_again, "GetObject"),
    ("TransformRole", READ, "RawBucket/listings/*"): _given_back(services.clean_a_set, "GetObject"),
    ("TransformRole", WRITE, "CleanBucket/listings/*"): _given_back(services.clean_a_set, "PutObject"),
    ("AirflowBaseUser", ASSUME, "role/airflow"): Case(pipeline.become_airflow, _denied("AssumeRole")),
    ("AirflowRole", ASSUME, "AirflowBaseUser"): Case(pipeline.become_airflow, _denied("AssumeRole")),
    ("AirflowRole", READ, "LandingBucket/listings/*"): Case(pipeline.see_what_is_landed, _denied("GetObject")),
    ("AirflowRole", READ, "LandingBucket/quota/*"): Case(pipeline.plan_requests, _denied("GetObject")),
    ("AirflowRole", WRITE, "LandingBucket/listings/*"): Case(pipeline.land_a_page, _denied("PutObject")),
    ("AirflowRole", WRITE, "LandingBucket/errors/*"): Case(pipeline.keep_an_error, _denied("PutObject")),
    ("AirflowRole", WRITE, "LandingBucket/quota/*"): Case(pipeline.plan_requests, _denied("PutObject")),
    ("AirflowRole", READ, "RawBucket/listings/*/_manifest.json"): Case(
        pipeline.end_a_replay, "1 of 1 set.* did not come.*" + _denied("GetObject"), ReplayRefused
    ),
    ("AirflowRole", WRITE, "RawBucket/withdrawn/*"): Case(pipeline.withdraw_a_set, _denied("PutObject")),
    ("AirflowRole", READ, "RawBucket/withdrawn/*"): Case(pipeline.see_what_is_withdrawn, _denied("GetObject")),
    ("AirflowRole", TAKE_AWAY, "RawBucket/withdrawn/*"): Case(pipeline.give_a_set_back, _denied("DeleteObject")),
    ("AirflowRole", READ, "CleanBucket/listings/*"): Case(pipeline.wait_until_clean, _denied("HeadObject")),
    ("AirflowRole", READ, "CleanBucket/ready/*"): Case(pipeline.plan_batches, _denied("GetObject")),
    ("AirflowRole", READ, "CleanBucket/reports/*"): Case(
        pipeline.show_a_report, "S3 refused to show the bucket .*: AccessDenied", StoreTrouble
    ),
    ("AirflowRole", WRITE, "CleanBucket/ready/*"): Case(pipeline.pass_gates, _denied("PutObject")),
    ("AirflowRole", WRITE, "CleanBucket/loads/*"): Case(pipeline.plan_batches, _denied("PutObject")),
    ("AirflowRole", WRITE, "CleanBucket/reports/*"): Case(pipeline.ask_for_a_replay, _denied("PutObject")),
    ("AirflowRole", LIST, "LandingBucket"): Case(pipeline.list_what_is_landed, _denied("ListObjectsV2")),
    ("AirflowRole", LIST, "RawBucket"): Case(pipeline.plan_a_replay, _denied("ListObjectsV2")),
    ("AirflowRole", LIST, "CleanBucket"): Case(pipeline.expect_sets, _denied("ListObjectsV2")),
    ("AirflowRole", SEND, "CopyQueue"): Case(pipeline.redrive("copy"), _denied("SendMessage")),
    ("AirflowRole", SEND, "TransformQueue"): Case(pipeline.ask_for_a_replay, _denied("SendMessage")),
    **{
        ("AirflowRole", action, f"{function.capitalize()}DeadLetterQueue"): Case(piece(function), _denied(operation))
        for function in ("copy", "transform")
        for action, piece, operation in (
            (COUNT, pipeline.look_into_dead_letters, "GetQueueAttributes"),
            (RECEIVE, pipeline.look_into_dead_letters, "ReceiveMessage"),
            (DELETE, pipeline.redrive, "DeleteMessage"),
        )
    },
    ("AirflowRole", "secretsmanager:GetSecretValue", "secret:airflow/connections/*"): Case(
        pipeline.read_a_connection, _denied("GetSecretValue")
    ),
    ("RedshiftCopyRole", READ, "CleanBucket/loads/*"): Case(
        services.copy_into_the_warehouse, "Problem reading manifest file - .*AccessDenied", SqlError
    ),
    ("RedshiftCopyRole", READ, "CleanBucket/listings/*"): Case(
        services.copy_into_the_warehouse, "listings.parquet: .*AccessDenied", SqlError
    ),
}
