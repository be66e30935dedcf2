"""Knows the bucket that a stack is made from: zips, layer, release, template, each named after its content."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.aws_account import AwsAccount, DeployError


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
        """The bucket of a stack; it need not be there yet."""
        return cls(account, code_bucket_name(stack_name, account.account_id()), account.client("s3"))

    def ensure(self) -> None:
        """Makes it, private, encrypted, and versioned as MWAA asks; it must be there before the stack.

        Raises DeployError when the bucket is not ours to use.
        """
        try:
            self.s3.head_bucket(Bucket=self.name)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise DeployError(
                    f"Bucket {self.name} cannot be used: {error}. Its name may be taken by another account, or the "
                    "caller may lack s3:ListBucket on it."
                ) from error
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

    def _size(self, key: str) -> int | None:
        try:
            return int(self.s3.head_object(Bucket=self.name, Key=key)["ContentLength"])
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise
