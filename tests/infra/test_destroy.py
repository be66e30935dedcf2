"""A stage is taken down: what goes, what stays, and what comes back with the next deploy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from infra.aws.account import LOCAL_REGION, AwsAccount, DeployError
from infra.deploy.deploy import Person, Place, bring_up, put_functions
from infra.deploy.destroy import _forget, destroy
from tests.support.ministack import ACCOUNT, RunningMiniStack


@pytest.fixture
def ministack(tmp_path: Path) -> Iterator[RunningMiniStack]:
    """A MiniStack with nothing on it."""
    with RunningMiniStack(tmp_path / "ministack") as running:
        yield running


@pytest.fixture
def place(ministack: RunningMiniStack) -> Place:
    """A stage on it."""
    return Place(AwsAccount(ministack.endpoint, LOCAL_REGION), "local")


def test_data_stays_and_all_else_goes(ministack: RunningMiniStack, place: Place, tmp_path: Path) -> None:
    """Stack, secrets and code bucket go, with a list before; the data buckets stay, and the next deploy has them."""
    outputs = bring_up(place, Person(), put_functions(place, tmp_path))
    s3, told = ministack.client("s3"), list[str]()
    s3.put_object(Bucket=outputs["RawBucketName"], Key="kept", Body=b"bytes")
    ministack.client("secretsmanager").put_secret_value(SecretId="airflow/connections/zillow_api", SecretString="{}")

    kept = destroy(place, Person(say=told.append))

    assert [f"listings-local-{kind}-{ACCOUNT}" for kind in ("clean", "landing", "raw")] == sorted(kept.values())
    assert set(kept.values()) == {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    assert any(f"stays {outputs['RawBucketName']}: all that was ever extracted" in line for line in told)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        ministack.client("secretsmanager").describe_secret(SecretId="airflow/connections/zillow_api")
    assert outputs == bring_up(place, Person(), put_functions(place, tmp_path))
    assert b"bytes" == s3.get_object(Bucket=outputs["RawBucketName"], Key="kept")["Body"].read()


def test_nothing_goes_unless_somebody_agrees(place: Place, tmp_path: Path) -> None:
    """Who does not agree keeps everything."""
    outputs = bring_up(place, Person(), put_functions(place, tmp_path))
    with pytest.raises(DeployError, match="Nothing was taken down"):
        destroy(place, Person(agree=lambda: False))
    assert outputs == place.stack(Person()).outputs()


def test_stage_that_is_not_there_is_named(place: Place) -> None:
    """A misspelt stage is an error, not a success."""
    with pytest.raises(DeployError, match="no stack listings-local in us-east-1"):
        destroy(place, Person())


def test_name_of_a_deleted_secret_is_free_again(ministack: RunningMiniStack) -> None:
    """A secret that waits out its recovery time is ended: the next stack can have its name."""
    secrets = ministack.client("secretsmanager")
    secrets.create_secret(Name="airflow/connections/example", SecretString="{}")
    secrets.delete_secret(SecretId="airflow/connections/example", RecoveryWindowInDays=30)
    _forget(secrets, ["airflow/connections/example", "airflow/connections/never"])
    secrets.create_secret(Name="airflow/connections/example", SecretString="{}")
