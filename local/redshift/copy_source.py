"""Where COPY reads: credentials, and the S3 objects that a prefix or a manifest names."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from local.redshift.copy_statement import CopyStatement
from local.redshift.errors import SqlError


@dataclass(frozen=True)
class S3Service:
    """The S3 and STS endpoint, and the endpoint's own identity there (with which it assumes COPY's roles)."""

    url: str
    region: str
    access_key: str
    secret_key: str

    def client(self, service: str, credentials: dict[str, str]) -> Any:
        """A boto3 client under these credentials (the keywords of boto3.client)."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.url,
            region_name=self.region,
            config=Config(retries={"max_attempts": 2}, s3={"addressing_style": "path"}),
            **credentials,
        )


@dataclass(frozen=True)
class S3Object:
    """One file to load; `url` as s3://bucket/key."""

    bucket: str
    key: str

    @property
    def url(self) -> str:
        """The name by which people and error tables call it."""
        return f"s3://{self.bucket}/{self.key}"


def _detail(error: str, context: str) -> str:
    rule = "  -----------------------------------------------"
    return f"\n{rule}\n  error:  {error}\n  code:      8001\n  context:   {context}\n{rule}\n"


def _s3_error(error: ClientError, prefix: str = "") -> SqlError:
    told = error.response["Error"]
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    code = {"403": "AccessDenied", "404": "NoSuchKey"}.get(told.get("Code", ""), told.get("Code", ""))
    text = f"{prefix}S3ServiceException:{told.get('Message', code)},Status {status},Error {code}"
    return SqlError("XX000", text, _detail(text, "Listing bucket=" + str(told.get("BucketName", ""))))


class Source:
    """The files of one COPY, opened under its credentials."""

    def __init__(self, service: S3Service, statement: CopyStatement, user: str) -> None:
        self._statement = statement
        self._s3 = service.client("s3", _credentials(service, statement.credentials, user))

    def files(self) -> list[S3Object]:
        """The objects to load; SqlError when there are none or the manifest is wrong."""
        bucket, _, key = self._statement.source.removeprefix("s3://").partition("/")
        try:
            if "MANIFEST" in self._statement.options:
                return list(self._manifest(S3Object(bucket, key)))
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
            found = [S3Object(bucket, entry["Key"]) for page in pages for entry in page.get("Contents", [])]
        except ClientError as error:
            raise _s3_error(error) from error
        except BotoCoreError as error:
            raise SqlError("XX000", f"S3 is out of reach: {error}") from error
        if not found:
            message = f"The specified S3 prefix '{key}' does not exist"
            raise SqlError("XX000", message, _detail(message, self._statement.source))
        return [entry for entry in found if not entry.key.endswith("/")]

    def _manifest(self, where: S3Object) -> Iterator[S3Object]:
        problem = f"Problem reading manifest file - {where.url}: "
        try:
            entries = json.load(self._s3.get_object(Bucket=where.bucket, Key=where.key)["Body"])["entries"]
            listed = [(entry["url"], entry.get("mandatory", False), entry.get("meta", {})) for entry in entries]
        except ClientError as error:
            raise _s3_error(error, "Problem reading manifest file - ") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SqlError("XX000", problem + f"not in the manifest format ({error!r})") from error
        for url, mandatory, meta in listed:
            bucket, _, key = str(url).removeprefix("s3://").partition("/")
            if self._statement.parquet and not isinstance(meta.get("content_length"), int):
                raise SqlError("XX000", problem + f"a columnar load needs meta.content_length, {url} has none")
            try:
                size = self._s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404 and mandatory is not True:
                    continue
                raise _s3_error(error, f"{url}: ") from error
            if self._statement.parquet and size != meta["content_length"]:
                expected = meta["content_length"]
                raise SqlError("XX000", problem + f"{url} has {size} bytes, meta.content_length says {expected}")
            yield S3Object(bucket, key)

    def open(self, file: S3Object) -> IO[bytes]:
        """The object's bytes as a stream."""
        try:
            body: IO[bytes] = self._s3.get_object(Bucket=file.bucket, Key=file.key)["Body"]
        except ClientError as error:
            raise _s3_error(error, f"{file.url}: ") from error
        return body


def _credentials(service: S3Service, given: dict[str, str], user: str) -> dict[str, str]:
    """The keys to read with: those in the statement, or those of the role it names."""
    if "aws_iam_role" not in given:
        keys = {
            "aws_access_key_id": given.get("aws_access_key_id", ""),
            "aws_secret_access_key": given.get("aws_secret_access_key", ""),
        }
        return keys | ({"aws_session_token": given["token"]} if "token" in given else {})
    role = given["aws_iam_role"]
    own = {"aws_access_key_id": service.access_key, "aws_secret_access_key": service.secret_key}
    try:
        answer = service.client("sts", own).assume_role(RoleArn=role, RoleSessionName="RedshiftIamRoleSession")
    except (ClientError, ParamValidationError) as error:
        message = f"User {user} is not authorized to assume IAM Role {role}"
        raise SqlError("XX000", message, _detail(message, str(error))) from error
    except BotoCoreError as error:
        raise SqlError("XX000", f"STS is out of reach: {error}") from error
    keys = answer["Credentials"]
    return {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
    }
