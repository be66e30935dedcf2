"""The order of a deploy on AWS, tried on the stand-in as far as it goes and on stand-ins of our own beyond."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.aws.account import LOCAL_REGION, AwsAccount, DeployError
from infra.aws.choices import Choices
from infra.deploy import aws
from infra.deploy.deploy import Person, Place
from tests.support.ministack import RunningMiniStack

HOST = "i-0123456789abcdef0"
IMAGE = "ami-0123456789abcdef0"
LAYER = "arn:aws:lambda:us-east-1:336392948345:layer:AWSSDKPandas-Python312:1"


class Stage:
    """A stage whose CloudFormation remembers what it was given, and whose other AWS is MiniStack."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, running: RunningMiniStack, build_dir: Path) -> None:
        self.build_dir, self.told = build_dir, list[str]()
        self.before: dict[str, str] = {}
        self.outputs: dict[str, str] = {"RedshiftWorkgroupArn": "arn:example", "AirflowInstanceId": HOST}
        self.given: dict[str, str | None] = {}
        self.after: list[str] = []
        self.place = Place(AwsAccount(running.endpoint, LOCAL_REGION), "dev")
        monkeypatch.setattr(aws, "_known_parameters", lambda stack: self.before)
        monkeypatch.setattr(aws.Place, "stack", lambda place, person: SimpleNamespace(outputs=lambda: self.outputs))
        monkeypatch.setattr(aws, "bring_up", self._bring_up)
        monkeypatch.setattr(aws, "build_layer", self._build_layer)
        monkeypatch.setattr(aws, "newest_image", lambda ssm: IMAGE)
        monkeypatch.setattr(aws, "set_usage_limit", lambda account, arn, hours: hours or 16)
        monkeypatch.setattr(aws, "update_host", lambda ssm, host, say: self.after.append(f"update {host}"))
        monkeypatch.setattr(aws, "make_pool", lambda mwaa, name, slots: self.after.append(f"pool of {slots} in {name}"))

    def deploy(self, **choices: Any) -> dict[str, str]:
        """Deploys with these choices."""
        person = Person(say=self.told.append)
        return aws.deploy(self.place, Choices(**choices), build_dir=self.build_dir, person=person)

    def _bring_up(self, place: Any, person: Person, parameters: dict[str, str | None]) -> dict[str, str]:
        self.given = parameters
        return self.outputs

    def _build_layer(self, out_dir: Path, *, with_pyarrow: bool) -> Path:
        path = out_dir / f"runtime-{'whole' if with_pyarrow else 'small'}.zip"
        path.write_bytes(b"zip")
        return path


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A stage that was never deployed."""
    with RunningMiniStack(tmp_path / "ministack") as running:
        yield Stage(monkeypatch, running, tmp_path)


def test_first_deploy_names_everything_and_leaves_the_rest_to_the_template(stage: Stage) -> None:
    """Code, layer, release and image are named; what nobody chose is the template's default; no host is updated."""
    stage.deploy(ui_cidr="203.0.113.7/32")
    assert {"Project": "listings", "Stage": "dev", "ImageId": IMAGE, "UiCidr": "203.0.113.7/32"}.items() <= (
        stage.given.items()
    )
    assert "layers/runtime-whole.zip" == stage.given["RuntimeLayerKey"]
    assert str(stage.given["ReleaseKey"]).startswith("releases/listings-")
    assert None is stage.given["AlarmEmail"]
    assert [] == stage.after
    assert "Redshift takes no more queries after 16 RPU hours a day" in stage.told


def test_next_deploy_keeps_image_and_choices_and_updates_the_host(stage: Stage) -> None:
    """A stage that is there keeps its image, and its host is told of the release."""
    stage.before = {"ImageId": IMAGE, "AirflowOn": "ec2", "LayerArn": LAYER}
    stage.deploy()
    assert None is stage.given["ImageId"]
    assert "layers/runtime-small.zip" == stage.given["RuntimeLayerKey"]
    assert [f"update {HOST}"] == stage.after


def test_new_host_is_made_when_asked_for(stage: Stage) -> None:
    """With new_host the image is looked up again, and even if it is the same the host becomes another."""
    stage.before = {"ImageId": IMAGE, "AirflowOn": "ec2", "HostGeneration": "first"}
    stage.deploy()
    assert None is stage.given["HostGeneration"]
    stage.deploy(new_host=True)
    assert IMAGE == stage.given["ImageId"]
    assert stage.given["HostGeneration"] not in (None, "first")


def test_mwaa_is_given_its_package_and_a_pool(stage: Stage) -> None:
    """Where Airflow is on MWAA the versions of its files are named, and the pool is made after."""
    stage.outputs = {"RedshiftWorkgroupArn": "arn:example", "MwaaEnvironmentName": "listings-dev"}
    stage.deploy(airflow_on="mwaa")
    assert all(stage.given[f"Mwaa{kind}Version"] for kind in ("Plugins", "Requirements", "Startup"))
    assert ["pool of 2 in listings-dev"] == stage.after


def test_wrong_choice_is_refused_before_anything_is_built(stage: Stage) -> None:
    """What CloudFormation would refuse is named by its variable, and nothing is uploaded."""
    with pytest.raises(DeployError, match=r"UI_CIDR=0.0.0.0/0: expected empty, or one range of IPv4"):
        stage.deploy(ui_cidr="0.0.0.0/0")
    assert [] == stage.place.code.s3.list_buckets()["Buckets"]


def test_what_was_chosen_can_be_taken_back(stage: Stage) -> None:
    """ "none" empties what may be empty, and means itself where it is a value."""
    stage.deploy(ui_cidr="none", alarm_email="none", airflow_on="none")
    assert ("", "", "none") == tuple(stage.given[name] for name in ("UiCidr", "AlarmEmail", "AirflowOn"))
