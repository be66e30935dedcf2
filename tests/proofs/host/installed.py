"""The host after its first installation, shared by a file of tests, with what stands around it."""

from __future__ import annotations

import json
import os
import ssl
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from infra.aws.outputs import settings_of
from infra.deploy.deploy import LocalDeployment, deploy_local
from infra.host import env_file
from infra.host.health import ask
from infra.host.own_secrets import DATABASE_URL, UI_USER
from infra.package.release import Release, build_release
from tests.proofs.host.trial import TrialHost, Who, aws_of_the_host
from tests.support.ministack import REGION, RunningMiniStack, free_port
from tests.support.warehouse_fixture import SECRETS, Postgres, home

LOG_BUCKET = "listings-local-logs-000000000000"
MAY_LOG = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
            "Resource": [f"arn:aws:s3:::{LOG_BUCKET}", f"arn:aws:s3:::{LOG_BUCKET}/task-logs/*"],
        }
    ],
}


class Installed:
    """The host after its first installation."""

    def __init__(self, host: TrialHost, ministack: RunningMiniStack, release: Release, said: str) -> None:
        self.host, self.ministack, self.release, self.said = host, ministack, release, said
        self.layout = host.layout
        self.environment = env_file.read(self.layout.host_env)
        self.port = self.environment["AIRFLOW__API__PORT"]
        self.url = f"https://localhost:{self.port}"
        self.trust = ssl.create_default_context(cafile=str(self.layout.certificate))
        self._token = ""

    def health(self) -> dict[str, Any]:
        """What the api-server says of all components."""
        return ask(self.port, self.layout.certificate)

    def log_in(self, password: str, user: str = UI_USER) -> str:
        """A token for the user that there is from the start, or another."""
        return str(self._send("/auth/token", {"username": user, "password": password}, {})["access_token"])

    def call(self, path: str, body: Any = None) -> Any:
        """What the API answers to the one user."""
        if not self._token:
            self._token = self.log_in(json.loads(self.layout.passwords.read_text())[UI_USER])
        return self._send(path, body, {"Authorization": f"Bearer {self._token}"})

    def _send(self, path: str, body: Any, headers: dict[str, str]) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}{path}", data=data, headers={"Content-Type": "application/json", **headers}
        )
        with urllib.request.urlopen(request, timeout=30, context=self.trust) as answer:
            return json.loads(answer.read())

    def redrive(self) -> str:
        """Runs the DAG that needs nothing but AWS, and returns its run id when it has succeeded."""
        body = {"logical_date": None, "conf": {}}
        run_id = str(self.call("/api/v2/dags/redrive_listings/dagRuns", body)["dag_run_id"])
        deadline = time.monotonic() + 90
        while (run := self.call(f"/api/v2/dags/redrive_listings/dagRuns/{quote(run_id)}"))["state"] != "success":
            assert run["state"] != "failed", self.host.units.log("airflow-scheduler.service")[-3000:]
            assert time.monotonic() < deadline
            time.sleep(0.5)
        return run_id

    def database(self) -> psycopg.Connection[Any]:
        """A connection to Airflow's metadata, which commits each statement."""
        url = env_file.read(self.layout.secrets)[DATABASE_URL].replace("+psycopg2", "")
        return psycopg.connect(url, autocommit=True)

    def secrets(self) -> dict[str, bytes]:
        """Every file with a secret, by its path."""
        layout = self.layout
        paths = (layout.secrets, layout.passwords, layout.certificate_key, layout.certificate, layout.since)
        return {str(path): path.read_bytes() for path in paths}


def installed_host(folder: Path) -> Iterator[Installed]:
    """For a fixture: a host on which the bundle of this checkout was installed, beside AWS and a PostgreSQL."""
    with ExitStack() as stack:
        ministack = stack.enter_context(RunningMiniStack(folder / "ministack"))
        connections: dict[str, dict[str, Any]] = {"aws_s3_conn": {"conn_type": "aws", "extra": {"region_name": REGION}}}
        deployed = deploy_local(ministack.endpoint, folder / "build", connections)
        postgres = Postgres(stack.enter_context(home()))
        stack.callback(postgres.start().stop)
        postgres.create()
        host = TrialHost(Who.here(f"listings-{os.getpid()}"))
        stack.callback(host.end)
        host.extra(_instance(ministack, deployed))
        host.settings(_settings(deployed))
        release = build_release(folder)
        url = f"postgresql+psycopg2://airflow:{SECRETS['airflow']}@127.0.0.1:{postgres.port}/airflow"
        done = host.install(host.unpack(release), LISTINGS_DATABASE_URL=url)
        assert 0 == done.returncode, done.stdout + done.stderr
        yield Installed(host, ministack, release, done.stdout)


def _settings(deployed: LocalDeployment) -> dict[str, str]:
    """What a deploy would write into settings.env; here the pages are for this machine alone."""
    port = str(free_port())
    return {
        "AWS_DEFAULT_REGION": REGION,
        "LISTINGS_STAGE": "local",
        "LISTINGS_LOG_BUCKET": LOG_BUCKET,
        "LISTINGS_UI_HOST": "127.0.0.1",
        "LISTINGS_UI_PORT": port,
        "LISTINGS_UI_URL": f"https://127.0.0.1:{port}",
        **settings_of(deployed.outputs),
    }


def _instance(ministack: RunningMiniStack, deployed: LocalDeployment) -> dict[str, str]:
    """The identity of the instance: the Airflow role, which on AWS may also write task logs and metrics."""
    ministack.client("s3").create_bucket(Bucket=LOG_BUCKET)
    role = deployed.outputs["AirflowRoleArn"]
    ministack.client("iam").put_role_policy(
        RoleName=role.rpartition("/")[2], PolicyName="logs", PolicyDocument=json.dumps(MAY_LOG)
    )
    sts = ministack.client("sts", deployed.base_access_key_id, deployed.base_secret_access_key)
    session = sts.assume_role(RoleArn=role, RoleSessionName="host")["Credentials"]
    return aws_of_the_host(ministack.endpoint, session)
