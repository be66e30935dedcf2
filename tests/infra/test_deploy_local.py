"""A deploy to the stand-in: again, after a crash, on another port, and when something is wrong with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.aws.account import LOCAL_REGION, AwsAccount, DeployError
from infra.aws.change_set import Stack
from infra.aws.code_bucket import CodeBucket
from infra.deploy.deploy import Person, Place, bring_up, deploy_local, put_functions
from tests.support.deployed_stack import CONNECTIONS, Deployed
from tests.support.ministack import ACCOUNT, RunningMiniStack, free_port

# Without leave to write to the queue S3 refuses the notification; the queue is made before that, and has to go again.
FORBIDDEN_TEMPLATE = """
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: small-queue}}
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: small-bucket
      NotificationConfiguration: {QueueConfigurations: [{Event: "s3:ObjectCreated:*", Queue: !GetAtt Queue.Arn}]}
"""
GOOD_TEMPLATE = """
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: small-queue}}
Outputs:
  QueueName: {Value: !GetAtt Queue.QueueName}
"""


@pytest.fixture
def ministack(tmp_path: Path) -> Iterator[RunningMiniStack]:
    """A MiniStack with nothing on it."""
    with RunningMiniStack(tmp_path / "ministack") as running:
        yield running


def _stack(running: RunningMiniStack, name: str, say: Callable[[str], None]) -> Stack:
    account = AwsAccount(running.endpoint, LOCAL_REGION)
    return Stack(account.client("cloudformation"), name, say, account.poll_seconds)


def _announced_to(s3: Any, bucket: str) -> str:
    """The queue that hears of a bucket's new objects."""
    [configuration] = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    return str(configuration["QueueArn"])


def test_deploying_again_changes_nothing(deployed: Deployed, tmp_path: Path) -> None:
    """A second deploy finds no changes, gives the same outputs, and is done within ten seconds."""
    told: list[str] = []
    started = time.monotonic()
    again = deploy_local(deployed.ministack.endpoint, tmp_path, CONNECTIONS, say=told.append)
    assert time.monotonic() - started < 10
    assert ["Stack listings-local: no changes"] == told
    assert deployed.outputs == again.outputs
    assert f"listings-local-landing-{ACCOUNT}" == again.outputs["LandingBucketName"]


def test_new_base_key_ends_the_old_one(deployed: Deployed, tmp_path: Path) -> None:
    """After another deploy the base user has one key, and the earlier deploy's opens nothing."""
    first = deploy_local(deployed.ministack.endpoint, tmp_path, {})
    second = deploy_local(deployed.ministack.endpoint, tmp_path, {})
    keys = deployed.root("iam").list_access_keys(UserName="listings-local-airflow-base")["AccessKeyMetadata"]
    assert [second.base_access_key_id] == [key["AccessKeyId"] for key in keys]
    with pytest.raises(ClientError):
        deployed.ministack.client("sts", first.base_access_key_id, first.base_secret_access_key).get_caller_identity()


def test_deploy_survives_a_crash_before_the_state_was_written(tmp_path: Path) -> None:
    """After kill -9, which leaves only S3's objects, a deploy brings everything back and keeps the objects."""
    running = RunningMiniStack(tmp_path / "ministack").start()
    try:
        before = deploy_local(running.endpoint, tmp_path, CONNECTIONS).outputs
        running.client("s3").put_object(Bucket=before["RawBucketName"], Key="kept", Body=b"bytes")
        running.kill()
        running.start()
        after = deploy_local(running.endpoint, tmp_path, CONNECTIONS).outputs
        assert before == after
        assert after["TransformQueueArn"] == _announced_to(running.client("s3"), after["RawBucketName"])
        assert b"bytes" == running.client("s3").get_object(Bucket=after["RawBucketName"], Key="kept")["Body"].read()
    finally:
        running.stop()


def test_stack_survives_a_restart_on_another_port(tmp_path: Path) -> None:
    """A graceful stop keeps the stack; on another port its outputs name that port, and its queues answer there."""
    home = tmp_path / "ministack"
    with RunningMiniStack(home) as running:
        deploy_local(running.endpoint, tmp_path, CONNECTIONS)
    with RunningMiniStack(home, port=free_port()) as running:
        told: list[str] = []
        outputs = deploy_local(running.endpoint, tmp_path, CONNECTIONS, say=told.append).outputs
        assert ["Stack listings-local: no changes"] == told
        assert outputs["CopyDeadLetterQueueUrl"].startswith(running.endpoint)
        queue = running.client("sqs")
        queue.send_message(QueueUrl=outputs["CopyDeadLetterQueueUrl"], MessageBody="hello")
        [message] = queue.receive_message(QueueUrl=outputs["CopyDeadLetterQueueUrl"])["Messages"]
        assert "hello" == message["Body"]


def test_failed_stack_names_its_reason_and_is_no_obstacle(deployed: Deployed) -> None:
    """A creation that fails quotes the failing resource; the next one clears what it left and succeeds."""
    told: list[str] = []
    stack = _stack(deployed.ministack, "small", told.append)
    with pytest.raises(
        DeployError, match=r"(?s)small ended ROLLBACK_COMPLETE.*Bucket \(AWS::S3::Bucket\): .*sqs:us-east-1"
    ):
        stack.apply({"TemplateBody": FORBIDDEN_TEMPLATE}, {})
    assert {"QueueName": "small-queue"} == stack.apply({"TemplateBody": GOOD_TEMPLATE}, {})
    assert "Stack small is ROLLBACK_COMPLETE: deleting what an earlier attempt left behind" in told


def test_name_that_is_taken_is_named(deployed: Deployed) -> None:
    """A failure found before any resource was touched names the resource too, though its events lie elsewhere."""
    deployed.root("s3").create_bucket(Bucket="small-bucket")
    deployed.root("s3").put_object(Bucket="small-bucket", Key="kept", Body=b"bytes")
    with pytest.raises(DeployError, match=r"Bucket \(AWS::S3::Bucket\): .*small-bucket"):
        _stack(deployed.ministack, "taken", print).apply({"TemplateBody": FORBIDDEN_TEMPLATE}, {})


def test_new_stack_takes_over_the_data_of_a_deleted_one(ministack: RunningMiniStack, tmp_path: Path) -> None:
    """Deleting the stack keeps the buckets with what is in them, and the next deploy joins them up again."""
    place = Place(AwsAccount(ministack.endpoint, LOCAL_REGION), "local")
    outputs = bring_up(place, Person(), put_functions(place, tmp_path))
    s3 = ministack.client("s3")
    s3.put_object(Bucket=outputs["RawBucketName"], Key="kept", Body=b"bytes")
    place.stack(Person()).delete()
    assert outputs == bring_up(place, Person(), put_functions(place, tmp_path))
    assert b"bytes" == s3.get_object(Bucket=outputs["RawBucketName"], Key="kept")["Body"].read()
    assert outputs["CopyQueueArn"] == _announced_to(s3, outputs["LandingBucketName"])


def test_function_without_code_is_an_error(
    ministack: RunningMiniStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A zip that is not in the code bucket fails the deploy, though the stand-in says CREATE_COMPLETE."""
    monkeypatch.setattr(CodeBucket, "put", lambda bucket, folder, path: "functions/absent.zip")
    with pytest.raises(DeployError, match="listings-local-copy-raw was deployed without code"):
        deploy_local(ministack.endpoint, tmp_path, {})


def test_connection_without_a_secret_is_an_error(deployed: Deployed, tmp_path: Path) -> None:
    """A connection that the template has no secret for is named, with what to do."""
    with pytest.raises(DeployError, match=r"no secret airflow/connections/zilow_api .* add its secret"):
        deploy_local(deployed.ministack.endpoint, tmp_path, {"zilow_api": {"conn_type": "http"}})
