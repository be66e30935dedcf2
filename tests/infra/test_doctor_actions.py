"""The actions that the doctor asks IAM about are actions that there are, and cover what the template makes."""

from __future__ import annotations

import re
from collections import defaultdict

import boto3
import pytest

from infra.doctor.actions import MWAA_NEEDS, NEEDS
from tests.infra.template import read_template

# What the services of resource types are called in actions.
SERVICES = {
    "CloudWatch": "cloudwatch", "EC2": "ec2", "IAM": "iam", "Lambda": "lambda", "Logs": "logs", "MWAA": "airflow",
    "RedshiftServerless": "redshift-serverless", "S3": "s3", "SNS": "sns", "SQS": "sqs", "SSM": "ssm",
    "SecretsManager": "secretsmanager", "Budgets": "budgets",
}  # fmt: skip
CLIENTS = {"airflow": "mwaa"}
# Actions that are no operation of their own, by AWS's list of actions of the service.
ONLY_ACTIONS = {
    "iam:PassRole", "budgets:ModifyBudget", "budgets:ViewBudget", "s3:ListAllMyBuckets", "s3:ListBucket",
    "s3:ListBucketVersions", "s3:DeleteObjectVersion", "s3:PutBucketNotification", "s3:PutBucketPublicAccessBlock",
    "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration",
}  # fmt: skip


def asked() -> dict[str, set[str]]:
    """The names of the actions by service."""
    found: dict[str, set[str]] = defaultdict(set)
    for need in (*NEEDS, *MWAA_NEEDS):
        for action in need.actions:
            service, name = action.split(":")
            found[service].add(name)
    return found


def test_every_service_of_the_template_is_asked_about() -> None:
    """A resource of a service that nobody asked leave for would fail in the middle of a deploy."""
    made = {resource["Type"].split("::")[1] for resource in read_template()["Resources"].values()}
    assert {SERVICES[service] for service in made} <= set(asked())


@pytest.mark.parametrize("service", sorted(asked()))
def test_every_action_is_one_that_there_is(service: str) -> None:
    """A misspelt action would be refused for ever: each is an operation of the service, or known as an action only."""
    client = boto3.client(CLIENTS.get(service, service), region_name="eu-west-1")  # type: ignore[call-overload]
    operations = set(client.meta.service_model.operation_names)
    unknown = {f"{service}:{name}" for name in asked()[service]} - {f"{service}:{name}" for name in operations}
    assert set() == unknown - ONLY_ACTIONS


def test_every_resource_is_written_as_an_arn() -> None:
    """What stands in braces is known when IAM is asked, and the rest is an ARN or a star."""
    names = {"stage": "dev", "account": "123456789012", "region": "eu-west-1", "partition": "aws"}
    for need in (*NEEDS, *MWAA_NEEDS):
        resource = need.resource.format(**names)
        assert resource == "*" or re.fullmatch(r"arn:aws:[a-z0-9-]+:[a-z0-9-]*:(\d{12})?:[^{}]+", resource), resource
