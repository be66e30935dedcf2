"""The door to a bucket: what is not there is None, what is put once stays, a list goes on to its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
else:
    S3Client = Any

JSON = "application/json"
_ABSENT = ("NoSuchKey", "404")
_THERE = ("PreconditionFailed", "ConditionalRequestConflict")


@dataclass(frozen=True)
class Bucket:
    """One bucket of S3. Whatever S3 refuses otherwise is raised as botocore's ClientError."""

    client: S3Client
    name: str

    def uri(self, key: str) -> str:
        """Where the key lies, for messages and manifests."""
        return f"s3://{self.name}/{key}"

    def open(self, key: str) -> Mapping[str, Any] | None:
        """The object as S3 answers (Body, LastModified, Metadata, ContentLength), or None where there is none."""
        try:
            return self.client.get_object(Bucket=self.name, Key=key)
        except ClientError as error:
            if _is_absent(error):
                return None
            raise

    def head(self, key: str) -> Mapping[str, Any] | None:
        """The same without its bytes."""
        try:
            return self.client.head_object(Bucket=self.name, Key=key)
        except ClientError as error:
            if _is_absent(error):
                return None
            raise

    def get(self, key: str, at_most: int | None = None) -> bytes | None:
        """The bytes of the object, or the first of them, or None where there is none."""
        found = self.open(key)
        return None if found is None else bytes(found["Body"].read(at_most))

    def read(self, key: str) -> bytes:
        """The bytes of an object that must be there."""
        return bytes(self.client.get_object(Bucket=self.name, Key=key)["Body"].read())

    def put(self, key: str, body: bytes, media_type: str = JSON) -> None:
        """Puts the object, in place of what is there."""
        self.client.put_object(Bucket=self.name, Key=key, Body=body, ContentType=media_type)

    def put_once(self, key: str, body: bytes, metadata: Mapping[str, str] | None = None) -> bool:
        """Puts the JSON object unless one is there; whether it was put."""
        try:
            self.client.put_object(
                Bucket=self.name,
                Key=key,
                Body=body,
                ContentType=JSON,
                IfNoneMatch="*",
                Metadata=dict(metadata or {}),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in _THERE:
                raise
            return False
        return True

    def listed(self, prefix: str, after: str = "") -> Iterator[tuple[str, datetime]]:
        """Every key below the prefix, from the first one after `after` on, with when it was put."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix, StartAfter=after)
        for page in pages:
            yield from ((item["Key"], item["LastModified"]) for item in page.get("Contents", []))

    def folders(self, prefix: str) -> Iterator[str]:
        """The prefixes one level below the prefix, each with its slash."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix, Delimiter="/")
        for page in pages:
            yield from (folder["Prefix"] for folder in page.get("CommonPrefixes", []))


def _is_absent(error: ClientError) -> bool:
    return error.response["Error"]["Code"] in _ABSENT
