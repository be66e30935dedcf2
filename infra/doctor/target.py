"""Knows what is examined: a stage on AWS or a local stack, and the facts about it that several checks need."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.aws.account import LOCAL_REGION, LOCAL_STAGE
from infra.aws.code_bucket import code_bucket_name
from infra.aws.connections import CONNECTIONS_PREFIX, current_value
from infra.deploy.deploy import PROJECT
from infra.doctor.clients import Factory, aws_clients, local_clients
from infra.doctor.finding import Stopped, needs, skip

ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Caller:
    """Who the credentials belong to."""

    account: str
    arn: str


@dataclass(frozen=True, kw_only=True)
class Target:
    """What the checks ask about. `endpoint_url` and `home` are those of the local stack, None on AWS.

    `clients` is None for a local stack that is not up. `ports` are the local stack's, by name.
    `asks_api`: whether one request may be spent on the listing API.
    """

    stage: str
    region: str
    clients: Factory | None
    endpoint_url: str | None = None
    home: Path | None = None
    ports: Mapping[str, int] = field(default_factory=dict)
    root: Path = ROOT
    dags: Path = ROOT / "dags"
    asks_api: bool = True
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    # What one check leaves for those that come after it.
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def is_local(self) -> bool:
        """Whether it is the stand-in on this machine."""
        return self.stage == LOCAL_STAGE

    @property
    def stack_name(self) -> str:
        """The CloudFormation stack's name."""
        return f"{PROJECT}-{self.stage}"

    def short(self, name: str) -> str:
        """A name of the stack's without what all of them have: the stack's name and the account."""
        return name.removeprefix(f"{self.stack_name}-").removesuffix(f"-{self.caller.account}")

    def command(self, verb: str) -> str:
        """The make command that does `verb` for this stage, deploy or secrets.

        Locally `make up` deploys a changed checkout, and puts the secrets when the stand-in was started.
        """
        if self.is_local:
            return "make up" if verb == "deploy" else "make down; make up"
        return f"make {verb} STAGE={self.stage} REGION={self.region}"

    def client(self, service: str) -> Any:
        """A boto3 client."""
        if self.clients is None:
            raise Stopped(needs("stack"))
        return self.clients(service)

    @cached_property
    def caller(self) -> Caller:
        """Account and ARN of the credentials; raises what botocore raises."""
        found = self.client("sts").get_caller_identity()
        self.notes["caller"] = found["Arn"]
        return Caller(found["Account"], found["Arn"])

    @property
    def code_bucket(self) -> str:
        """Where a deploy puts the functions' code; it is there before the stack."""
        return code_bucket_name(self.stack_name, self.caller.account)

    @cached_property
    def stack(self) -> dict[str, Any] | None:
        """The stack as CloudFormation describes it, None when there is none."""
        try:
            told = self.client("cloudformation").describe_stacks(StackName=self.stack_name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        found: dict[str, Any] = told[0]
        return None if found["StackStatus"] in ("DELETE_COMPLETE", "REVIEW_IN_PROGRESS") else found

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs, empty without a stack. The stand-in keeps URLs of its first port: see `queue_url`."""
        stack = self.stack or {}
        return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}

    def parameter(self, name: str) -> str:
        """What the stack was told; empty for a parameter that it does not have."""
        told = (self.stack or {}).get("Parameters", [])
        return next((str(each["ParameterValue"]) for each in told if each["ParameterKey"] == name), "")

    def output(self, name: str) -> str:
        """One output; a stack without it was made by another version of the template."""
        if name not in self.outputs:
            raise Stopped(skip(f"the stack has no output {name}: it is of another version, {self.command('deploy')}"))
        return self.outputs[name]

    def queue_url(self, output: str) -> str:
        """A queue's URL, on today's port of the stand-in."""
        url = self.output(output)
        return f"{self.endpoint_url}/{url.split('/', 3)[3]}" if self.endpoint_url else url

    def secret(self, connection_id: str) -> str:
        """The text of an Airflow connection's secret; empty when it has no value or does not exist."""
        return current_value(self.client("secretsmanager"), f"{CONNECTIONS_PREFIX}{connection_id}") or ""

    def connection(self, connection_id: str) -> dict[str, Any]:
        """An Airflow connection with its extra unpacked; ends the check where the connections' own check says why."""
        try:
            return unpacked(self.secret(connection_id))
        except ValueError:
            raise Stopped(skip(f"connection {connection_id} cannot be read: see connections")) from None


def unpacked(text: str) -> dict[str, Any]:
    """A connection from Airflow's JSON, its `extra` as an object; ValueError for what is none."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("expected an object")
    extra = found.get("extra") or {}
    if isinstance(extra, str):
        extra = json.loads(extra)
    if not isinstance(extra, dict):
        raise ValueError("expected an object in extra")
    return {**found, "extra": extra}


def aws_target(stage: str, region: str) -> Target:
    """The stage on AWS, with the caller's credentials."""
    return Target(stage=stage, region=region, clients=aws_clients(region))


def local_target(home: Path) -> Target:
    """The local stack in `home`, as its `up` left it in run/state.json."""
    try:
        ports = dict(json.loads((home / "run" / "state.json").read_text(encoding="utf-8"))["ports"])
        endpoint = f"http://{LOOPBACK}:{ports['ministack']}"
    except (OSError, ValueError, KeyError, TypeError):
        return Target(stage=LOCAL_STAGE, region=LOCAL_REGION, clients=None, home=home)
    clients = local_clients(endpoint)
    return Target(
        stage=LOCAL_STAGE, region=LOCAL_REGION, clients=clients, endpoint_url=endpoint, home=home, ports=ports
    )
