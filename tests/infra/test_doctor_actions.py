"""The actions that the doctor asks IAM about are actions that there are, and cover what the template makes."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path

import boto3
import pytest

from infra.doctor.actions import MWAA_NEEDS, NEEDS
from tests.support.template import of_type, read_template

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
    "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration", "s3:GetBucketNotification",
    "s3:GetBucketPublicAccessBlock", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration",
    "s3:GetObjectVersion", "budgets:ListTagsForResource", "budgets:TagResource", "budgets:UntagResource",
    "s3:ListTagsForResource", "s3:TagResource", "s3:UntagResource",
}  # fmt: skip

# What AWS's handlers of our types need for properties that the template does not use.
NOT_OURS = (
    # Keys of one's own, and services that nothing of ours has to do with.
    "kms:*", "s3tables:*", "s3files:*", "elasticfilesystem:*", "firehose:*", "vpc-lattice:*", "vpce:*",
    "billing:*", "logs:CreateLogDelivery", "s3:REST.*", "ssm:*Association*",
    # Of buckets
    "s3:*Abac", "s3:*Acceler*", "s3:*Acl", "s3:*Analytics*", "s3:*C[Oo][Rr][Ss]", "s3:*IntelligentTiering*",
    "s3:*Inventory*", "s3:*Journal*", "s3:*Metadata*", "s3:*Metrics*", "s3:*ObjectLock*",
    "s3:*Replication*", "s3:*Website", "s3:DeleteBucketEncryption", "s3:DeleteBucketLifecycle",
    # Of functions and their logs
    "lambda:AssociateRuntimeAlias", "lambda:DeleteFunctionCodeSigningConfig", "lambda:GetCodeSigningConfig",
    "lambda:*Scaling*", "lambda:PassCapacityProvider", "lambda:PublishVersion",
    "lambda:PutFunctionCodeSigningConfig", "lambda:PutFunctionRecursionConfig", "lambda:PutRuntimeManagementConfig",
    "logs:*BearerToken*", "logs:*DataProtection*", "logs:*DeletionProtection", "logs:*Index*", "logs:*KmsKey",
    "logs:*ResourcePolic*", "sns:*DataProtection*",
    # Of the network and the host
    "ec2:AcceptAddressTransfer", "ec2:*PrivateNatGatewayAddress", "ec2:*NatGatewayAddress", "ec2:*SubnetCidrBlock",
    "ec2:*Volume", "ec2:*VpcEncryptionControl*", "ec2:*VpnGateway*", "ec2:DescribeKeyPairs",
    "ec2:ModifyInstanceMaintenanceOptions", "ec2:ModifyInstancePlacement", "ec2:ModifyPrivateDnsNameOptions",
    "ec2:ModifyVpcTenancy", "ec2:*onitorInstances",
    # Of secrets, roles and the warehouse; MWAA's handler can make a bucket and a role, which the template does itself.
    "secretsmanager:Re*Region*", "iam:*PermissionsBoundary", "iam:CreatePolicy",
    "redshift-serverless:*SnapshotCopyConfiguration", "redshift-serverless:RestoreFrom*",
    "redshift:DeleteResourcePolicy", "redshift:PutResourcePolicy",
)  # fmt: skip
CFNLINT = find_spec("cfnlint")  # not imported: that takes a second of every collection
assert CFNLINT is not None
assert CFNLINT.origin is not None
SCHEMAS = Path(CFNLINT.origin).parent / "data" / "schemas"
# MiniStack alone has this one.
LOCAL_TYPES = {"AWS::IAM::User"}


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


def handled(kind: str) -> set[str]:
    """What AWS's own description of a resource type names for making, reading, changing and deleting one."""
    name = json.loads((SCHEMAS / "providers" / "us-east-1.json").read_text())[kind]
    handlers = json.loads((SCHEMAS / "resources" / f"{name}.json").read_text())["handlers"]
    return {action for does, handler in handlers.items() if does != "list" for action in handler["permissions"]}


def made() -> set[str]:
    """The resource types of the template that are made on AWS."""
    return {resource["Type"] for resource in read_template()["Resources"].values()} - LOCAL_TYPES


@pytest.mark.parametrize("kind", sorted(made()))
def test_all_that_cloudformation_needs_of_a_type_is_asked(kind: str) -> None:
    """CloudFormation acts as the caller: each action of the type's handlers is asked, or is for what we do not use."""
    known = {f"{service}:{name}" for service, names in asked().items() for name in names}
    forgotten = {
        action for action in handled(kind) - known if not any(fnmatchcase(action, pattern) for pattern in NOT_OURS)
    }
    assert set() == forgotten


def test_nothing_that_is_asked_passes_for_unused() -> None:
    """A pattern of what is not used hides no action that is; and each still hides one."""
    handlers = {action for kind in made() for action in handled(kind)}
    known = {f"{service}:{name}" for service, names in asked().items() for name in names}
    for pattern in NOT_OURS:
        hidden = {action for action in handlers - known if fnmatchcase(action, pattern)}
        assert hidden, pattern


def test_every_role_may_be_passed_to_the_services_that_take_it() -> None:
    """Each service that a role of the template trusts is one to which the caller must be allowed to give a role."""
    roles = of_type(read_template(), "AWS::IAM::Role").values()
    trusted = {
        service
        for role in roles
        for service in re.findall(
            r"[a-z0-9.-]+\.amazonaws\.com", json.dumps(role["Properties"]["AssumeRolePolicyDocument"])
        )
    }
    passed = [need for need in (*NEEDS, *MWAA_NEEDS) if need.actions == ("iam:PassRole",)]
    assert len(trusted) > 5
    assert trusted == {need.context["iam:PassedToService"] for need in passed}


def test_the_password_that_redshift_keeps_is_asked_about() -> None:
    """`make secrets` works as the warehouse's administrator, whose password Redshift keeps in a secret."""
    [need] = [need for need in NEEDS if ":secret:redshift!" in need.resource]
    assert {"secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"} <= set(need.actions)


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
