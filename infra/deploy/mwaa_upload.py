"""Knows how the MWAA package gets into the code bucket, and which versions of it the environment is told of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.aws.code_bucket import CodeBucket
from infra.package.mwaa import Package

FOLDER = "mwaa"
_RELEASE = "release"


def upload_package(code: CodeBucket, package: Package, release: str) -> dict[str, str | None]:
    """Uploads the package, unless this release of it is there; returns the template's parameters for its versions.

    A DAG file that the package no longer has is deleted. startup.sh gets a new version with every release though
    its text stays: the environment reads its settings anew only when it is updated.
    """
    _upload_dags(code, package.dags)
    return {
        "MwaaPluginsVersion": _version(code, package.plugins, release),
        "MwaaRequirementsVersion": _version(code, package.requirements, release),
        "MwaaStartupVersion": _version(code, package.startup, release),
    }


def _upload_dags(code: CodeBucket, dags: Path) -> None:
    prefix = f"{FOLDER}/dags/"
    wanted = {f"{prefix}{path.name}": path for path in sorted(dags.iterdir())}
    for key, path in wanted.items():
        code.s3.upload_file(str(path), code.name, key)
    found = code.s3.list_objects_v2(Bucket=code.name, Prefix=prefix).get("Contents", [])
    for item in found:
        if item["Key"] not in wanted:
            code.s3.delete_object(Bucket=code.name, Key=item["Key"])


def _version(code: CodeBucket, path: Path, release: str) -> str:
    """The version of an object that carries this release; puts it when the newest one carries another."""
    name: dict[str, Any] = {"Bucket": code.name, "Key": f"{FOLDER}/{path.name}"}
    try:
        found = code.s3.head_object(**name)
        if found["Metadata"].get(_RELEASE) == release:
            return str(found["VersionId"])
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
    return str(code.s3.put_object(**name, Body=path.read_bytes(), Metadata={_RELEASE: release})["VersionId"])
