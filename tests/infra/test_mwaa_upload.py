"""How MWAA's package gets into the code bucket: versions that change with a release and at no other time."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.aws.account import LOCAL_REGION, AwsAccount
from infra.aws.code_bucket import CodeBucket
from infra.deploy.mwaa_upload import upload_package
from infra.package.mwaa import Package
from tests.support.deployed_stack import Deployed

FILES = {
    "MwaaPluginsVersion": "plugins.zip",
    "MwaaRequirementsVersion": "requirements.txt",
    "MwaaStartupVersion": "startup.sh",
}


@pytest.fixture
def code(deployed: Deployed) -> CodeBucket:
    """The code bucket of the local stack."""
    return CodeBucket.of(AwsAccount(deployed.ministack.endpoint, LOCAL_REGION), "listings-local")


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """A package of two DAG files."""
    (tmp_path / "dags").mkdir()
    for name in ("dags/first.py", "dags/second.py", "plugins.zip", "requirements.txt", "startup.sh"):
        (tmp_path / name).write_text(name)
    return Package(tmp_path / "dags", tmp_path / "plugins.zip", tmp_path / "requirements.txt", tmp_path / "startup.sh")


def test_versions_stay_for_a_release_and_change_with_the_next(code: CodeBucket, package: Package) -> None:
    """The same release again gives the same versions, so that the environment is not updated; another gives others."""
    first = upload_package(code, package, "listings-1")
    assert set(FILES) == set(first)
    assert first == upload_package(code, package, "listings-1")
    second = upload_package(code, package, "listings-2")
    assert not set(first.values()) & set(second.values())
    for name, version in second.items():
        key = {"MwaaPluginsVersion": "plugins.zip", "MwaaRequirementsVersion": "requirements.txt"}.get(
            name, "startup.sh"
        )
        found = code.s3.get_object(Bucket=code.name, Key=f"mwaa/{key}", VersionId=version)
        assert key == found["Body"].read().decode()


def test_dag_that_is_gone_is_gone_there(code: CodeBucket, package: Package) -> None:
    """A DAG file that the package no longer has is no longer in the bucket."""
    upload_package(code, package, "listings-1")
    (package.dags / "second.py").unlink()
    upload_package(code, package, "listings-1")
    found = code.s3.list_objects_v2(Bucket=code.name, Prefix="mwaa/dags/")["Contents"]
    assert ["mwaa/dags/first.py"] == [item["Key"] for item in found]
