"""Knows the bucket that a stack is made from: zips, layer, release, template, each named after its content."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.aws.account import AwsAccount, DeployError


def code_bucket_name(stack_name: str, account_id: str) -> str:
    """What the code bucket of a stack is called, whether it is there or not."""
    return f"{stack_name}-code-{account_id}"


@dataclass(frozen=True)
class CodeBucket:
    """The code bucket of one stage."""

    account: AwsAccount
    name: str
    s3: Any

    @classmethod
    def of(cls, account: AwsAccount, stack_name: str) -> CodeBucket:
        """The bucket of a stack; it need not be there yet.

        Each call of `s3` names our account: S3 refuses the bucket of another, who may have guessed its name.
        """
        owner, s3 = account.account_id(), account.client("s3")

        def name_owner(params: dict[str, Any], model: Any, **_: object) -> None:
            if "ExpectedBucketOwner" in model.input_shape.members:
                params["ExpectedBucketOwner"] = owner

        s3.meta.events.register("before-parameter-build.s3", name_owner)
        return cls(account, code_bucket_name(stack_name, owner), s3)

    def ensure(self) -> None:
        """Makes it, private, encrypted, TLS only, and versioned as MWAA asks; it must be there before the stack.

        Raises DeployError when the bucket is not ours to use.
        """
        try:
            self.s3.head_bucket(Bucket=self.name)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise self.refused(error, "s3:ListBucket") from error
            region = self.account.region
            place = {} if region == "us-east-1" else {"LocationConstraint": region}
            self.s3.create_bucket(Bucket=self.name, **({"CreateBucketConfiguration": place} if place else {}))
        self.s3.put_public_access_block(
            Bucket=self.name,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
        )
        self.s3.put_bucket_encryption(
            Bucket=self.name,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        )
        self.s3.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})
        if self.account.endpoint_url is None:  # the stand-in speaks plain HTTP on loopback
            self.s3.put_bucket_policy(Bucket=self.name, Policy=json.dumps(self._tls_only()))

    def refused(self, error: ClientError, action: str) -> DeployError:
        """What to say when S3 refuses a look at the bucket, which takes this action."""
        return DeployError(
            f"Bucket {self.name} cannot be used: {error}. Its name may be taken by another account, or the "
            f"caller may lack {action} on it."
        )

    def put(self, folder: str, path: Path) -> str:
        """Uploads a file that is named after its content, unless it is there; returns its key."""
        key = f"{folder}/{path.name}"
        if self._size(key) != path.stat().st_size:
            self.s3.upload_file(str(path), self.name, key)
        return key

    def put_bytes(self, key: str, content: bytes) -> str:
        """Uploads an object whose key carries its content's hash; returns the key."""
        self.s3.put_object(Bucket=self.name, Key=key, Body=content)
        return key

    def url(self, key: str) -> str:
        """Where CloudFormation fetches an object."""
        if self.account.endpoint_url is not None:
            return f"{self.account.endpoint_url.rstrip('/')}/{self.name}/{key}"
        return f"https://{self.name}.s3.{self.account.region}.amazonaws.com/{key}"

    def _tls_only(self) -> dict[str, Any]:
        arn = f"arn:{self.s3.meta.partition}:s3:::{self.name}"
        statement = {
            "Sid": "RefuseWhatIsNotTls",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        return {"Version": "2012-10-17", "Statement": [statement]}

    def _size(self, key: str) -> int | None:
        try:
            return int(self.s3.head_object(Bucket=self.name, Key=key)["ContentLength"])
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise
