"""Knows what every deploy does: build, upload, take over kept buckets, change set, and a look at the functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.aws.account import LOCAL_REGION, LOCAL_STAGE, AwsAccount, DeployError
from infra.aws.artifacts import digest
from infra.aws.change_set import Stack
from infra.aws.code_bucket import CodeBucket
from infra.aws.connections import put_connections
from infra.deploy.local_identity import issue_base_key
from infra.package.build import build

TEMPLATE = Path(__file__).resolve().parents[1] / "template.yaml"
PROJECT = "listings"
# What outlives the stack, by logical id; the names end in <kind>-<account>.
KEPT = {"LandingBucket": "landing", "RawBucket": "raw", "CleanBucket": "clean", "LogBucket": "logs"}


@dataclass(frozen=True)
class LocalDeployment:
    """The stack's outputs by name, and the key of the user who may only assume the Airflow role."""

    outputs: dict[str, str]
    base_access_key_id: str
    base_secret_access_key: str


@dataclass(frozen=True)
class Person:
    """Who deploys: is told what happens, and agrees to a change set or not."""

    say: Callable[[str], None] = lambda line: None
    agree: Callable[[], bool] = lambda: True


@dataclass(frozen=True)
class Place:
    """Where a stage is: its account, its stack and the bucket that the stack is made from."""

    account: AwsAccount
    stage: str
    code: CodeBucket = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", CodeBucket.of(self.account, self.stack_name))

    @property
    def stack_name(self) -> str:
        """The name of the stage's stack."""
        return f"{PROJECT}-{self.stage}"

    def stack(self, person: Person) -> Stack:
        """The stage's stack, which may not be there yet."""
        cloudformation = self.account.client("cloudformation")
        return Stack(cloudformation, self.stack_name, person.say, self.account.poll_seconds, person.agree)


def deploy_local(
    endpoint: str,
    build_dir: Path,
    connections: dict[str, dict[str, Any]],
    say: Callable[[str], None] = lambda line: None,
) -> LocalDeployment:
    """Deploys to the MiniStack at `endpoint` and makes it ready for Airflow; again does no harm.

    `connections` holds Airflow's connection JSON by connection id. Each call issues a new base key and ends
    the old one, so whoever works with the old one must be given the new. Raises DeployError.
    """
    place = Place(AwsAccount(endpoint, LOCAL_REGION), LOCAL_STAGE)
    outputs = _reached_through(endpoint, bring_up(place, Person(say), put_functions(place, build_dir)))
    put_connections(place.account, connections)
    key_id, secret = issue_base_key(place.account, outputs["AirflowBaseUserName"])
    return LocalDeployment(outputs, key_id, secret)


def bring_up(place: Place, person: Person, parameters: Mapping[str, str | None]) -> dict[str, str]:
    """Brings the stack to the template; buckets that an earlier stack left are taken over first."""
    stack = place.stack(person)
    if not stack.exists():
        kept = kept_buckets(place)
        if kept:
            person.say(f"Taking over what an earlier stack left: {', '.join(kept.values())}")
            stack.adopt_buckets(kept)
    text = TEMPLATE.read_bytes()
    key = place.code.put_bytes(f"templates/{digest({TEMPLATE.name: text})}.yaml", text)
    outputs = stack.apply({"TemplateURL": place.code.url(key)}, parameters)
    _require_code(place.account.client("lambda"), outputs)
    return outputs


def put_functions(place: Place, build_dir: Path) -> dict[str, str | None]:
    """Builds and uploads the functions; the parameters that name them."""
    place.code.ensure()
    bundle = build(build_dir)
    return {
        "Project": PROJECT,
        "Stage": place.stage,
        "CodeBucket": place.code.name,
        "CopyCodeKey": place.code.put("functions", bundle.copy_zip),
        "TransformCodeKey": place.code.put("functions", bundle.transform_zip),
        "TransformVersion": bundle.transform_version,
    }


def kept_buckets(place: Place) -> dict[str, str]:
    """The data buckets that are there without a stack, by logical id: deleted stacks leave them, and crashes."""
    account = place.account.account_id()
    wanted = {logical_id: f"{place.stack_name}-{kind}-{account}" for logical_id, kind in KEPT.items()}
    there = {bucket["Name"] for bucket in place.code.s3.list_buckets()["Buckets"]}
    return {logical_id: name for logical_id, name in wanted.items() if name in there}


def _require_code(functions: Any, outputs: Mapping[str, str]) -> None:
    """A zip that is not where the template says is no error to the stand-in: the function is just empty."""
    for output in ("CopyFunctionName", "TransformFunctionName"):
        name = outputs[output]
        if functions.get_function_configuration(FunctionName=name)["CodeSize"] <= 0:
            raise DeployError(
                f"Function {name} was deployed without code: its zip was not in the code bucket. "
                "Delete the stack, which keeps the buckets, and deploy again."
            )


def _reached_through(endpoint_url: str, outputs: Mapping[str, str]) -> dict[str, str]:
    """The outputs with URLs on today's port: the stand-in keeps those of the port it was deployed on."""
    return {
        name: re.sub(r"^http://127\.0\.0\.1:\d+", endpoint_url.rstrip("/"), value) for name, value in outputs.items()
    }
