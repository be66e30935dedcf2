"""What no policy may say without a reason: every resource, everything but, and handing a role to anybody."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from tests.support.needed_grants import statements_of
from tests.support.template import read_template

STATEMENTS = statements_of(read_template())

# Actions that know resources, and are allowed on every one all the same.
ON_EVERY_RESOURCE = {
    ("HostReportsWhetherAirflowIsWell", "cloudwatch:PutMetricData"): "metrics are no resources; its namespace is held",
    ("MwaaSendsMetrics", "cloudwatch:PutMetricData"): "metrics are no resources; MWAA's guide holds no namespace",
    ("SessionManagerReachesTheHost", "ssm:UpdateInstanceInformation"): "as in AWS's example; who calls is the instance",
}
ALL_BUT = {"MwaaOpensItsQueuesMessages": "a key of AWS's own account; none of ours, and through SQS only"}


@cache
def _known() -> dict[str, Any]:
    """AWS's list of actions, as cfn-lint carries it: service, action in lower case, the kinds of resources it knows."""
    text = (files("cfnlint") / "data" / "AdditionalSpecs" / "Policies.json").read_text(encoding="utf-8")
    services: dict[str, Any] = json.loads(text)
    return services


def knows_resources(action: str) -> bool:
    """Whether a policy can name the resources of an action; KeyError for an action that does not exist."""
    service, _, name = action.partition(":")
    return bool(_known()[service]["Actions"][name.lower()].get("Resources"))


def test_every_resource_is_meant_only_where_none_can_be_named() -> None:
    """`*` stands as a resource only for actions that know none, and for those listed here with a reason."""
    found = {
        (statement.sid, action)
        for statement in STATEMENTS
        if "*" in statement.resources
        for action in statement.actions
        if knows_resources(action)
    }
    assert set(ON_EVERY_RESOURCE) == found


def test_nothing_is_said_by_what_it_is_not() -> None:
    """No statement has NotAction or NotPrincipal, and NotResource only where it is listed here, with a condition."""
    found = {statement.sid for statement in STATEMENTS for key in statement.keys if key.startswith("Not")}
    assert set(ALL_BUT) == found
    for statement in STATEMENTS:
        assert not {"NotAction", "NotPrincipal"} & set(statement.keys), statement
        assert "NotResource" not in statement.keys or statement.conditions, statement


def test_no_role_is_handed_to_just_anybody() -> None:
    """Who may pass a role on may do so to a service that a condition names only."""
    for statement in STATEMENTS:
        if any(action.lower() in ("iam:passrole", "iam:*", "*") for action in statement.actions):
            assert "iam:PassedToService" in statement.conditions, statement


def test_the_list_knows_what_it_is_asked() -> None:
    """The list tells an action with resources from one without."""
    assert (True, False) == (knows_resources("s3:GetObject"), knows_resources("logs:DescribeLogGroups"))
