"""Knows how to bring a CloudFormation stack to a template by change set, and how to say why it failed."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from infra.aws.account import DeployError

_SETTLED_WELL = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}
# CloudFormation updates none of these: they hold nothing and have to go before a stack of the name is made.
_LEFTOVERS = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS"}
_NOTHING_TO_DO = ("didn't contain changes", "No updates are to be performed")
_CONSEQUENCE = "cancelled"
_SEE_OTHER_EVENTS = "Call DescribeEvents"


class Declined(DeployError):
    """The changes were shown and not agreed to."""


@dataclass(frozen=True)
class Stack:
    """A stack by name, the client that reaches it, whom to tell what happens to it, and who agrees to it."""

    cloudformation: Any
    name: str
    say: Callable[[str], None]
    poll_seconds: float
    agree: Callable[[], bool] = lambda: True
    patience_seconds: float = 3600.0

    def apply(self, template: Mapping[str, str], parameters: Mapping[str, str | None]) -> dict[str, str]:
        """Creates or updates the stack and waits; returns its outputs.

        `template` is its TemplateBody, or its TemplateURL when it is longer than a request takes (51,200 bytes).
        A parameter that is None stays what it was, and is the template's default when there was none. A stack
        that a failed creation left behind is deleted first. No difference is no error. Raises Declined when
        `agree` says no to the changes, with nothing changed, and DeployError with the failing resource's own
        reason when the stack does not come to stand.
        """
        exists = self.exists()
        kept = set(self.parameters()) if exists else set()
        given = [
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items() if value is not None
        ]
        change_set = self._create_change_set(
            ChangeSetType="UPDATE" if exists else "CREATE",
            **template,
            Parameters=given
            + [
                {"ParameterKey": name, "UsePreviousValue": True}
                for name, value in parameters.items()
                if value is None and name in kept
            ],
        )
        if change_set is None:
            self.say(f"Stack {self.name}: no changes")
        else:
            self._execute(change_set)
        return self.outputs()

    def adopt_buckets(self, buckets: Mapping[str, str]) -> None:
        """Makes the stack out of buckets that an earlier one left: bucket name by logical id.

        They come in bare, so that the `apply` that follows sees every property of theirs as a change and sets
        it: an import alone leaves a bucket as it is, without its notifications if it has lost them.
        """
        template = {
            "Resources": {
                logical_id: {
                    "Type": "AWS::S3::Bucket",
                    "DeletionPolicy": "RetainExceptOnCreate",
                    "UpdateReplacePolicy": "Retain",
                    "Properties": {"BucketName": bucket},
                }
                for logical_id, bucket in buckets.items()
            }
        }
        change_set = self._create_change_set(
            ChangeSetType="IMPORT",
            TemplateBody=json.dumps(template),
            ResourcesToImport=[
                {
                    "ResourceType": "AWS::S3::Bucket",
                    "LogicalResourceId": logical_id,
                    "ResourceIdentifier": {"BucketName": bucket},
                }
                for logical_id, bucket in buckets.items()
            ],
        )
        if change_set is not None:
            self._execute(change_set)

    def exists(self) -> bool:
        """Whether there is a stack to update; what a failed creation left behind is deleted, and is none."""
        status = self._wait_until_settled()
        if status in _LEFTOVERS:
            self.say(f"Stack {self.name} is {status}: deleting what an earlier attempt left behind")
            self.delete()
            return False
        return status is not None

    def delete(self) -> None:
        """Deletes the stack and waits until it is gone; raises DeployError naming what would not go."""
        last_event = self._newest_event_id()
        self.cloudformation.delete_stack(StackName=self.name)
        status = self._wait_until_settled()
        if status not in {None, "DELETE_COMPLETE"}:
            raise DeployError(self._failure(status, last_event))

    def outputs(self) -> dict[str, str]:
        """The outputs of the stack by name."""
        found = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}

    def parameters(self) -> dict[str, str]:
        """The parameters that the stack has now, by name."""
        found = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        return {each["ParameterKey"]: each["ParameterValue"] for each in found.get("Parameters", [])}

    def _status(self) -> str | None:
        """The stack's status, None when there is no such stack."""
        try:
            stacks = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        status = str(stacks[0]["StackStatus"])
        return None if status == "DELETE_COMPLETE" else status

    def _wait_until_settled(self) -> str | None:
        deadline = time.monotonic() + self.patience_seconds
        while True:
            status = self._status()
            if status is None or status == "REVIEW_IN_PROGRESS" or not status.endswith("_IN_PROGRESS"):
                return status
            if time.monotonic() > deadline:
                raise DeployError(
                    f"Stack {self.name} is still {status} after {self.patience_seconds:.0f} s. Look at its "
                    "events in the CloudFormation console; run the deploy again when it has settled."
                )
            time.sleep(self.poll_seconds)

    def _execute(self, change_set: Mapping[str, Any]) -> None:
        for line in _described(change_set["Changes"]):
            self.say(line)
        if not self.agree():
            self.cloudformation.delete_change_set(ChangeSetName=change_set["ChangeSetName"], StackName=self.name)
            raise Declined(f"Stack {self.name} stays as it is: its changes were not agreed to.")
        # Events up to this one belong to earlier deploys.
        last_event = self._newest_event_id()
        self.cloudformation.execute_change_set(ChangeSetName=change_set["ChangeSetName"], StackName=self.name)
        status = self._wait_until_settled()
        if status not in _SETTLED_WELL:
            raise DeployError(self._failure(status, last_event))
        self.say(f"Stack {self.name}: {status}")

    def _create_change_set(self, **request: Any) -> dict[str, Any] | None:
        """The finished change set with all its changes; None when there is nothing to change."""
        name = f"deploy-{uuid.uuid4().hex[:12]}"
        self.cloudformation.create_change_set(
            StackName=self.name, ChangeSetName=name, Capabilities=["CAPABILITY_NAMED_IAM"], **request
        )
        while True:
            found = self.cloudformation.describe_change_set(StackName=self.name, ChangeSetName=name)
            if found["Status"] == "CREATE_COMPLETE":
                found["Changes"] = self._all_changes(found, name)
                return dict(found)
            if found["Status"] == "FAILED":
                break
            time.sleep(self.poll_seconds)
        reason = str(found.get("StatusReason", "no reason given"))
        self.cloudformation.delete_change_set(StackName=self.name, ChangeSetName=name)
        if any(phrase in reason for phrase in _NOTHING_TO_DO):
            return None
        raise DeployError(f"CloudFormation refused the change set for stack {self.name}: {reason}")

    def _all_changes(self, first_page: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
        changes = list(first_page["Changes"])
        token = first_page.get("NextToken")
        while token:
            page = self.cloudformation.describe_change_set(StackName=self.name, ChangeSetName=name, NextToken=token)
            changes += page["Changes"]
            token = page.get("NextToken")
        return changes

    def _newest_event_id(self) -> str | None:
        events = self._events()
        return str(events[0]["EventId"]) if events else None

    def _events(self) -> list[dict[str, Any]]:
        """The stack's events, newest first; none when there is no such stack."""
        try:
            return list(self.cloudformation.describe_stack_events(StackName=self.name)["StackEvents"])
        except ClientError as error:
            if "does not exist" in str(error):
                return []
            raise

    def _failure(self, status: str | None, last_event: str | None) -> str:
        failed = []
        for event in self._events():
            if event["EventId"] == last_event:
                break
            reason = event.get("ResourceStatusReason", "")
            if event["ResourceStatus"].endswith("_FAILED") and _CONSEQUENCE not in reason:
                failed.append(f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}")
        if any(_SEE_OTHER_EVENTS in reason for reason in failed):
            failed += self._validation_failures()
        # The first to fail is the cause; those after it often only follow from it.
        causes = "\n  ".join(reversed(failed)) or "no resource gave a reason; see the stack's events"
        return f"Stack {self.name} ended {status or 'deleted'} because of\n  {causes}"

    def _validation_failures(self) -> list[str]:
        """What CloudFormation found before it touched a resource: it tells that in events of another kind."""
        found = self.cloudformation.describe_events(StackName=self.name, Filters={"FailedEvents": True})
        return [
            f"{event.get('LogicalResourceId')} ({event.get('ResourceType')}): {event['ValidationStatusReason']}"
            for event in found["OperationEvents"]
            if "ValidationStatusReason" in event
        ]


def _described(changes: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line per change: what happens to which resource, and whether it is replaced."""
    lines = []
    for change in changes:
        resource = change["ResourceChange"]
        replaced = " (replaced: the old one goes)" if resource.get("Replacement") == "True" else ""
        lines.append(f"  {resource['Action']:<7} {resource['LogicalResourceId']} {resource['ResourceType']}{replaced}")
    return lines
