"""The doctor finds what is broken in buckets, functions, queues and roles, each broken on purpose, and nothing else."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from infra.doctor import storage
from infra.doctor.finding import State
from infra.package.build import Bundle
from tests.support.patient import Patient, assert_named_alone, assert_said, findings, skipped, to_mend

NOTIFICATION = {
    "Events": ["s3:ObjectCreated:*"],
    "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "listings/"}]}},
}
ANOTHER_BUCKET = {
    "Effect": "Allow",
    "Principal": {"Service": "s3.amazonaws.com"},
    "Action": "sqs:SendMessage",
    "Resource": "*",
    "Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:s3:::listings-local-landing-000000000000"}},
}
OF_WIRING = {"copy queue": "needs functions", "transform queue": "needs functions", "versions": "needs functions"}


def test_a_healthy_stack_is_well(patient: Patient) -> None:
    """Of a stack as it was deployed every check is ok, none is left out, and one request was made of the API."""
    before = patient.requests()

    found = findings(patient.target(), parse=True)

    assert {} == {name: (each.state, each.found) for name, each in found.items() if each.state is not State.OK}
    assert 19 == len(found)
    assert before + 1 == patient.requests()


# ---------------------------------------------------------------- what breaks it, and mends it again
@contextlib.contextmanager
def _no_notification(patient: Patient) -> Iterator[None]:
    with _notification(patient, "LandingBucketName", {}):
        yield


@contextlib.contextmanager
def _notification_of_every_object(patient: Patient) -> Iterator[None]:
    wanted = {"QueueArn": patient.outputs["TransformQueueArn"], **NOTIFICATION}
    with _notification(patient, "RawBucketName", {"QueueConfigurations": [wanted]}):
        yield


@contextlib.contextmanager
def _notification(patient: Patient, bucket: str, told: dict[str, Any]) -> Iterator[None]:
    s3, name = patient.root("s3"), patient.outputs[bucket]
    before = s3.get_bucket_notification_configuration(Bucket=name)["QueueConfigurations"]
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=told)
    try:
        yield
    finally:
        s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={"QueueConfigurations": before})


def _queue(output: str, **attributes: str) -> Callable[[Patient], AbstractContextManager[None]]:
    @contextlib.contextmanager
    def broken(patient: Patient) -> Iterator[None]:
        sqs, url = patient.root("sqs"), patient.outputs[output]
        before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(attributes))["Attributes"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
        try:
            yield
        finally:
            sqs.set_queue_attributes(QueueUrl=url, Attributes=before)

    return broken


@contextlib.contextmanager
def _mapping_disabled(patient: Patient) -> Iterator[None]:
    functions = patient.root("lambda")
    [mapping] = functions.list_event_source_mappings(FunctionName=patient.outputs["CopyFunctionName"])[
        "EventSourceMappings"
    ]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        yield
    finally:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


@contextlib.contextmanager
def _mapping_to_another_function(patient: Patient) -> Iterator[None]:
    functions, queue = patient.root("lambda"), patient.outputs["TransformQueueArn"]
    [mapping] = functions.list_event_source_mappings(EventSourceArn=queue)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], FunctionName=patient.outputs["CopyFunctionName"])
    try:
        yield
    finally:
        functions.update_event_source_mapping(
            UUID=mapping["UUID"], FunctionName=patient.outputs["TransformFunctionName"]
        )


@contextlib.contextmanager
def _queue_gone(patient: Patient) -> Iterator[None]:
    sqs, url = patient.root("sqs"), patient.outputs["TransformDeadLetterQueueUrl"]
    sqs.delete_queue(QueueUrl=url)
    try:
        yield
    finally:
        sqs.create_queue(QueueName=url.rsplit("/", 1)[1])


@contextlib.contextmanager
def _dead_letters(patient: Patient) -> Iterator[None]:
    sqs, url = patient.root("sqs"), patient.outputs["CopyDeadLetterQueueUrl"]
    for _ in range(2):
        sqs.send_message(QueueUrl=url, MessageBody="{}")
    try:
        yield
    finally:
        sqs.purge_queue(QueueUrl=url)


@contextlib.contextmanager
def _bucket_gone(patient: Patient) -> Iterator[None]:
    s3, name = patient.root("s3"), patient.outputs["CleanBucketName"]
    s3.delete_bucket(Bucket=name)
    try:
        yield
    finally:
        s3.create_bucket(Bucket=name)


@contextlib.contextmanager
def _function_without_code(patient: Patient) -> Iterator[None]:
    """A function made of a zip that is not there is no error to the stand-in."""
    code = {"S3Bucket": f"listings-local-code-{'0' * 12}", "S3Key": "functions/absent.zip"}
    with _function_again(patient, "CopyFunctionName", code):
        yield


@contextlib.contextmanager
def _function_gone(patient: Patient) -> Iterator[None]:
    with _function_again(patient, "TransformFunctionName", None):
        yield


@contextlib.contextmanager
def _function_again(patient: Patient, output: str, code: dict[str, str] | None) -> Iterator[None]:
    functions, name = patient.root("lambda"), patient.outputs[output]
    was = functions.get_function_configuration(FunctionName=name)
    fields = ("FunctionName", "Runtime", "Role", "Handler", "Timeout", "MemorySize")
    again = {field: was[field] for field in fields} | {"Environment": was["Environment"]}
    bucket = patient.root("s3")
    told = {
        each["ParameterKey"]: each["ParameterValue"]
        for each in patient.root("cloudformation").describe_stacks(StackName="listings-local")["Stacks"][0][
            "Parameters"
        ]
    }
    key = told["CopyCodeKey" if output == "CopyFunctionName" else "TransformCodeKey"]
    body = bucket.get_object(Bucket=told["CodeBucket"], Key=key)["Body"].read()
    functions.delete_function(FunctionName=name)
    if code is not None:
        functions.create_function(**again, Code=code)
        _settle(functions, name)
    try:
        yield
    finally:
        if code is not None:
            functions.delete_function(FunctionName=name)
        functions.create_function(**again, Code={"ZipFile": body})
        _settle(functions, name)


@contextlib.contextmanager
def _older_transform(patient: Patient) -> Iterator[None]:
    with _environment(patient, "TransformFunctionName", TRANSFORM_VERSION="0123456789ab"):
        yield


@contextlib.contextmanager
def _copies_into_landing(patient: Patient) -> Iterator[None]:
    with _environment(patient, "CopyFunctionName", RAW_BUCKET=patient.outputs["LandingBucketName"]):
        yield


@contextlib.contextmanager
def _environment(patient: Patient, output: str, **changed: str) -> Iterator[None]:
    functions, name = patient.root("lambda"), patient.outputs[output]
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": {**before, **changed}})
    _settle(functions, name)
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})
        _settle(functions, name)


@contextlib.contextmanager
def _other_code(patient: Patient) -> Iterator[None]:
    functions, name = patient.root("lambda"), patient.outputs["CopyFunctionName"]
    [key] = [
        each["Key"]
        for each in patient.root("s3").list_objects_v2(
            Bucket=f"listings-local-code-{'0' * 12}", Prefix="functions/copy"
        )["Contents"]
    ]
    edited = io.BytesIO()
    with zipfile.ZipFile(edited, "w") as archive:
        archive.writestr("handler.py", "def handler(event, context): return {}\n")
    functions.update_function_code(FunctionName=name, ZipFile=edited.getvalue())
    _settle(functions, name)
    try:
        yield
    finally:
        functions.update_function_code(FunctionName=name, S3Bucket=f"listings-local-code-{'0' * 12}", S3Key=key)
        _settle(functions, name)


def _settle(functions: Any, name: str) -> None:
    """Waits until a function that was changed is ready again."""
    functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})


@contextlib.contextmanager
def _role_may_nothing(patient: Patient) -> Iterator[None]:
    iam, name = patient.root("iam"), "listings-local-redshift-copy"
    policy = iam.get_role_policy(RoleName=name, PolicyName="redshift-copy")["PolicyDocument"]
    iam.delete_role_policy(RoleName=name, PolicyName="redshift-copy")
    try:
        yield
    finally:
        iam.put_role_policy(RoleName=name, PolicyName="redshift-copy", PolicyDocument=json.dumps(policy))


@contextlib.contextmanager
def _role_may_read_everything(patient: Patient) -> Iterator[None]:
    iam, name = patient.root("iam"), "listings-local-redshift-copy"
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
    }
    iam.put_role_policy(RoleName=name, PolicyName="too-much", PolicyDocument=json.dumps(policy))
    try:
        yield
    finally:
        iam.delete_role_policy(RoleName=name, PolicyName="too-much")


@contextlib.contextmanager
def _role_trusts_another(patient: Patient) -> Iterator[None]:
    iam, name = patient.root("iam"), "listings-local-redshift-copy"
    before = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    other = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
        ],
    }
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(other))
    try:
        yield
    finally:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(before))


@contextlib.contextmanager
def _role_gone(patient: Patient) -> Iterator[None]:
    iam, name = patient.root("iam"), "listings-local-redshift-copy"
    role = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    policy = iam.get_role_policy(RoleName=name, PolicyName="redshift-copy")["PolicyDocument"]
    iam.delete_role_policy(RoleName=name, PolicyName="redshift-copy")
    iam.delete_role(RoleName=name)
    try:
        yield
    finally:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(role))
        iam.put_role_policy(RoleName=name, PolicyName="redshift-copy", PolicyDocument=json.dumps(policy))


@contextlib.contextmanager
def _no_room_for_functions(patient: Patient) -> Iterator[None]:
    """Another function has reserved what ours need."""
    functions, name = patient.root("lambda"), patient.outputs["CopyFunctionName"]
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=12)
    try:
        yield
    finally:
        functions.delete_function_concurrency(FunctionName=name)


BROKEN: dict[str, tuple[Callable[[Patient], AbstractContextManager[None]], str, str, dict[str, str]]] = {
    "landing tells nobody": (_no_notification, "copy queue", r"landing-0+ does not tell listings-local-copy-raw", {}),
    "raw tells of every object": (
        _notification_of_every_object,
        "transform queue",
        r"raw-0+ does not tell listings-local-transform-listings of new manifests \(listings/…_manifest.json\)",
        {},
    ),
    "the queue lets nobody in": (
        _queue("CopyQueueUrl", Policy=""),
        "copy queue",
        r"policy of listings-local-copy-raw does not let listings-local-landing-0+ send",
        {},
    ),
    "the queue lets another bucket in": (
        _queue("TransformQueueUrl", Policy=json.dumps({"Version": "2012-10-17", "Statement": [ANOTHER_BUCKET]})),
        "transform queue",
        r"policy of listings-local-transform-listings does not let listings-local-raw-0+ send",
        {},
    ),
    "no redrive": (
        _queue("TransformQueueUrl", RedrivePolicy=""),
        "transform queue",
        "goes nowhere, not to listings-local-transform-listings-dead",
        {},
    ),
    "the mapping is disabled": (_mapping_disabled, "copy queue", "does not read .* the mapping is Disabled", {}),
    "another function reads the queue": (
        _mapping_to_another_function,
        "transform queue",
        "is read by listings-local-copy-raw, not by listings-local-transform-listings",
        {},
    ),
    "a dead-letter queue is gone": (
        _queue_gone,
        "dead letters",
        "there is no queue listings-local-transform-listings-dead",
        {},
    ),
    "dead letters": (_dead_letters, "dead letters", "dead letters: 2 in listings-local-copy-raw-dead$", {}),
    "a bucket is gone": (
        _bucket_gone,
        "buckets",
        r"gone: listings-local-clean-0+$",
        dict.fromkeys(("copy queue", "transform queue", "copy role"), "needs buckets"),
    ),
    "a function without code": (
        _function_without_code,
        "functions",
        "listings-local-copy-raw has no code",
        OF_WIRING,
    ),
    "a function is gone": (
        _function_gone,
        "functions",
        "there is no function listings-local-transform-listings",
        OF_WIRING,
    ),
    "an older transform version": (
        _older_transform,
        "functions",
        r"has TRANSFORM_VERSION=0123456789ab, expected [0-9a-f]{12}",
        OF_WIRING,
    ),
    "a function writes elsewhere": (
        _copies_into_landing,
        "functions",
        r"has RAW_BUCKET=listings-local-landing-0+, expected listings-local-raw-0+",
        OF_WIRING,
    ),
    "code by hand": (_other_code, "versions", "differs .*: the code of listings-local-copy-raw", {}),
    "the copy role may nothing": (_role_may_nothing, "copy role", "may not read listings-local-clean", {}),
    "the copy role may too much": (_role_may_read_everything, "copy role", "may read listings-local-raw", {}),
    "the copy role trusts another": (
        _role_trusts_another,
        "copy role",
        r"redshift-copy does not trust arn:aws:iam::0+:root",
        {},
    ),
    "the copy role is gone": (_role_gone, "copy role", "there is no role listings-local-redshift-copy", {}),
    "no room for functions": (
        _no_room_for_functions,
        "lambda room",
        r"4 functions may run at once \(of 16\), ours take up to 8",
        {},
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_named_and_nothing_else(patient: Patient, case: str) -> None:
    """One thing broken turns its own line, with what to do, and no other; what depends on it is left out."""
    assert_named_alone(patient, *BROKEN[case])


def test_a_changed_checkout_is_told_to_deploy(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout that would build another transform than the deployed one is named, with both versions."""

    def other(folder: Path) -> Bundle:
        for name in ("copy.zip", "transform.zip"):
            (folder / name).write_bytes(b"other")
        return Bundle(folder / "copy.zip", folder / "transform.zip", "aaaaaaaaaaaa")

    monkeypatch.setattr(storage, "build", other)
    found = findings(patient.target())

    assert ["versions"] == to_mend(found)
    assert f"transform aaaaaaaaaaaa here, {patient.outputs['TransformVersion']} there" in found["versions"].found
    assert "make up" == found["versions"].remedy


@pytest.mark.skipif(not shutil.which("curl"), reason="the command that is named is one of curl, which is not here")
def test_a_trigger_that_is_off_goes_on_by_the_command_that_is_named(patient: Patient) -> None:
    """The remedy drops nothing and works as it is printed: run in a shell, the trigger is on again."""
    with _mapping_disabled(patient):
        remedy = findings(patient.target())["copy queue"].remedy
        assert "rm -r" not in remedy
        done = subprocess.run(["bash", "-c", remedy], capture_output=True, text=True, timeout=30, check=False)
        assert 0 == done.returncode, done.stderr
        found = findings(patient.target())
    assert [] == to_mend(found)


def test_a_remedy_that_drops_messages_says_so(patient: Patient) -> None:
    """To make the stand-in anew costs what lies in its queues, and the line says it."""
    with _no_notification(patient):
        remedy = findings(patient.target())["copy queue"].remedy
    assert_said("rm -r .*queued messages and dead letters are dropped", remedy)


def test_all_that_is_wrong_with_a_queue_is_said_at_once(patient: Patient) -> None:
    """Of two faults of one queue both are in its line."""
    with _no_notification(patient), _mapping_disabled(patient):
        found = findings(patient.target())
    assert ["copy queue"] == to_mend(found)
    assert_said("does not tell .*; .*the mapping is Disabled", found["copy queue"].found)


def test_after_all_that_the_stack_is_well_again(patient: Patient) -> None:
    """What the tests above broke they mended, so that none of them found what another had left."""
    found = findings(patient.target())
    assert ([], {}) == (to_mend(found), skipped(found))
