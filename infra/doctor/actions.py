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


def _passed(role: str, service: str) -> Need:
    """Leave to give one of the stack's roles to a service."""
    return _of(
        "iam", f"arn:{{partition}}:iam::{{account}}:role/listings-{{stage}}-{role}",
        "PassRole", iam_PassedToService=f"{service}.amazonaws.com",
    )  # fmt: skip


def _linked_role(service: str, name: str) -> Need:
    """Leave to make the role that a service has of its own, once for each account."""
    return _of(
        "iam", f"arn:{{partition}}:iam::{{account}}:role/aws-service-role/{service}.amazonaws.com/{name}",
        "CreateServiceLinkedRole", iam_AWSServiceName=f"{service}.amazonaws.com",
    )  # fmt: skip


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
        "CreateBucket", "DeleteBucket", "ListBucket", "ListBucketVersions", "PutBucketPolicy",
        "PutBucketPublicAccessBlock", "PutBucketVersioning", "PutEncryptionConfiguration",
    ),
    _of(
        "s3", "arn:{partition}:s3:::listings-{stage}-landing-{account}",
        "CreateBucket", "DeleteBucket", "DeleteBucketPolicy", "GetBucketLogging", "GetBucketNotification",
        "GetBucketOwnershipControls", "GetBucketPolicy", "GetBucketPublicAccessBlock", "GetBucketTagging",
        "GetBucketVersioning", "GetEncryptionConfiguration", "GetLifecycleConfiguration", "ListBucket",
        "ListTagsForResource", "PutBucketLogging", "PutBucketNotification", "PutBucketOwnershipControls",
        "PutBucketPolicy", "PutBucketPublicAccessBlock", "PutBucketTagging", "PutBucketVersioning",
        "PutEncryptionConfiguration", "PutLifecycleConfiguration", "TagResource", "UntagResource",
    ),
    _of(
        "s3", "arn:{partition}:s3:::listings-{stage}-code-{account}/functions/copy_raw.zip",
        "DeleteObject", "DeleteObjectVersion", "GetObject", "GetObjectVersion", "PutObject",
    ),
    _of(
        "iam", "arn:{partition}:iam::{account}:role/listings-{stage}-airflow",
        "AttachRolePolicy", "CreateRole", "DeleteRole", "DeleteRolePolicy", "DetachRolePolicy", "GetRole",
        "GetRolePolicy", "ListAttachedRolePolicies", "ListRolePolicies", "PutRolePolicy", "TagRole", "UntagRole",
        "UpdateAssumeRolePolicy", "UpdateRole", "UpdateRoleDescription",
    ),
    _of(
        "iam", "arn:{partition}:iam::{account}:instance-profile/listings-{stage}-airflow",
        "AddRoleToInstanceProfile", "CreateInstanceProfile", "DeleteInstanceProfile", "GetInstanceProfile",
        "RemoveRoleFromInstanceProfile",
    ),
    _passed("copy-raw", "lambda"),
    _passed("airflow", "ec2"),
    _passed("redshift-copy", "redshift"),
    _passed("redshift-copy", "redshift-serverless"),
    _linked_role("redshift", "AWSServiceRoleForRedshift"),
    _of(
        "lambda", _HERE % ("lambda", "function:listings-{stage}-copy-raw"),
        "CreateFunction", "DeleteFunction", "DeleteFunctionConcurrency", "GetFunction",
        "GetFunctionCodeSigningConfig", "GetFunctionRecursionConfig", "GetRuntimeManagementConfig",
        "PutFunctionConcurrency", "TagResource", "UntagResource", "UpdateFunctionCode",
        "UpdateFunctionConfiguration",
    ),
    _of("lambda", _HERE % ("lambda", "layer:listings-{stage}-runtime"), "PublishLayerVersion"),
    _of("lambda", _HERE % ("lambda", "layer:listings-{stage}-runtime:1"), "DeleteLayerVersion", "GetLayerVersion"),
    _of(
        "lambda", "*",
        "CreateEventSourceMapping", "DeleteEventSourceMapping", "GetAccountSettings", "GetEventSourceMapping",
        "ListEventSourceMappings", "ListTags", "UpdateEventSourceMapping",
    ),
    _of(
        "sqs", _HERE % ("sqs", "listings-{stage}-copy-raw"),
        "CreateQueue", "DeleteQueue", "GetQueueAttributes", "GetQueueUrl", "ListQueueTags", "SetQueueAttributes",
        "TagQueue", "UntagQueue",
    ),
    _of("secretsmanager", "*", "GetRandomPassword"),
    _of(
        "secretsmanager", _HERE % ("secretsmanager", "secret:airflow/connections/zillow_api-abcdef"),
        "CreateSecret", "DeleteSecret", "DescribeSecret", "GetSecretValue", "PutSecretValue", "TagResource",
        "UntagResource", "UpdateSecret",
    ),
    # The administrator's password, which Redshift makes and keeps in the caller's name.
    _of(
        "secretsmanager", _HERE % ("secretsmanager", "secret:redshift!listings-{stage}-warehouse_admin-abcdef"),
        "CreateSecret", "DeleteSecret", "DescribeSecret", "GetSecretValue", "RotateSecret", "TagResource",
        "UpdateSecret",
    ),
    _of("logs", "*", "DescribeLogGroups"),
    _of(
        "logs", _HERE % ("logs", "log-group:/aws/lambda/listings-{stage}-copy-raw:*"),
        "CreateLogGroup", "DeleteLogGroup", "DeleteRetentionPolicy", "ListTagsForResource", "PutRetentionPolicy",
        "TagResource", "UntagResource",
    ),
    _of(
        "cloudwatch", _HERE % ("cloudwatch", "alarm:listings-{stage}-copy-raw-errors"),
        "DeleteAlarms", "DescribeAlarms", "ListTagsForResource", "PutMetricAlarm", "TagResource", "UntagResource",
    ),
    _of(
        "sns", _HERE % ("sns", "listings-{stage}-alarms"),
        "CreateTopic", "DeleteTopic", "GetSubscriptionAttributes", "GetTopicAttributes", "ListSubscriptionsByTopic",
        "ListTagsForResource", "SetSubscriptionAttributes", "SetTopicAttributes", "Subscribe", "TagResource",
        "Unsubscribe", "UntagResource",
    ),
    # Namespaces and workgroups get ids of their own: their ARNs are not known before.
    _of(
        "redshift-serverless", _HERE % ("redshift-serverless", "namespace/*"),
        "CreateNamespace", "DeleteNamespace", "GetNamespace", "ListTagsForResource", "TagResource", "UntagResource",
        "UpdateNamespace",
    ),
    _of(
        "redshift-serverless", _HERE % ("redshift-serverless", "workgroup/*"),
        "CreateUsageLimit", "CreateWorkgroup", "DeleteWorkgroup", "GetWorkgroup", "ListTagsForResource",
        "ListUsageLimits", "TagResource", "UntagResource", "UpdateWorkgroup",
    ),
    _of("redshift-serverless", "*", "ListSnapshotCopyConfigurations"),
    _of("redshift", "*", "GetResourcePolicy"),
    _of("redshift-data", _HERE % ("redshift-serverless", "workgroup/*"), "ExecuteStatement"),
    _of("redshift-data", "*", "DescribeStatement", "GetStatementResult"),
    _of(
        "ec2", "*",
        "AllocateAddress", "AssociateAddress", "AssociateIamInstanceProfile", "AssociateRouteTable",
        "AttachInternetGateway", "AuthorizeSecurityGroupEgress", "AuthorizeSecurityGroupIngress",
        "CreateInternetGateway", "CreateLaunchTemplate", "CreateLaunchTemplateVersion", "CreateRoute",
        "CreateRouteTable", "CreateSecurityGroup", "CreateSubnet", "CreateTags", "CreateVpc", "CreateVpcEndpoint",
        "DeleteInternetGateway", "DeleteLaunchTemplate", "DeleteRoute", "DeleteRouteTable", "DeleteSecurityGroup",
        "DeleteSubnet", "DeleteTags", "DeleteVpc", "DeleteVpcEndpoints", "DescribeAccountAttributes",
        "DescribeAddresses", "DescribeAvailabilityZones", "DescribeIamInstanceProfileAssociations",
        "DescribeInstanceAttribute", "DescribeInstanceCreditSpecifications", "DescribeInstances",
        "DescribeInternetGateways", "DescribeLaunchTemplates", "DescribeLaunchTemplateVersions",
        "DescribeNetworkAcls", "DescribeNetworkInterfaces", "DescribeRouteTables", "DescribeSecurityGroupRules",
        "DescribeSecurityGroups", "DescribeSubnets", "DescribeVolumes", "DescribeVpcAttribute",
        "DescribeVpcEndpoints", "DescribeVpcs", "DetachInternetGateway", "DisassociateAddress",
        "DisassociateIamInstanceProfile", "DisassociateRouteTable", "ModifyInstanceAttribute",
        "ModifyInstanceCreditSpecification", "ModifyInstanceMetadataOptions", "ModifySubnetAttribute",
        "ModifyVpcAttribute", "ModifyVpcEndpoint", "ReleaseAddress", "ReplaceIamInstanceProfileAssociation",
        "ReplaceRoute", "ReplaceRouteTableAssociation", "RevokeSecurityGroupEgress", "RevokeSecurityGroupIngress",
        "RunInstances", "StartInstances", "StopInstances", "TerminateInstances",
        "UpdateSecurityGroupRuleDescriptionsEgress", "UpdateSecurityGroupRuleDescriptionsIngress",
    ),
    _of(
        "ssm", _HERE % ("ssm", "parameter/listings/{stage}/settings"),
        "AddTagsToResource", "DeleteParameter", "GetParameters", "ListTagsForResource", "PutParameter",
        "RemoveTagsFromResource",
    ),
    # The commands on the host, and the name of the newest image.
    _of("ssm", "*", "DescribeInstanceInformation", "GetCommandInvocation", "GetParameter", "SendCommand"),
    _of(
        "budgets", "arn:{partition}:budgets::{account}:budget/listings-{stage}",
        "ListTagsForResource", "ModifyBudget", "TagResource", "UntagResource", "ViewBudget",
    ),
)  # fmt: skip

# Only with Airflow on MWAA.
MWAA_NEEDS = (
    _of(
        "airflow", _HERE % ("airflow", "environment/listings-{stage}"),
        "CreateEnvironment", "DeleteEnvironment", "GetEnvironment", "TagResource", "UntagResource",
        "UpdateEnvironment",
    ),
    _of("ec2", "*", "CreateNatGateway", "CreateNetworkInterface", "DeleteNatGateway", "DescribeNatGateways"),
    _of("iam", "*", "ListRoles"),
    _of("s3", "arn:{partition}:s3:::listings-{stage}-code-{account}", "GetBucketLocation"),
    _passed("airflow", "airflow"),
    _passed("airflow", "airflow-env"),
    _linked_role("airflow", "AWSServiceRoleForAmazonMWAA"),
)  # fmt: skip
