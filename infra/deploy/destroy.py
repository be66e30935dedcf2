"""Knows how a stage on AWS is taken down, what goes with it and what is kept.

Usage: python -m infra.deploy.destroy --stage NAME [--region REGION] [--yes]
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from infra.aws.account import DeployError
from infra.deploy.command_line import ask, ended, say, stage_parser
from infra.deploy.deploy import Person, Place, kept_buckets
from infra.deploy.stage import place_of

GOES = (
    "Airflow with the history of its runs, Redshift with its tables, functions, queues with what waits in them, "
    "alarms, network, and the connections with the API key"
)
KEEPS = {
    "RawBucket": "all that was ever extracted: the warehouse can be loaded from it again",
    "LandingBucket": "what landed in the last 90 days, and the quota ledger",
    "CleanBucket": "clean sets, reports and exports",
    "LogBucket": "task logs of the last 90 days",
}


def destroy(place: Place, person: Person) -> dict[str, str]:
    """Deletes the stage's stack, its secrets and its code bucket; returns the buckets that are kept, by logical id.

    Says before what goes and what stays, and asks. Raises DeployError when there is nothing to take down, nobody
    agrees, or CloudFormation cannot delete something; then it may be run again.
    """
    stack = place.stack(person)
    exists = stack.exists()
    if not exists and not _is_there(place.code.s3, place.code.name):
        raise DeployError(f"There is no stack {place.stack_name} in {place.account.region}: nothing to take down.")
    kept = kept_buckets(place)
    person.say(f"Stack {place.stack_name} in account {place.account.account_id()}, region {place.account.region}")
    person.say(f"  goes  {GOES}")
    for logical_id, name in kept.items():
        person.say(f"  stays {name}: {KEEPS[logical_id]}")
    if not person.agree():
        raise DeployError("Nothing was taken down.")
    secrets = _secrets_of(stack.cloudformation, place.stack_name) if exists else []
    if exists:
        stack.delete()
        person.say(f"Stack {place.stack_name}: deleted")
    _forget(place.account.client("secretsmanager"), secrets)
    _delete_bucket(place.code.s3, place.code.name)
    person.say(f"Bucket {place.code.name}: deleted")
    for name in kept.values():
        person.say(f"Kept: {name}. To delete it too: empty it in the S3 console with all versions, then delete it")
    return kept


def _is_there(s3: Any, bucket: str) -> bool:
    return bucket in {each["Name"] for each in s3.list_buckets()["Buckets"]}


def _secrets_of(cloudformation: Any, stack_name: str) -> list[str]:
    """The ids of the stack's secrets."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_name)
    return [
        each["PhysicalResourceId"]
        for page in pages
        for each in page["StackResourceSummaries"]
        if each["ResourceType"] == "AWS::SecretsManager::Secret" and "PhysicalResourceId" in each
    ]


def _forget(client: Any, secrets: list[str]) -> None:
    """Ends the time in which a deleted secret keeps its name, so that the next stack can have it."""
    for secret in secrets:
        try:
            client.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise


def _delete_bucket(s3: Any, bucket: str) -> None:
    """Deletes a versioned bucket with all that is in it; it holds nothing that a checkout does not build again."""
    if not _is_there(s3, bucket):
        return
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        for each in found:
            s3.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])
    s3.delete_bucket(Bucket=bucket)


def main(arguments: list[str] | None = None) -> int:
    """Takes a stage down from the command line; on failure says why and returns 1."""
    chosen = stage_parser("destroy", __doc__, asks=True).parse_args(arguments)
    question = f"Type the stage's name, {chosen.stage}, to take it down: "
    person = Person(say, lambda: chosen.yes or ask(question) == chosen.stage)

    def do() -> None:
        destroy(place_of(chosen.stage, chosen.region), person)

    return ended(do)


if __name__ == "__main__":
    raise SystemExit(main())
