"""A stage by its name: what it may be called, which region it is in, and how its commands end badly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import NoCredentialsError
from botocore.parsers import ResponseParserError

from infra.aws.account import DeployError
from infra.aws.parameters import declared, refuse_wrong
from infra.deploy.command_line import ended
from infra.deploy.stage import place_of
from tests.support.ministack import ACCOUNT, RunningMiniStack


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A MiniStack on which stage dev is in eu-west-1."""
    with RunningMiniStack(tmp_path_factory.mktemp("ministack")) as running:
        running.client("s3").create_bucket(
            Bucket=f"listings-dev-code-{ACCOUNT}", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        yield running.endpoint


class TestPlace:
    """Where a stage is."""

    def test_stage_remembers_its_region(self, endpoint: str) -> None:
        """Without a region, and with its own, a stage is where it was deployed."""
        assert "eu-west-1" == place_of("dev", None, endpoint).account.region
        assert "eu-west-1" == place_of("dev", "eu-west-1", endpoint).account.region

    def test_another_region_is_refused(self, endpoint: str) -> None:
        """A stage that is elsewhere is not deployed, read or taken down here."""
        with pytest.raises(DeployError, match=r"Stage dev is in eu-west-1, not in us-east-1. Leave REGION away"):
            place_of("dev", "us-east-1", endpoint)

    def test_new_stage_is_where_one_says(self, endpoint: str) -> None:
        """A stage that is nowhere yet is in the region given, or in us-east-1."""
        assert "eu-central-1" == place_of("prod", "eu-central-1", endpoint).account.region
        assert "us-east-1" == place_of("prod", None, endpoint).account.region

    @pytest.mark.parametrize("stage", ["Dev-1", "d", "de v;x", "local", "prod-2"])
    def test_name_that_cannot_be_is_refused_before_aws_is_asked(self, stage: str) -> None:
        """A stage is 2 to 10 small letters or digits, and local is none; AWS, which is not there, is not asked."""
        with pytest.raises(DeployError, match=r"Stage local is the stand-in|STAGE=.*: expected 2 to 10 lower-case"):
            place_of(stage, None, "http://127.0.0.1:9")


class TestParameters:
    """What the template takes is refused early."""

    @pytest.mark.parametrize(
        ("name", "value", "complaint"),
        [
            ("InstanceType", "t4g.medium", "INSTANCE=t4g.medium: expected one of t2.medium, "),
            ("RedshiftBaseRpu", "3", "RedshiftBaseRpu=3: expected a number from 4 to 512"),
            ("RedshiftBaseRpu", "eight", "expected a number"),
            ("MonthlyBudget", "0", "MonthlyBudget=0: expected a number from 1"),
            ("AirflowOn", "ecs", "expected one of ec2, mwaa, none"),
            ("MwaaClass", "small", "expected something like mw1.small"),
            ("UiCidr", "203.0.113.7", "expected empty, or one range of IPv4"),
        ],
    )
    def test_what_cloudformation_would_refuse_is_named(self, name: str, value: str, complaint: str) -> None:
        """A wrong value is refused with what was expected."""
        with pytest.raises(DeployError, match=complaint):
            refuse_wrong({name: value}, {"InstanceType": "INSTANCE"})

    def test_what_is_right_or_left_out_passes(self) -> None:
        """The defaults themselves are right, and None is no value."""
        refuse_wrong({name: str(each["Default"]) for name, each in declared().items() if "Default" in each}, {})
        refuse_wrong(dict.fromkeys(declared()), {})


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DeployError("it could not be done"), "it could not be done"),
        (NoCredentialsError(), "aws configure"),
        (ResponseParserError("not XML"), "proxy"),
        (S3UploadFailedError("denied"), "denied"),
    ],
)
def test_command_ends_with_words(
    error: Exception, words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What goes wrong ends a command with 1 and says what it was; nothing of it on the stream for programs."""

    def fail() -> None:
        raise error

    assert 1 == ended(fail)
    out, told = capsys.readouterr()
    assert "" == out
    assert words in told
