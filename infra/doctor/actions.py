"""Knows which actions deploy, secrets and destroy need, and on what, to ask IAM about them beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Need:
    """Actions of one service on one resource; `{stage}`, `{account}`, `{region}` and `{partition}` stand in it.

    `context` are condition keys that a policy may ask about: without them IAM calls a conditional leave none.
    """

    resource: str
    actions: tuple[str, ...]
    context: Mapping[str, str] = field(default_factory=dict)


def _of(service: str, resource: str, *names: str, **context: str) -> Need:
    return Need(
        resource, tuple(f"{service}:{name}" for name in names), {k.replace("_", ":"): v for k, v in context.items()}
    )


_HERE = "arn:{partition}:%s:{region}:{account}:%s"

NEEDS = (
    _of(
        "cloudformation", _HERE % ("cloudformation", "stack/listings-{stage}/*"),
        "CreateChangeSet", "DeleteChangeSet", "DeleteStack", "DescribeChangeSet", "DescribeStackEvents",
        "DescribeStacks", "ExecuteChangeSet", "ListStackResources",
    ),
    _of("s3", "*", "ListAllMyBuckets"),
    _of(
        "s3", "arn:{partition}:s3:::listings-{stage}-code-{account}",
        "CreateBucket", "DeleteBucket", "ListBucket", "ListBucketVersions", "PutBucketPublicAccessBlock",
        "PutBucketVersioning", "PutEncryptionConfiguration",
    ),
    _of(
        "s3", "arn:{partition}:s3:::listings-{stage}-landing-{account}",
        "CreateBucket", "PutBucketNotification", "PutBucketOwnershipControls", "PutBucketPolicy",
        "PutBucketPublicAccessBlock", "PutBucketTagging", "PutBucketVersioning", "PutEncryptionConfiguration",
        "PutLifecycleConfiguration",
    ),
    _of(
        "s3", "arn:{partition}:s3:::listings-{stage}-code-{account}/functions/copy_raw.zip",
        "DeleteObject", "DeleteObjectVersion", "GetObject", "PutObject",
    ),
    _of(
        "iam", "arn:{partition}:iam::{account}:role/listings-{stage}-airflow",
        "CreateRole", "DeleteRole", "DeleteRolePolicy", "GetRole", "GetRolePolicy", "PutRolePolicy",
        "UpdateAssumeRolePolicy",
    ),
    _of(
        "iam", "arn:{partition}:iam::{account}:instance-profile/listings-{stage}-airflow",
        "AddRoleToInstanceProfile", "CreateInstanceProfile", "DeleteInstanceProfile", "GetInstanceProfile",
        "RemoveRoleFromInstanceProfile",
    ),
    _of(
        "iam", "arn:{partition}:iam::{account}:role/listings-{stage}-copy-raw",
        "PassRole", iam_PassedToService="lambda.amazonaws.com",
    ),
    _of(
        "iam", "arn:{partition}:iam::{account}:role/listings-{stage}-airflow",
        "PassRole", iam_PassedToService="ec2.amazonaws.com",
    ),
    _of(
        "lambda", _HERE % ("lambda", "function:listings-{stage}-copy-raw"),
        "CreateFunction", "DeleteFunction", "GetFunction", "UpdateFunctionCode", "UpdateFunctionConfiguration",
    ),
    _of("lambda", _HERE % ("lambda", "layer:listings-{stage}-runtime"), "PublishLayerVersion"),
    _of("lambda", _HERE % ("lambda", "layer:listings-{stage}-runtime:1"), "DeleteLayerVersion", "GetLayerVersion"),
    _of(
        "lambda", "*",
        "CreateEventSourceMapping", "DeleteEventSourceMapping", "GetAccountSettings", "GetEventSourceMapping",
        "ListEventSourceMappings",
    ),
    _of(
        "sqs", _HERE % ("sqs", "listings-{stage}-copy-raw"),
        "CreateQueue", "DeleteQueue", "GetQueueAttributes", "SetQueueAttributes",
    ),
    _of(
        "secretsmanager", _HERE % ("secretsmanager", "secret:airflow/connections/zillow_api-abcdef"),
        "CreateSecret", "DeleteSecret", "DescribeSecret", "GetSecretValue", "PutSecretValue",
    ),
    _of(
        "logs", _HERE % ("logs", "log-group:/aws/lambda/listings-{stage}-copy-raw:*"),
        "CreateLogGroup", "DeleteLogGroup", "PutRetentionPolicy",
    ),
    _of(
        "cloudwatch", _HERE % ("cloudwatch", "alarm:listings-{stage}-copy-raw-errors"),
        "DeleteAlarms", "PutMetricAlarm",
    ),
    _of(
        "sns", _HERE % ("sns", "listings-{stage}-alarms"),
        "CreateTopic", "DeleteTopic", "GetTopicAttributes", "SetTopicAttributes", "Subscribe",
    ),
    # Namespaces and workgroups get ids of their own: their ARNs are not known before.
    _of(
        "redshift-serverless", _HERE % ("redshift-serverless", "namespace/*"),
        "CreateNamespace", "DeleteNamespace", "GetNamespace", "UpdateNamespace",
    ),
    _of(
        "redshift-serverless", _HERE % ("redshift-serverless", "workgroup/*"),
        "CreateUsageLimit", "CreateWorkgroup", "DeleteWorkgroup", "GetWorkgroup", "ListUsageLimits", "UpdateWorkgroup",
    ),
    _of("redshift-data", _HERE % ("redshift-serverless", "workgroup/*"), "ExecuteStatement"),
    _of("redshift-data", "*", "DescribeStatement", "GetStatementResult"),
    _of(
        "ec2", "*",
        "AllocateAddress", "AssociateAddress", "AssociateRouteTable", "AttachInternetGateway",
        "AuthorizeSecurityGroupEgress", "AuthorizeSecurityGroupIngress", "CreateInternetGateway",
        "CreateLaunchTemplate", "CreateRoute", "CreateRouteTable", "CreateSecurityGroup", "CreateSubnet", "CreateTags",
        "CreateVpc", "CreateVpcEndpoint", "DeleteInternetGateway", "DeleteLaunchTemplate", "DeleteRouteTable",
        "DeleteSecurityGroup", "DeleteSubnet", "DeleteVpc", "DeleteVpcEndpoints", "DescribeInstances", "DescribeVpcs",
        "ReleaseAddress", "RunInstances", "TerminateInstances",
    ),
    _of(
        "ssm", _HERE % ("ssm", "parameter/listings/{stage}/settings"),
        "DeleteParameter", "GetParameters", "PutParameter",
    ),
    # The commands on the host, and the name of the newest image.
    _of("ssm", "*", "DescribeInstanceInformation", "GetCommandInvocation", "GetParameter", "SendCommand"),
    _of("budgets", "arn:{partition}:budgets::{account}:budget/listings-{stage}", "ModifyBudget", "ViewBudget"),
)  # fmt: skip

# Only with Airflow on MWAA.
MWAA_NEEDS = (
    _of(
        "airflow", _HERE % ("airflow", "environment/listings-{stage}"),
        "CreateEnvironment", "DeleteEnvironment", "GetEnvironment", "UpdateEnvironment",
    ),
    _of("ec2", "*", "CreateNatGateway", "DeleteNatGateway"),
)  # fmt: skip
