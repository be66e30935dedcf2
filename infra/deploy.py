"""Knows the order of a deploy: build, code bucket, zips, stack, and a look at whether the functions have code."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.aws_account import LOCAL_REGION, LOCAL_STAGE, AwsAccount, DeployError
from infra.build import DEFAULT_OUT, build
from infra.change_set import Stack
from infra.local_identity import issue_base_key, put_connections

TEMPLATE = Path(__file__).resolve().parent / "template.yaml"
PROJECT = "listings"
DATA_BUCKETS = ("landing", "raw", "clean")


@dataclass(frozen=True)
class LocalDeployment:
    """The stack's outputs by name, and the key of the user who may only assume the Airflow role."""

    outputs: dict[str, str]
    base_access_key_id: str
    base_secret_access_key: str


def deploy_local(
    endpoint: str,
    build_dir: Path,
    connections: dict[str, dict[str, Any]],
    say: Callable[[str], None] = lambda line: None,
) -> LocalDeployment:
    """Deploys to the MiniStack at `endpoint` and makes it ready for Airflow; again does no harm.

    `connections` holds Airflow's connection JSON by connection id. Each call issues a new base key and ends
    the old one, so whoever works with the old one must be given the new. Raises DeployError.
    """
    outputs = deploy(endpoint, LOCAL_STAGE, LOCAL_REGION, build_dir=build_dir, say=say)
    account = AwsAccount(endpoint, LOCAL_REGION)
    put_connections(account, connections)
    key_id, secret = issue_base_key(account, outputs["AirflowBaseUserName"])
    return LocalDeployment(outputs, key_id, secret)


def deploy(
    endpoint_url: str | None,
    stage: str,
    region: str,
    *,
    build_dir: Path = DEFAULT_OUT,
    layer_arn: str = "",
    alarm_email: str = "",
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, str]:
    """Builds the functions and brings stack `listings-<stage>` to the template; returns its outputs.

    `endpoint_url` is None on AWS and the stand-in's URL when `stage` is "local". `say` is told each change
    before it is made. Raises DeployError with the reason; what was there before is then as it was.
    """
    if (stage == LOCAL_STAGE) != (endpoint_url is not None):
        raise DeployError(
            f'Stage "local" goes with an endpoint and every other stage without one; came stage {stage!r} '
            f"with endpoint {endpoint_url!r}. Use --local --endpoint URL, or --stage NAME."
        )
    account = AwsAccount(endpoint_url, region)
    bundle = build(build_dir)
    code_bucket = f"{PROJECT}-{stage}-code-{account.account_id()}"
    s3 = account.client("s3")
    _ensure_code_bucket(s3, code_bucket, region)
    parameters = {
        "Project": PROJECT,
        "Stage": stage,
        "CodeBucket": code_bucket,
        "CopyCodeKey": _upload(s3, code_bucket, bundle.copy_zip),
        "TransformCodeKey": _upload(s3, code_bucket, bundle.transform_zip),
        "TransformVersion": bundle.transform_version,
        "LayerArn": layer_arn,
        "AlarmEmail": alarm_email,
    }
    stack = Stack(account.client("cloudformation"), f"{PROJECT}-{stage}", say, account.poll_seconds)
    if not stack.exists():
        kept = _kept_buckets(s3, code_bucket)
        if kept:
            say(f"Taking over what an earlier stack left: {', '.join(kept.values())}")
            stack.adopt_buckets(kept)
    outputs = stack.apply(TEMPLATE.read_text(encoding="utf-8"), parameters)
    _require_code(account.client("lambda"), outputs)
    return outputs if endpoint_url is None else _reached_through(endpoint_url, outputs)


def _kept_buckets(s3: Any, code_bucket: str) -> dict[str, str]:
    """The data buckets that are there without a stack, by logical id: deleted stacks leave them, and crashes."""
    names = {f"{kind.capitalize()}Bucket": code_bucket.replace("-code-", f"-{kind}-") for kind in DATA_BUCKETS}
    there = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    return {logical_id: name for logical_id, name in names.items() if name in there}


def _ensure_code_bucket(s3: Any, bucket: str, region: str) -> None:
    """Makes the bucket for the zips, which must be there before the stack; private and encrypted."""
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise DeployError(
                f"Bucket {bucket} cannot be used: {error}. Its name may be taken by another account, or the "
                "caller may lack s3:ListBucket on it."
            ) from error
        place = {} if region == "us-east-1" else {"LocationConstraint": region}
        s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": place} if place else {}))
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
    )
    s3.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )


def _upload(s3: Any, bucket: str, path: Path) -> str:
    key = f"functions/{path.name}"
    s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    return key


def _require_code(functions: Any, outputs: Mapping[str, str]) -> None:
    """A zip that is not where the template says is no error to the stand-in: the function is just empty."""
    for output in ("CopyFunctionName", "TransformFunctionName"):
        name = outputs[output]
        if functions.get_function_configuration(FunctionName=name)["CodeSize"] <= 0:
            raise DeployError(
                f"Function {name} was deployed without code: its zip was not in the code bucket. "
                "Delete the stack, which keeps the buckets, and deploy again."
            )


def _reached_through(endpoint_url: str, outputs: Mapping[str, str]) -> dict[str, str]:
    """The outputs with URLs on today's port: the stand-in keeps those of the port it was deployed on."""
    return {
        name: re.sub(r"^http://127\.0\.0\.1:\d+", endpoint_url.rstrip("/"), value) for name, value in outputs.items()
    }


def main(arguments: list[str] | None = None) -> int:
    """Deploys from the command line and prints the outputs as JSON; on failure says why and returns 1."""
    parser = argparse.ArgumentParser(prog="python -m infra.deploy", description=__doc__)
    parser.add_argument("--local", action="store_true", help="deploy to the stand-in at --endpoint")
    parser.add_argument("--endpoint", default="http://127.0.0.1:4566", help="the stand-in (%(default)s)")
    parser.add_argument("--stage", help="stage on AWS, for instance dev")
    parser.add_argument("--region", default=LOCAL_REGION, help="region on AWS (%(default)s)")
    parser.add_argument("--layer-arn", default="", help="Lambda layer with msgspec and pyarrow")
    parser.add_argument("--alarm-email", default="", help="who is told when an alarm goes off")
    parser.add_argument("--build-dir", type=Path, default=DEFAULT_OUT, help="folder for the zips")
    chosen = parser.parse_args(arguments)
    if chosen.local == bool(chosen.stage):
        parser.error("give either --local or --stage NAME")
    try:
        outputs = deploy(
            chosen.endpoint if chosen.local else None,
            LOCAL_STAGE if chosen.local else chosen.stage,
            LOCAL_REGION if chosen.local else chosen.region,
            build_dir=chosen.build_dir,
            layer_arn=chosen.layer_arn,
            alarm_email=chosen.alarm_email,
            say=lambda line: print(line, file=sys.stderr),
        )
    except (DeployError, ClientError, BotoCoreError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(outputs, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
