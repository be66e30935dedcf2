"""Knows how many availability zones the template's network needs, and which of them CloudFormation names."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from infra.aws.faults import is_denied
from infra.doctor.finding import Finding, mend, ok, skip
from infra.doctor.target import Target

WANTED = 3


def look_at_zones(target: Target) -> Finding:
    """Whether the region has the zones that Redshift Serverless wants; once deployed it had them."""
    if target.outputs:
        return ok("the stack has its subnets")
    try:
        there, named = _zones(target)
    except ClientError as error:
        if is_denied(error):
            return skip(f"cannot be told: the caller may not ask ({error.operation_name})")
        raise
    found = f"{len(there)} in {target.region}, the warehouse takes {WANTED}"
    if len(there) < WANTED:
        return mend(f"only {found}", f"{target.command('deploy').partition(' REGION')[0]} REGION=<a region with more>")
    if len(named) < WANTED:
        # Where any zone has a default subnet, !GetAZs names those zones alone.
        lacking = sorted(there - named)[: WANTED - len(named)]
        makes = "; ".join(
            f"aws ec2 create-default-subnet --region {target.region} --availability-zone {zone}" for zone in lacking
        )
        return mend(f"{found}, but CloudFormation names only {', '.join(sorted(named))}: no default subnet", makes)
    return ok(found)


def _zones(target: Target) -> tuple[set[str], set[str]]:
    """The zones that the account can use, and those that CloudFormation gives to the template."""
    ec2: Any = target.client("ec2")
    told = ec2.describe_availability_zones(
        Filters=[
            {"Name": "state", "Values": ["available"]},
            {"Name": "opt-in-status", "Values": ["opt-in-not-required"]},
            {"Name": "zone-type", "Values": ["availability-zone"]},
        ]
    )
    there = {str(zone["ZoneName"]) for zone in told["AvailabilityZones"]}
    subnets = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
    return there, {str(subnet["AvailabilityZone"]) for subnet in subnets} & there or there
