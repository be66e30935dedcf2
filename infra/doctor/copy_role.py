"""Knows what the role of COPY must be able to do, who must trust it, and what its connection must say."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from infra.aws.faults import is_denied
from infra.doctor.actions import Need
from infra.doctor.clients import assumed_client
from infra.doctor.finding import Finding, Stopped, mend, ok
from infra.doctor.permissions import simulated
from infra.doctor.storage import rebuild
from infra.doctor.target import Target, unpacked

CONNECTION = "redshift_copy_role"
_TRUSTED = {"redshift.amazonaws.com", "redshift-serverless.amazonaws.com"}
_PROBE = "listings/doctor"


def look_at_copy_role(target: Target) -> Finding:
    """Whether COPY can read the clean bucket by this role, and nothing else."""
    arn = target.output("RedshiftCopyRoleArn")
    role = _role(target, arn.rsplit("/", 1)[1])
    wrong = (
        _untrusted(target, role)
        or (_assumed(target, arn) if target.endpoint_url else _as_simulated(target, arn))
        or _misnamed(target, arn)
    )
    if wrong is not None:
        return wrong
    return ok(f"{arn.rsplit('/', 1)[1]} reads the clean bucket, and not raw")


def _role(target: Target, name: str) -> dict[str, Any]:
    iam = target.client("iam")
    try:
        found: dict[str, Any] = iam.get_role(RoleName=name)["Role"]
    except iam.exceptions.NoSuchEntityException:
        raise Stopped(mend(f"there is no role {name}", rebuild(target))) from None
    return found


def _untrusted(target: Target, role: dict[str, Any]) -> Finding | None:
    """Redshift may take on the role; locally the account may."""
    allowed = [each for each in role["AssumeRolePolicyDocument"]["Statement"] if each["Effect"] == "Allow"]
    trusted = {name for each in allowed for names in each["Principal"].values() for name in _listed(names)}
    if target.is_local:
        wanted = {f"arn:aws:iam::{target.caller.account}:root"}
    else:
        wanted = {"redshift.amazonaws.com"} if "redshift.amazonaws.com" in trusted else _TRUSTED
    if wanted <= trusted:
        return None
    return mend(f"{role['RoleName']} does not trust {', '.join(sorted(wanted - trusted))}", rebuild(target))


def _assumed(target: Target, arn: str) -> Finding | None:
    """What the role can do, tried out: the stand-in lets the account take it on."""
    assert target.endpoint_url is not None
    try:
        taken = target.client("sts").assume_role(RoleArn=arn, RoleSessionName="doctor")["Credentials"]
    except ClientError as error:
        if not is_denied(error):
            raise
        return mend(f"{arn} cannot be assumed", rebuild(target))
    s3 = assumed_client(target.endpoint_url, "s3", taken)
    return _judged(
        target,
        arn,
        reads_clean=_can_read(s3, target.output("CleanBucketName")),
        reads_raw=_can_read(s3, target.output("RawBucketName")),
    )


def _as_simulated(target: Target, arn: str) -> Finding | None:
    """What the role can do, as IAM says: on AWS nobody but Redshift takes it on. Nothing where IAM may not be asked."""
    partition = arn.split(":")[1]
    try:
        clean, raw = (
            simulated(target, arn, Need(f"arn:{partition}:s3:::{target.output(bucket)}/{_PROBE}", ("s3:GetObject",)))
            for bucket in ("CleanBucketName", "RawBucketName")
        )
    except ClientError as error:
        if is_denied(error):
            return None
        raise
    return _judged(target, arn, reads_clean="allowed" in clean.values(), reads_raw="allowed" in raw.values())


def _judged(target: Target, arn: str, *, reads_clean: bool, reads_raw: bool) -> Finding | None:
    name = arn.rsplit("/", 1)[1]
    if not reads_clean:
        return mend(f"{name} may not read {target.output('CleanBucketName')}: every COPY fails", rebuild(target))
    if reads_raw:
        return mend(f"{name} may read {target.output('RawBucketName')}, which is not its business", rebuild(target))
    return None


def _misnamed(target: Target, arn: str) -> Finding | None:
    """The connection names this role and no region; that it has no value is the business of its own check."""
    try:
        extra = unpacked(target.secret(CONNECTION))["extra"]
    except ValueError:
        return None
    named = extra.get("role_arn")
    if named != arn:
        return mend(f"{CONNECTION} names {named or 'no role'}, the stack has {arn}", target.command("secrets"))
    if extra.get("region_name") or extra.get("region"):
        return mend(f"{CONNECTION} names a region, which COPY of Parquet refuses", target.command("secrets"))
    return None


def _can_read(s3: Any, bucket: str) -> bool:
    """An object that is not there is missed by who may read, and refused to who may not."""
    try:
        s3.get_object(Bucket=bucket, Key=_PROBE)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket"):
            return error.response["Error"]["Code"] == "NoSuchKey"
        if is_denied(error):
            return False
        raise
    return True


def _listed(value: Any) -> list[str]:
    return list(value) if isinstance(value, list) else [value]
