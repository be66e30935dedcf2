"""What the template grants, one action on one resource at a time, and a stack from which one of them is taken.

Both branches of an `Fn::If` are granted, unless it is asked what the stand-in is given: then conditions are evaluated
with their parameters' defaults, which are those of the local stage.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.support.deployed_stack import Deployed
from tests.support.template import as_list, without_intrinsics


@dataclass(frozen=True)
class Grant:
    """One action on one resource, as a statement of a role, a user or a resource's own policy gives it.

    In a trust policy, whose resource is the role itself, `resource` is who may become it.
    """

    holder: str
    sid: str
    action: str
    resource: str

    @property
    def is_trust(self) -> bool:
        """Whether it lies in a role's trust policy."""
        return self.holder.endswith("Role") and self.action == "sts:AssumeRole"

    def __str__(self) -> str:
        """The id of its case."""
        return f"{self.holder} {self.sid} {self.action} {self.resource}"


@dataclass(frozen=True)
class Statement:
    """A policy statement; resources and principals by their short names, conditions by their keys."""

    holder: str
    sid: str
    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    principals: tuple[str, ...]
    conditions: tuple[str, ...]
    keys: tuple[str, ...]
    """The elements that it is made of."""

    @property
    def grants(self) -> list[Grant]:
        """What it allows, piece by piece."""
        pairs = [(action, resource) for action in self.actions for resource in self.resources or self.principals]
        return [Grant(self.holder, self.sid, *pair) for pair in pairs] if self.effect == "Allow" else []


def statements_of(template: dict[str, Any], *, locally: bool = False) -> list[Statement]:
    """Every statement of every policy in the template; `locally` those only that the stand-in is given."""
    found = []
    for holder, part in template["Resources"].items():
        if locally and not is_local(template, part):
            continue
        for document in _documents(template, part.get("Properties", {}), locally):
            for statement in _flat(template, document["Statement"], locally):
                found.append(_statement(template, holder, statement, locally))
    return found


def is_local(template: dict[str, Any], part: dict[str, Any]) -> bool:
    """Whether the stand-in is given this resource."""
    return "Condition" not in part or _holds(template, part["Condition"])


def short(reference: Any) -> str:
    """A resource as people call it: `LandingBucket/listings/*`, `CopyQueue`, `secret:airflow/connections/*`."""
    text = re.sub(r"\$\{AWS::\w+\}", "", without_intrinsics(reference))
    text = re.sub(r"^arn:[^:]*:[^:]*:[^:]*:[^:]*:", "", text).replace("${Project}-${Stage}-", "")
    return re.sub(r"\$\{(\w+)(?:\.Arn)?\}", r"\1", text).removesuffix(".Arn")


def _documents(template: dict[str, Any], properties: dict[str, Any], locally: bool) -> Iterator[dict[str, Any]]:
    for policy in _flat(template, properties.get("Policies", []), locally):
        yield policy["PolicyDocument"]
    for name in ("PolicyDocument", "AssumeRolePolicyDocument", "ResourcePolicy"):
        if isinstance(document := properties.get(name), dict) and "Statement" in document:
            yield document


def _statement(template: dict[str, Any], holder: str, statement: dict[str, Any], locally: bool) -> Statement:
    flat = partial(_flat, template, locally=locally)
    principals = [
        short(who)
        for each in flat(statement.get("Principal", []))
        for who in (flat(list(each.values())) if isinstance(each, dict) else [each])
    ]
    return Statement(
        holder,
        statement["Sid"],
        statement["Effect"],
        tuple(flat(statement.get("Action", []))),
        (
            *map(short, flat(statement.get("Resource", []))),
            *(f"all but {short(each)}" for each in flat(statement.get("NotResource", []))),
        ),
        tuple(principals),
        tuple(key for operator in statement.get("Condition", {}).values() for key in operator),
        tuple(statement),
    )


def _flat(template: dict[str, Any], value: Any, locally: bool) -> list[Any]:
    """A value or list of values as a list, with the branches of each Fn::If in its place and without NoValue."""
    if isinstance(value, list):
        return [inside for each in value for inside in _flat(template, each, locally)]
    if value == {"Ref": "AWS::NoValue"}:
        return []
    if isinstance(value, dict) and "Fn::If" in value:
        condition, *branches = value["Fn::If"]
        if locally:
            branches = branches[:1] if _holds(template, condition) else branches[1:]
        return _flat(template, branches, locally)
    return [value]


def _holds(template: dict[str, Any], condition: Any) -> bool:
    """Whether a condition is met where every parameter has its default."""
    if isinstance(condition, str):
        return _holds(template, template["Conditions"][condition])
    [(kind, inside)] = condition.items()
    if kind == "Condition":
        return _holds(template, inside)
    if kind == "Fn::Equals":
        left, right = (
            template["Parameters"][each["Ref"]].get("Default") if isinstance(each, dict) else each for each in inside
        )
        return bool(str(left) == str(right))
    met = [_holds(template, each) for each in inside]
    return {"Fn::Not": not met[0], "Fn::And": all(met), "Fn::Or": any(met)}[kind]


@dataclass(frozen=True)
class _Policy:
    """A policy of the deployed stack, and how it is put; None as a document takes it away."""

    document: dict[str, Any]
    put: Callable[[dict[str, Any] | None], object]


@contextmanager
def without(deployed: Deployed, template: dict[str, Any], grant: Grant) -> Iterator[None]:
    """While it lasts the deployed stack does not give the one grant; all others of its statement stay."""
    policy = _policy(deployed, grant)
    given = [s for s in statements_of(template, locally=True) if (s.holder, s.sid) == (grant.holder, grant.sid)]
    [names] = [statement.resources or statement.principals for statement in given]
    left = [
        piece
        for statement in policy.document["Statement"]
        for piece in (_rest(statement, grant, names) if statement["Sid"] == grant.sid else [statement])
    ]
    policy.put({**policy.document, "Statement": left} if left else None)
    try:
        yield
    finally:
        policy.put(policy.document)


def _rest(statement: dict[str, Any], grant: Grant, names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """What is left of a statement: its other actions on everything, and the action on its other resources."""
    if grant.is_trust:  # locally each role trusts one
        assert (grant.resource,) == names
        return
    actions, resources = as_list(statement["Action"]), as_list(statement["Resource"])
    assert len(names) == len(resources), f"{grant}: deployed for {resources}, in the template for {names}"
    assert grant.action in actions
    if others := [action for action in actions if action != grant.action]:
        yield {**statement, "Action": others}
    if others := [arn for name, arn in zip(names, resources, strict=True) if name != grant.resource]:
        yield {**statement, "Sid": f"{statement['Sid']}Others", "Action": grant.action, "Resource": others}


def _policy(deployed: Deployed, grant: Grant) -> _Policy:
    """The deployed policy that has the grant's statement."""
    if grant.holder.endswith("QueuePolicy"):
        return _queue_policy(deployed, grant.holder.removesuffix("Policy"))
    if grant.is_trust:
        return _trust_policy(deployed, grant.holder)
    kind, name = _identity(deployed, grant.holder)
    iam, who = deployed.root("iam"), {f"{kind.capitalize()}Name": name}
    for policy in getattr(iam, f"list_{kind}_policies")(**who)["PolicyNames"]:
        document = getattr(iam, f"get_{kind}_policy")(**who, PolicyName=policy)["PolicyDocument"]
        if any(statement["Sid"] == grant.sid for statement in document["Statement"]):
            return _Policy(document, partial(_put_inline, iam, kind, {**who, "PolicyName": policy}))
    raise AssertionError(f"no deployed policy has {grant}")


def _identity(deployed: Deployed, holder: str) -> tuple[str, str]:
    """Kind and name of a role or user, by its logical id."""
    if holder == "AirflowBaseUser":
        return "user", deployed.outputs["AirflowBaseUserName"]
    return "role", deployed.outputs[f"{holder}Arn"].rpartition("/")[2]


def _put_inline(iam: Any, kind: str, names: dict[str, str], document: dict[str, Any] | None) -> None:
    if document is None:
        getattr(iam, f"delete_{kind}_policy")(**names)
    else:
        getattr(iam, f"put_{kind}_policy")(**names, PolicyDocument=json.dumps(document))


def _trust_policy(deployed: Deployed, holder: str) -> _Policy:
    iam, (_, name) = deployed.root("iam"), _identity(deployed, holder)
    document = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    nobody = copy.deepcopy(document)
    for statement in nobody["Statement"]:
        statement["Principal"] = {"Service": "scheduler.amazonaws.com"}  # a trust policy has somebody in it

    def put(wanted: dict[str, Any] | None) -> None:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(wanted or nobody))

    return _Policy(document, put)


def _queue_policy(deployed: Deployed, queue: str) -> _Policy:
    sqs, url = deployed.root("sqs"), deployed.outputs[f"{queue}Url"]
    text = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]

    def put(wanted: dict[str, Any] | None) -> None:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(wanted) if wanted else ""})

    return _Policy(json.loads(text), put)
