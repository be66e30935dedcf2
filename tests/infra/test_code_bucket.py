"""The bucket that a stack is made from: whose it must be, and over which line it answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.aws.account import LOCAL_REGION, AwsAccount, DeployError
from infra.deploy.deploy import Place
from infra.deploy.destroy import _delete_bucket
from infra.deploy.mwaa_upload import upload_package
from infra.deploy.stage import _region_of
from infra.package.mwaa import Package
from tests.support.ministack import ACCOUNT, RunningMiniStack

OWNER = "x-amz-expected-bucket-owner"
# S3 knows no expected owner of a bucket that is about to be made, and none of a list of one's own.
WITHOUT_OWNER = {"CreateBucket", "ListBuckets"}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A stage that was never deployed, on a MiniStack of its own."""
    with RunningMiniStack(tmp_path / "ministack") as running:
        yield Place(AwsAccount(running.endpoint, LOCAL_REGION), "dev")


def test_every_call_says_whose_the_bucket_must_be(place: Place, tmp_path: Path) -> None:
    """From the first look to the last deletion each request names our account, so that S3 refuses another's bucket."""
    asked: dict[str, set[str | None]] = {}

    def note(model: Any, params: dict[str, Any], **_: object) -> None:
        asked.setdefault(model.name, set()).add(params["headers"].get(OWNER))

    place.code.s3.meta.events.register("before-call.s3", note)
    (tmp_path / "dags").mkdir()
    for name in ("dags/first.py", "dags/gone.py", "plugins.zip", "requirements.txt", "startup.sh"):
        (tmp_path / name).write_text(name)
    package = Package(tmp_path / "dags", *(tmp_path / f for f in ("plugins.zip", "requirements.txt", "startup.sh")))
    place.code.ensure()
    place.code.put("functions", package.plugins)
    place.code.put_bytes("templates/a.yaml", b"a")
    upload_package(place.code, package, "listings-1")
    (package.dags / "gone.py").unlink()
    upload_package(place.code, package, "listings-1")
    assert "us-east-1" == _region_of(place)
    _delete_bucket(place.code.s3, place.code.name)
    assert {"HeadBucket", "PutObject", "HeadObject", "DeleteObject", "DeleteBucket", *WITHOUT_OWNER} <= set(asked)
    assert {name: {ACCOUNT} for name in set(asked) - WITHOUT_OWNER} == {
        name: owners for name, owners in asked.items() if name not in WITHOUT_OWNER
    }


def test_a_bucket_of_another_account_is_not_used(place: Place) -> None:
    """Where somebody else made the bucket first and opened it to us, nothing is put there; S3 answers 403."""

    def of_somebody_else(params: dict[str, Any], **_: object) -> tuple[Any, dict[str, Any]] | None:
        if params["headers"].get(OWNER) in (None, "111122223333"):
            return None
        refused = {"Error": {"Code": "403", "Message": "Forbidden"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        return SimpleNamespace(status_code=403, raw=None), refused

    place.code.s3.create_bucket(Bucket=place.code.name)
    place.code.s3.meta.events.register("before-call.s3", of_somebody_else)
    looks: list[Callable[[], object]] = [lambda: _region_of(place), place.code.ensure]
    for look in looks:
        with pytest.raises(DeployError, match=rf"{place.code.name} cannot be used: .* may be taken by another account"):
            look()


def test_plain_http_is_refused_on_aws(place: Place) -> None:
    """As for the data buckets, a request without TLS is denied, for the bucket and for every object in it."""
    on_aws = replace(place.code, account=AwsAccount(None, LOCAL_REGION))
    put: list[dict[str, Any]] = []
    on_aws.s3.meta.events.register("before-parameter-build.s3.PutBucketPolicy", lambda params, **_: put.append(params))
    on_aws.ensure()
    [statement] = json.loads(put[0]["Policy"])["Statement"]
    assert ("Deny", "*", "s3:*") == (statement["Effect"], statement["Principal"], statement["Action"])
    assert {"Bool": {"aws:SecureTransport": "false"}} == statement["Condition"]
    arn = f"arn:aws:s3:::{on_aws.name}"
    assert [arn, f"{arn}/*"] == statement["Resource"]
