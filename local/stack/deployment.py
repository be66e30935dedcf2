"""What the template needs to know of this stack, and what its outputs mean to Airflow."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.aws.connections import HOSTS, KEY
from infra.aws.outputs import OutputError, settings_of
from infra.deploy.deploy import deploy_local
from local.stack.home import ROOT, Home
from local.stack.ports import LOOPBACK, Ports

ACCOUNT_REGION = "us-east-1"
ROLE_PREFIX = "arn:aws:iam::000000000000:role/listings-local-"
AIRFLOW_ROLE = f"{ROLE_PREFIX}airflow"
COPY_ROLE = f"{ROLE_PREFIX}redshift-copy"

# What the deployed functions and resources are made from.
DEPLOYED = (
    "infra/__init__.py",
    "infra/aws/*.py",
    "infra/package/*.py",
    "infra/deploy/*.py",
    "infra/*.yaml",
    "lambda_functions/**/*",
    "include/schemas/**/*",
    "include/__init__.py",
    "include/contract/*.py",
    "include/base/__init__.py",
    "include/base/claims.py",
    "include/base/refusals.py",
    "include/base/searches.py",
    "requirements/local.txt",
)


@dataclass(frozen=True)
class Deployment:
    """The deployed template: its outputs by name, and the key of the user who may only assume its role."""

    outputs: dict[str, str]
    base_access_key_id: str
    base_secret_access_key: str

    def settings(self) -> dict[str, str]:
        """The LISTINGS_* variables that the outputs give; raises OutputError when one is not among them."""
        return settings_of(self.outputs)


def deploy(home: Home, ports: Ports, say: Callable[[str], None]) -> Deployment:
    """Deploys the template to this stack's MiniStack and puts Airflow's connections into its secrets."""
    done = deploy_local(
        f"http://{LOOPBACK}:{ports.ministack}",
        home.path / "build",
        connections(ports, home.secrets()),
        say,
    )
    deployment = Deployment(done.outputs, done.base_access_key_id, done.base_secret_access_key)
    deployment.settings()
    for output, expected in (("AirflowRoleArn", AIRFLOW_ROLE), ("RedshiftCopyRoleArn", COPY_ROLE)):
        if deployment.outputs.get(output) != expected:
            raise OutputError(
                f"infra/template.yaml: output {output} is {deployment.outputs.get(output)}, and the "
                f"connections were written for {expected}. Change ROLE_PREFIX in {__name__}."
            )
    return deployment


def fingerprint() -> str:
    """A hash of all that a deploy depends on, to see whether what runs is what the checkout has."""
    digest = hashlib.sha256()
    for pattern in DEPLOYED:
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def connections(ports: Ports, secrets: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Airflow's connections by name, as the JSON that Airflow reads from Secrets Manager."""
    return {
        **{name: _family(ports, secrets, host) for name, host in HOSTS.items()},
        "aws_s3_conn": {
            "conn_type": "aws",
            "extra": {"role_arn": AIRFLOW_ROLE, "region_name": ACCOUNT_REGION},
        },
        "conn_id_redshift": {
            "conn_type": "redshift",
            "host": LOOPBACK,
            "port": ports.redshift,
            "schema": "listings",
            "login": "loader",
            "password": secrets["loader"],
            "extra": {"ssl": False},
        },
        # A connection of its own, without a region: Parquet COPY refuses the REGION clause that one adds.
        "redshift_copy_role": {"conn_type": "aws", "extra": {"role_arn": COPY_ROLE}},
    }


def _family(ports: Ports, secrets: Mapping[str, str], host: str) -> dict[str, Any]:
    """An API family's connection; what is in its extra goes out as headers with every request."""
    return {
        "conn_type": "http",
        "host": f"http://{LOOPBACK}",
        "port": ports.api,
        "extra": {KEY: secrets["listing_api_key"], "x-rapidapi-host": host},
    }
