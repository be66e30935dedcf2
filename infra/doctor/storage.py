"""Knows what buckets and functions must be there, what the functions are told, and whether they are this checkout's."""

from __future__ import annotations

import base64
import hashlib
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from botocore.exceptions import ClientError

from infra.aws.faults import is_denied
from infra.doctor.finding import Finding, Stopped, mend, ok
from infra.doctor.target import Target
from infra.package.build import build
from infra.package.release import build_release

BUCKETS = ("LandingBucketName", "RawBucketName", "CleanBucketName")
# What each function reads from its environment, and the output that it must be.
ENVIRONMENTS = {
    "CopyFunctionName": {"RAW_BUCKET": "RawBucketName"},
    "TransformFunctionName": {"CLEAN_BUCKET": "CleanBucketName", "TRANSFORM_VERSION": "TransformVersion"},
}

_CHANGING = "is being changed at this moment"


def look_at_buckets(target: Target) -> Finding:
    """Whether the four buckets are there and let the caller in."""
    names = [target.output(each) for each in BUCKETS] + [target.parameter("CodeBucket") or target.code_bucket]
    states = {name: _state_of_bucket(target, name) for name in names}
    gone = [name for name, state in states.items() if state == "gone"]
    closed = [name for name, state in states.items() if state == "closed"]
    if gone:
        return mend(f"gone: {', '.join(gone)}", rebuild(target))
    if closed:
        return mend(
            f"no way in: {', '.join(closed)}", "allow s3:ListBucket on them to the caller; look at their policies"
        )
    return ok(", ".join(map(target.short, names)))


def look_at_functions(target: Target) -> Finding:
    """Whether both functions are there with code, ready, and told the right buckets."""
    problems = [each for output in ENVIRONMENTS for each in _problems_of(target, output)]
    if problems and all(each.endswith(_CHANGING) for each in problems):
        return mend("; ".join(problems), "wait a minute, then look again")
    if problems:
        return mend("; ".join(problems), rebuild(target))
    return ok(" and ".join(target.short(target.output(output)) for output in ENVIRONMENTS) + " are active")


def look_at_versions(target: Target) -> Finding:
    """Whether what runs is what this checkout builds: both functions, and on AWS the release that Airflow runs."""
    with tempfile.TemporaryDirectory(prefix="listings-doctor-") as folder:
        built = build(Path(folder))
        wanted = {"CopyFunctionName": _sha256(built.copy_zip), "TransformFunctionName": _sha256(built.transform_zip)}
        release = build_release(Path(folder)).name
    deployed, differs = target.output("TransformVersion"), []
    if deployed != built.transform_version:
        differs.append(f"transform {built.transform_version} here, {deployed} there")
    else:
        names = {target.output(output): sha for output, sha in wanted.items()}
        other = [name for name, sha in names.items() if configuration(target, name)["CodeSha256"] != sha]
        differs += [f"the code of {', '.join(other)}"] if other else []
    key = target.parameter("ReleaseKey")
    if key and PurePosixPath(key).name != f"{release}.tar.gz":
        differs.append(f"Airflow's release {release} here, {PurePosixPath(key).name.removesuffix('.tar.gz')} there")
    if differs:
        return mend(f"checkout differs from what is deployed: {'; '.join(differs)}", target.command("deploy"))
    return ok(f"transform {deployed}, as this checkout builds it")


def rebuild(target: Target) -> str:
    """How that comes back which was changed past CloudFormation; what lies in the buckets stays."""
    if target.is_local:
        return (
            f"make down; rm -r {target.home}/ministack/state; make up (what lies in the buckets stays, queued messages "
            "and dead letters are dropped: reconcile_listings sends their sets again within the hour)"
        )
    return (
        f"a drift-aware change set of {target.stack_name} (CloudFormation console, {target.region}) puts back what "
        "infra/template.yaml says and keeps the data"
    )


def configuration(target: Target, function: str) -> dict[str, Any]:
    """A function's configuration; ends the check when there is no such function."""
    client = target.client("lambda")
    try:
        found: dict[str, Any] = client.get_function_configuration(FunctionName=function)
    except client.exceptions.ResourceNotFoundException:
        raise Stopped(mend(f"there is no function {function}", rebuild(target))) from None
    return found


def _state_of_bucket(target: Target, name: str) -> str:
    try:
        target.client("s3").head_bucket(Bucket=name, ExpectedBucketOwner=target.caller.account)
    except ClientError as error:
        if error.response["ResponseMetadata"].get("HTTPStatusCode") == 404:
            return "gone"
        if is_denied(error):
            return "closed"
        raise
    return "there"


def _problems_of(target: Target, output: str) -> list[str]:
    name = target.output(output)
    found = configuration(target, name)
    if found["CodeSize"] <= 0:
        return [f"{name} has no code"]
    if found.get("State") == "Pending" or found.get("LastUpdateStatus") == "InProgress":
        return [f"{name} {_CHANGING}"]
    if found.get("State", "Active") not in ("Active", "Inactive"):  # Inactive: idle for weeks, wakes by itself
        return [f"{name} is {found['State']}: {found.get('StateReason', 'no reason given')}"]
    if found.get("LastUpdateStatus") == "Failed":
        return [f"the last change of {name} failed: {found.get('LastUpdateStatusReason', 'no reason given')}"]
    has = found.get("Environment", {}).get("Variables", {})
    return [
        f"{name} has {variable}={has.get(variable) or 'nothing'}, expected {target.output(wanted)}"
        for variable, wanted in ENVIRONMENTS[output].items()
        if has.get(variable) != target.output(wanted)
    ]


def _sha256(path: Path) -> str:
    """As Lambda says it of the code that it has."""
    return base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()
