"""What only AWS answers: permissions, quotas, Redshift's APIs, what is deployed; requests checked by botocore."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.doctor import permissions
from infra.doctor.account import look_at_stack
from infra.doctor.actions import MWAA_NEEDS, NEEDS
from infra.doctor.copy_role import look_at_copy_role
from infra.doctor.finding import State
from infra.doctor.permissions import look_at_permissions
from infra.doctor.queues import look_at_copy_queue
from infra.doctor.quotas import look_at_network_room
from infra.doctor.storage import look_at_versions
from infra.doctor.target import Target
from infra.doctor.warehouse import look_at_warehouse, look_at_warehouse_role
from infra.package.build import build
from infra.package.release import build_release
from tests.support import stubbed_aws
from tests.support.stubbed_aws import REGION, StubbedAws, looked

ACCOUNT = "123456789012"
USER = f"arn:aws:iam::{ACCOUNT}:user/deployer"
COPY_ROLE = f"arn:aws:iam::{ACCOUNT}:role/listings-dev-redshift-copy"
OUTPUTS = {
    "CleanBucketName": "listings-dev-clean",
    "RawBucketName": "listings-dev-raw",
    "RedshiftCopyRoleArn": COPY_ROLE,
    "RedshiftWorkgroupName": "listings-dev",
    "RedshiftNamespaceName": "listings-dev",
    "RedshiftDatabase": "listings",
    "RedshiftEndpointAddress": "listings-dev.example.com",
}
CONNECTION = (
    '{"conn_type": "redshift", "host": "listings-dev.example.com", "schema": "listings", "login": "loader", '
    '"password": "example-not-real"}'
)


@pytest.fixture
def aws() -> Iterator[StubbedAws]:
    """AWS with nothing laid ready."""
    with StubbedAws() as stubbed:
        yield stubbed


def stage(aws: StubbedAws, outputs: dict[str, str] | None = None) -> Target:
    """A stage with the outputs of these tests unless others are given; without a stack for none."""
    return stubbed_aws.stage(aws, OUTPUTS if outputs is None else outputs)


# ---------------------------------------------------------------- permissions
@pytest.fixture
def in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """IAM is asked about one service after the other, as the answers are laid ready."""
    monkeypatch.setattr(permissions, "_SIDE_BY_SIDE", 1)


def simulations(aws: StubbedAws, principal: str, refused: dict[str, str] | None = None, needs: Any = NEEDS) -> None:
    """Lays IAM's decisions ready: all allowed but those in `refused`."""
    for need in needs:
        names = {"stage": "dev", "account": ACCOUNT, "region": REGION, "partition": "aws"}
        context = {"aws:RequestedRegion": REGION, **need.context}
        aws.answers(
            "iam",
            "simulate_principal_policy",
            {
                "EvaluationResults": [
                    {"EvalActionName": action, "EvalDecision": (refused or {}).get(action, "allowed")}
                    for action in need.actions
                ]
            },
            PolicySourceArn=principal,
            ActionNames=list(need.actions),
            ResourceArns=[need.resource.format(**names)],
            ContextEntries=[
                {"ContextKeyName": key, "ContextKeyType": "string", "ContextKeyValues": [value]}
                for key, value in context.items()
            ],
        )


@pytest.mark.usefixtures("in_order")
def test_a_user_who_may_do_all_is_well(aws: StubbedAws) -> None:
    """Every action of deploy, secrets and destroy is asked of IAM, each on a resource of the stage."""
    simulations(aws.caller(USER), USER)
    found = looked(stage(aws, {}), look_at_permissions)
    assert State.OK is found.state, found
    assert f"deployer may do all {sum(len(need.actions) for need in NEEDS)} actions" in found.found


@pytest.mark.usefixtures("in_order")
def test_missing_actions_are_named(aws: StubbedAws) -> None:
    """What IAM would refuse, silently or by a deny, is named by service."""
    simulations(
        aws.caller(USER), USER,
        {
            "lambda:CreateFunction": "implicitDeny",
            "lambda:DeleteFunction": "implicitDeny",
            "iam:PassRole": "explicitDeny",
        },
    )  # fmt: skip
    found = looked(stage(aws, {}), look_at_permissions)
    assert State.MEND is found.state
    assert "deployer may not: iam:PassRole; lambda:CreateFunction, DeleteFunction" == found.found
    assert USER in found.remedy


@pytest.mark.usefixtures("in_order")
def test_a_session_is_asked_about_as_its_role(aws: StubbedAws) -> None:
    """A role's session has another ARN, without the role's path: IAM is asked which role it is."""
    role = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/{REGION}/AWSReservedSSO_Admin_0123"
    aws.caller(f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_Admin_0123/somebody@example.com")
    aws.answers("iam", "get_role", {"Role": _role(role)}, RoleName="AWSReservedSSO_Admin_0123")
    simulations(aws, role)
    assert State.OK is looked(stage(aws, {}), look_at_permissions).state


@pytest.mark.usefixtures("in_order")
def test_mwaa_is_asked_about_where_there_is_one(aws: StubbedAws) -> None:
    """The actions of MWAA are asked about for a stage that has an environment."""
    simulations(aws.caller(USER), USER, needs=NEEDS + MWAA_NEEDS)
    assert State.OK is looked(stage(aws, {"MwaaEnvironmentName": "listings-dev"}), look_at_permissions).state


@pytest.mark.usefixtures("in_order")
def test_a_caller_who_may_not_ask_is_told_how_to_look(aws: StubbedAws) -> None:
    """Where IAM may not be asked, nothing is claimed: it says so, and where to look."""
    aws.caller(USER).refuses("iam", "simulate_principal_policy", "AccessDenied", "not authorized")
    found = looked(stage(aws, {}), look_at_permissions)
    assert State.SKIP is found.state
    assert "cannot be told" in found.found
    assert "iam:SimulatePrincipalPolicy" in found.found
    assert "Policy simulator" in found.found


def test_a_session_whose_role_is_hidden_cannot_be_told(aws: StubbedAws) -> None:
    """Where IAM does not say which role a session has, nothing is claimed."""
    aws.caller(f"arn:aws:sts::{ACCOUNT}:assumed-role/hidden/somebody").refuses("iam", "get_role", "AccessDenied")
    assert State.SKIP is looked(stage(aws, {}), look_at_permissions).state


@pytest.mark.parametrize(
    ("arn", "state", "words"),
    [
        (f"arn:aws:iam::{ACCOUNT}:root", State.OK, "root may do everything"),
        (f"arn:aws:sts::{ACCOUNT}:federated-user/somebody", State.SKIP, "cannot be told for arn:aws:sts"),
    ],
)
def test_root_and_federated_users_are_not_simulated(aws: StubbedAws, arn: str, state: State, words: str) -> None:
    """Root needs no leave, and a federated user has no policy to simulate: IAM is not asked."""
    found = looked(stage(aws.caller(arn), {}), look_at_permissions)
    assert state is found.state
    assert words in found.found


# ---------------------------------------------------------------- quotas
def quota(aws: StubbedAws, service: str, code: str, most: float) -> None:
    """Lays a quota ready."""
    aws.answers("service-quotas", "get_service_quota", {"Quota": {"Value": most}}, ServiceCode=service, QuotaCode=code)


def test_room_for_a_network_is_counted(aws: StubbedAws) -> None:
    """With four of five VPCs and addresses used there is room for one stage."""
    quota(aws, "vpc", "L-F678F1CE", 5.0)
    aws.answers("ec2", "describe_vpcs", {"Vpcs": [{}] * 4})
    quota(aws, "ec2", "L-0263D0A3", 5.0)
    aws.answers("ec2", "describe_addresses", {"Addresses": [{}] * 4})
    found = looked(stage(aws, {}), look_at_network_room)
    assert (State.OK, "4 of 5 VPCs used, 4 of 5 Elastic IPs used") == (found.state, found.found)


def test_no_room_for_another_vpc_is_named(aws: StubbedAws) -> None:
    """With all VPCs used the line says so, and how to have more."""
    quota(aws, "vpc", "L-F678F1CE", 5.0)
    aws.answers("ec2", "describe_vpcs", {"Vpcs": [{}] * 5})
    found = looked(stage(aws, {}), look_at_network_room)
    assert (State.MEND, f"5 of 5 VPCs are used in {REGION}, the stack makes 1 more") == (found.state, found.found)
    assert f"ask for 6 in the Service Quotas console, {REGION} (vpc, L-F678F1CE)" in found.remedy


def test_quotas_that_may_not_be_asked_are_no_fault(aws: StubbedAws) -> None:
    """A caller who may not see quotas is told so."""
    aws.refuses("service-quotas", "get_service_quota", "AccessDeniedException")
    assert State.SKIP is looked(stage(aws, {}), look_at_network_room).state


def test_a_deployed_stage_has_its_network(aws: StubbedAws) -> None:
    """Once deployed the stage's own VPC is among those counted, so nothing is asked."""
    assert State.OK is looked(stage(aws), look_at_network_room).state


# ---------------------------------------------------------------- warehouse
def warehouse(aws: StubbedAws, **told: Any) -> StubbedAws:
    """Lays ready what is asked of Redshift up to the statement's end; `told` is how it ended."""
    aws.answers("secretsmanager", "get_secret_value", {"SecretString": CONNECTION})
    namespace = {"namespaceName": "listings-dev", "adminPasswordSecretArn": "arn:aws:secretsmanager:x:1:secret:admin"}
    aws.answers("redshift-serverless", "get_namespace", {"namespace": namespace}, namespaceName="listings-dev")
    aws.answers("redshift-data", "execute_statement", {"Id": "1"})
    aws.answers("redshift-data", "describe_statement", {"Id": "1", "HasResultSet": True, **told}, Id="1")
    return aws


def users(aws: StubbedAws, *names: str) -> StubbedAws:
    """Lays the users ready that Redshift has."""
    return warehouse(aws, Status="FINISHED").answers(
        "redshift-data", "get_statement_result", {"Records": [[{"stringValue": name}] for name in names]}, Id="1"
    )


def test_a_warehouse_with_both_users_is_well(aws: StubbedAws) -> None:
    """Redshift answers through the Data API, and has loader and reader."""
    found = looked(stage(users(aws, "reader", "loader")), look_at_warehouse)
    assert State.OK is found.state, found


def test_a_missing_reader_is_named(aws: StubbedAws) -> None:
    """A user that is not there is named, and that `make secrets` makes it."""
    found = looked(stage(users(aws, "loader")), look_at_warehouse)
    assert (State.MEND, "no user reader at listings-dev, database listings,") == (found.state, found.found)
    assert f"make secrets STAGE=dev REGION={REGION}" == found.remedy


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ('FATAL: password authentication failed for user "admin"', "wrong password for its administrator at listings"),
        ('FATAL: database "listings" does not exist', "the database is missing at listings-dev"),
        ("Connection timed out", "Redshift at listings-dev is not reachable: .*Connection timed out"),
    ],
)
def test_why_redshift_does_not_answer_is_told_apart(aws: StubbedAws, error: str, words: str) -> None:
    """Password, database and reachability are told apart by Redshift's words."""
    found = looked(stage(warehouse(aws, Status="FAILED", Error=error)), look_at_warehouse)
    assert State.MEND is found.state
    assert re.search(words, found.found), found.found


def test_a_data_api_that_is_denied_names_the_action(aws: StubbedAws) -> None:
    """Who may not use the Data API hears of the action, not that Redshift is away."""
    aws.answers("secretsmanager", "get_secret_value", {"SecretString": CONNECTION})
    aws.answers("redshift-serverless", "get_namespace", {"namespace": {"adminPasswordSecretArn": "arn:aws:x"}})
    aws.refuses(
        "redshift-data", "execute_statement", "AccessDeniedException",
        f"User: {USER} is not authorized to perform: redshift-data:ExecuteStatement on resource: *",
    )  # fmt: skip
    found = looked(stage(aws), look_at_warehouse)
    assert (State.MEND, "may not: redshift-data:ExecuteStatement") == (found.state, found.found)


def test_a_connection_to_another_warehouse_is_named(aws: StubbedAws) -> None:
    """Airflow's connection with another host than the workgroup's is named."""
    other = CONNECTION.replace("listings-dev.example.com", "old.example.com")
    aws.answers("secretsmanager", "get_secret_value", {"SecretString": other})
    found = looked(stage(aws), look_at_warehouse)
    assert "conn_id_redshift has host old.example.com, the stack has listings-dev.example.com" == found.found


@pytest.mark.parametrize(
    ("roles", "state", "words"),
    [
        ([f"IamRole(applyStatus=in-sync, iamRoleArn={COPY_ROLE})"], State.OK, "has listings-dev-redshift-copy"),
        ([COPY_ROLE], State.OK, "has listings-dev-redshift-copy"),
        ([], State.MEND, "does not have listings-dev-redshift-copy: every COPY fails"),
        ([f"IamRole(applyStatus=pending, iamRoleArn={COPY_ROLE})"], State.MEND, "does not have .* yet"),
    ],
)
def test_the_namespace_has_the_copy_role(aws: StubbedAws, roles: list[str], state: State, words: str) -> None:
    """Without the role, or before it is in force, COPY fails, and the line says so beforehand."""
    aws.answers("redshift-serverless", "get_namespace", {"namespace": {"iamRoles": roles}})
    found = looked(stage(aws), look_at_warehouse_role)
    assert state is found.state
    assert re.search(words, found.found), found.found


# ---------------------------------------------------------------- the role of COPY
def _role(arn: str, *services: str) -> dict[str, Any]:
    allowed = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": list(services)}}
    return {
        "Path": "/",
        "RoleName": arn.rsplit("/", 1)[1],
        "RoleId": "AROAEXAMPLENOTREAL",
        "Arn": arn,
        "CreateDate": datetime(2026, 1, 1, tzinfo=UTC),
        "AssumeRolePolicyDocument": json.dumps({"Statement": [allowed]}),
    }


def copy_role(aws: StubbedAws, *services: str, clean: str = "allowed", raw: str = "implicitDeny") -> StubbedAws:
    """Lays the role ready with whom it trusts, and what IAM says that it may read."""
    aws.answers("iam", "get_role", {"Role": _role(COPY_ROLE, *services)}, RoleName="listings-dev-redshift-copy")
    if "redshift.amazonaws.com" in services:
        for decision in (clean, raw):
            result = {"EvalActionName": "s3:GetObject", "EvalDecision": decision}
            aws.answers("iam", "simulate_principal_policy", {"EvaluationResults": [result]})
    return aws


def test_a_copy_role_that_reads_clean_alone_is_well(aws: StubbedAws) -> None:
    """On AWS, where only Redshift takes the role on, IAM is asked what it may."""
    copy_role(aws, "redshift.amazonaws.com", "redshift-serverless.amazonaws.com")
    aws.answers("secretsmanager", "get_secret_value", {"SecretString": json.dumps({"extra": {"role_arn": COPY_ROLE}})})
    found = looked(stage(aws), look_at_copy_role)
    assert State.OK is found.state, found


@pytest.mark.parametrize(
    ("services", "decisions", "words"),
    [
        (("ec2.amazonaws.com",), {}, "does not trust redshift-serverless.amazonaws.com, redshift.amazonaws.com"),
        (("redshift.amazonaws.com",), {"clean": "implicitDeny"}, "may not read listings-dev-clean"),
        (("redshift.amazonaws.com",), {"raw": "allowed"}, "may read listings-dev-raw"),
    ],
)
def test_a_copy_role_that_is_wrong_is_named(
    aws: StubbedAws, services: tuple[str, ...], decisions: dict[str, str], words: str
) -> None:
    """Trust and rights of the role are told apart."""
    found = looked(stage(copy_role(aws, *services, **decisions)), look_at_copy_role)
    assert State.MEND is found.state
    assert words in found.found


# ---------------------------------------------------------------- triggers
def test_a_trigger_that_is_off_is_switched_on_by_one_command(aws: StubbedAws) -> None:
    """On AWS the command names the mapping, and the console is there for who has no command line."""
    mapping = {"UUID": "11111111-2222-4333-8444-555555555555", "FunctionArn": "arn:aws:lambda:x:1:function:copy"}
    told = {"EventSourceMappings": [{**mapping, "State": "Disabled"}]}
    aws.answers("lambda", "list_event_source_mappings", told, EventSourceArn="arn:aws:sqs:x:1:copy")
    aws.answers("sqs", "get_queue_attributes", {"Attributes": {}})
    aws.answers("s3", "get_bucket_notification_configuration", {})
    outputs = {
        "LandingBucketName": "landing", "CopyQueueArn": "arn:aws:sqs:x:1:copy", "CopyFunctionName": "copy",
        "CopyQueueUrl": f"https://sqs.{REGION}.amazonaws.com/1/copy", "CopyDeadLetterQueueUrl": "https://x/1/copy-dead",
    }  # fmt: skip
    found = looked(stage(aws, outputs), look_at_copy_queue)
    assert "copy does not read copy: the mapping is Disabled" in found.found
    command = f"aws lambda update-event-source-mapping --uuid {mapping['UUID']} --enabled --region {REGION}"
    assert f"{command} (or Lambda console, copy, Configuration, Triggers: enable it)" in found.remedy


# ---------------------------------------------------------------- versions
@pytest.mark.parametrize("release", ["", "listings-0123456789ab"])
def test_a_release_that_is_not_this_checkouts_is_named(aws: StubbedAws, tmp_path: Path, release: str) -> None:
    """DAGs that were changed and not deployed are told by the release, though the functions are the same."""
    bundle = build(tmp_path)
    here = build_release(tmp_path).name
    for name, path in (("copy", bundle.copy_zip), ("transform", bundle.transform_zip)):
        sha = base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()
        aws.answers("lambda", "get_function_configuration", {"CodeSha256": sha}, FunctionName=name)
    outputs = {
        "CopyFunctionName": "copy", "TransformFunctionName": "transform", "TransformVersion": bundle.transform_version,
    }  # fmt: skip
    target = stage(aws, outputs)
    key = f"releases/{release or here}.tar.gz"
    target.__dict__["stack"] = {"Parameters": [{"ParameterKey": "ReleaseKey", "ParameterValue": key}]}

    found = looked(target, look_at_versions)

    if release:
        assert f"checkout differs from what is deployed: Airflow's release {here} here, {release} there" == found.found
        assert f"make deploy STAGE=dev REGION={REGION}" == found.remedy
    else:
        assert State.OK is found.state


# ---------------------------------------------------------------- the stack
@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("CREATE_COMPLETE", State.OK),
        ("UPDATE_ROLLBACK_COMPLETE", State.OK),
        ("UPDATE_IN_PROGRESS", State.MEND),
        ("ROLLBACK_COMPLETE", State.MEND),
        ("DELETE_FAILED", State.MEND),
    ],
)
def test_a_stack_that_does_not_stand_is_named(aws: StubbedAws, status: str, state: State) -> None:
    """A stack that is changing or failed is to be mended, with its status."""
    told = {"StackName": "listings-dev", "StackStatus": status, "CreationTime": datetime(2026, 1, 1, tzinfo=UTC)}
    aws.answers("cloudformation", "describe_stacks", {"Stacks": [told]}, StackName="listings-dev")
    found = looked(Target(stage="dev", region=REGION, clients=aws.clients), look_at_stack)
    assert state is found.state
    assert status in found.found
    assert ("somebody deploys or deletes it now" in found.found) is status.endswith("_IN_PROGRESS")
