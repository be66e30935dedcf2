"""Knows what the account must have room for: functions side by side, and before a first deploy a network."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from infra.aws.faults import is_denied
from infra.aws.template_reader import read_template
from infra.doctor.finding import Finding, mend, ok, skip
from infra.doctor.target import Target


@dataclass(frozen=True)
class _Quota:
    """A quota of Service Quotas, and how to count what is used of it."""

    what: str
    service: str
    code: str
    resource_type: str
    operation: str
    listed: str


_NETWORK = (
    _Quota("VPCs", "vpc", "L-F678F1CE", "AWS::EC2::VPC", "describe_vpcs", "Vpcs"),
    _Quota("Elastic IPs", "ec2", "L-0263D0A3", "AWS::EC2::EIP", "describe_addresses", "Addresses"),
)


def look_at_lambda_room(target: Target) -> Finding:
    """Whether the account lets as many functions run at once as the queues call for."""
    wanted = sum(each["Concurrency"] for each in read_template(target.root)["Mappings"]["Sizing"].values())
    limit = target.client("lambda").get_account_settings()["AccountLimit"]
    free = int(limit["UnreservedConcurrentExecutions"])
    found = f"{free} functions may run at once (of {limit['ConcurrentExecutions']}), ours take up to {wanted}"
    if free < wanted:
        return mend(
            found,
            f"ask for 1000 in the Service Quotas console, {target.region}: AWS Lambda, Concurrent executions "
            "(L-B99A9384); or free what other functions have reserved",
        )
    return ok(found)


def look_at_network_room(target: Target) -> Finding:
    """Whether what the template makes of VPCs and addresses fits; once deployed it is counted already."""
    resources = read_template(target.root)["Resources"].values()
    if target.outputs:
        return ok("the stack has what it needs")
    room = []
    for quota in _NETWORK:
        # Each condition is another place for Airflow, of which a stack has one.
        conditions = Counter(each.get("Condition") for each in resources if each["Type"] == quota.resource_type)
        wanted = max(conditions.values(), default=0)
        if not wanted:
            continue
        try:
            told: Any = target.client("service-quotas").get_service_quota(
                ServiceCode=quota.service, QuotaCode=quota.code
            )
            used = len(getattr(target.client("ec2"), quota.operation)()[quota.listed])
        except ClientError as error:
            if is_denied(error):
                return skip(f"cannot be told: the caller may not ask ({error.operation_name}); see Service Quotas")
            raise
        most = math.floor(told["Quota"]["Value"])
        if used + wanted > most:
            return mend(
                f"{used} of {most} {quota.what} are used in {target.region}, the stack makes {wanted} more",
                f"delete one that nobody uses, or ask for {most + wanted} in the Service Quotas console, "
                f"{target.region} ({quota.service}, {quota.code})",
            )
        room.append(f"{used} of {most} {quota.what} used")
    return ok(", ".join(room))
