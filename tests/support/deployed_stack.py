"""The deployed stand-in that the tests of one module share, and the identities that work on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.deploy.deploy import LocalDeployment, deploy_local
from tests.support.ministack import RunningMiniStack

CONNECTIONS: dict[str, dict[str, Any]] = {
    "zillow_api": {"conn_type": "http", "host": "127.0.0.1", "password": "example-key-not-real"},
    "aws_s3_conn": {"conn_type": "aws", "extra": {"region_name": "us-east-1"}},
}

Identity = Callable[[str], Any]


@dataclass(frozen=True)
class Deployed:
    """A MiniStack with the stack on it, and clients for whoever works there: `identity(service)`."""

    ministack: RunningMiniStack
    deployment: LocalDeployment

    @property
    def outputs(self) -> dict[str, str]:
        """The outputs of the stack."""
        return self.deployment.outputs

    def root(self, service: str) -> Any:
        """A client of the account's root, whom no policy holds back."""
        return self.ministack.client(service)

    def base(self, service: str) -> Any:
        """A client of the user that Airflow starts as."""
        key = self.deployment
        return self.ministack.client(service, key.base_access_key_id, key.base_secret_access_key)

    def airflow(self, service: str) -> Any:
        """A client of the Airflow role, assumed by the base user, as Airflow does it."""
        return self._assumed(self.base("sts"), "AirflowRoleArn", service)

    def copy(self, service: str) -> Any:
        """A client of the copy function's role. MiniStack lets root assume what only Lambda may on AWS."""
        return self._assumed(self.root("sts"), "CopyRoleArn", service)

    def transform(self, service: str) -> Any:
        """A client of the transform function's role, assumed by root as the copy function's is."""
        return self._assumed(self.root("sts"), "TransformRoleArn", service)

    def redshift(self, service: str) -> Any:
        """A client of the role of COPY, assumed by the account as the local endpoint does it."""
        return self._assumed(self.root("sts"), "RedshiftCopyRoleArn", service)

    def _assumed(self, sts: Any, role_output: str, service: str) -> Any:
        session = sts.assume_role(RoleArn=self.outputs[role_output], RoleSessionName="a-test")["Credentials"]
        return self.ministack.client(
            service, session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"]
        )


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The template on a MiniStack of this module's own."""
    home: Path = tmp_path_factory.mktemp("ministack")
    with RunningMiniStack(home) as ministack:
        yield Deployed(ministack, deploy_local(ministack.endpoint, home / "build", CONNECTIONS))
