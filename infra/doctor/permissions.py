"""Knows how to ask IAM what the caller may do without doing it, and how to read who the caller is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError

from infra.aws.faults import is_denied
from infra.doctor.actions import MWAA_NEEDS, NEEDS, Need
from infra.doctor.finding import Finding, mend, ok, skip
from infra.doctor.target import Target

_ASSUMED = re.compile(r"arn:(?P<partition>[\w-]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/.+")
_SIDE_BY_SIDE = 4
HOW_TO_LOOK = "in the IAM console, Policy simulator, or ask who administers the account"


def look_at_permissions(target: Target) -> Finding:
    """Whether the caller may do what deploy, secrets and destroy do; names the actions that it may not."""
    arn = target.caller.arn
    if arn.endswith(":root"):
        return ok("the account's root may do everything; a user or role of your own is safer")
    try:
        principal = principal_of(target, arn)
        if principal is None:
            return skip(f"cannot be told for {arn}: IAM simulates users and roles only; look {HOW_TO_LOOK}")
        refused = _refused(target, principal)
    except ClientError as error:
        if not is_denied(error) and _code(error) != "NoSuchEntity":
            raise
        return skip(f"cannot be told: {arn} may not ask (iam:SimulatePrincipalPolicy); look {HOW_TO_LOOK}")
    if not refused:
        count = sum(len(need.actions) for need in _needs(target))
        return ok(f"{principal.rsplit('/', 1)[1]} may do all {count} actions of deploy, secrets and destroy")
    return mend(
        f"{principal.rsplit('/', 1)[1]} may not: {_grouped(refused)}",
        f"allow these actions to {principal} (IAM, Permissions)",
    )


def principal_of(target: Target, arn: str) -> str | None:
    """The user or role behind a caller's ARN, as IAM simulates it; None where it is neither.

    A session's ARN leaves out the role's path, so IAM is asked for the role. Raises ClientError when it is not told.
    """
    session = _ASSUMED.fullmatch(arn)
    if session:
        return str(target.client("iam").get_role(RoleName=session["role"])["Role"]["Arn"])
    return arn if re.fullmatch(r"arn:[\w-]+:iam::\d+:(user|role)/.+", arn) else None


def simulated(target: Target, principal: str, need: Need) -> dict[str, str]:
    """IAM's decision by action: allowed, explicitDeny or implicitDeny."""
    context = {"aws:RequestedRegion": target.region, **need.context}
    pages: Any = (
        target.client("iam")
        .get_paginator("simulate_principal_policy")
        .paginate(
            PolicySourceArn=principal,
            ActionNames=list(need.actions),
            ResourceArns=[need.resource],
            ContextEntries=[
                {"ContextKeyName": key, "ContextKeyType": "string", "ContextKeyValues": [value]}
                for key, value in context.items()
            ],
        )
    )
    return {each["EvalActionName"]: each["EvalDecision"] for page in pages for each in page["EvaluationResults"]}


def _refused(target: Target, principal: str) -> list[str]:
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        decisions = pool.map(lambda need: simulated(target, principal, need), _needs(target))
        return [action for each in decisions for action, decision in each.items() if decision != "allowed"]


def _needs(target: Target) -> list[Need]:
    _, partition, *_ = target.caller.arn.split(":")
    names = {"stage": target.stage, "account": target.caller.account, "region": target.region, "partition": partition}
    wanted = NEEDS + (MWAA_NEEDS if "MwaaEnvironmentName" in target.outputs else ())
    return [Need(need.resource.format(**names), need.actions, need.context) for need in wanted]


def _grouped(actions: Iterable[str]) -> str:
    """cloudformation:CreateChangeSet, DeleteStack; s3:CreateBucket."""
    services: dict[str, list[str]] = {}
    for action in sorted(set(actions)):
        service, name = action.split(":")
        services.setdefault(service, []).append(name)
    return "; ".join(f"{service}:{', '.join(names)}" for service, names in services.items())


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
