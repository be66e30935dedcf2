"""Knows how a bucket, its queue, its function and the dead letters must be joined up."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from infra.doctor.finding import Finding, Stopped, mend, ok
from infra.doctor.storage import rebuild
from infra.doctor.target import Target

PREFIX, SUFFIX = "listings/", "_manifest.json"


@dataclass(frozen=True)
class Link:
    """One step of the journey, by the outputs of its parts."""

    bucket: str
    queue: str
    function: str
    dead_letters: str


COPY = Link("LandingBucketName", "CopyQueue", "CopyFunctionName", "CopyDeadLetterQueueUrl")
TRANSFORM = Link("RawBucketName", "TransformQueue", "TransformFunctionName", "TransformDeadLetterQueueUrl")


def look_at_copy_queue(target: Target) -> Finding:
    """Whether a manifest in landing reaches the copy function."""
    return _look_at(target, COPY)


def look_at_transform_queue(target: Target) -> Finding:
    """Whether a manifest in raw reaches the transform function."""
    return _look_at(target, TRANSFORM)


def look_at_dead_letters(target: Target) -> Finding:
    """Whether anything lies in the dead-letter queues."""
    counts = {}
    for link in (COPY, TRANSFORM):
        url = target.queue_url(link.dead_letters)
        told = _attributes(target, url, "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        counts[url.rsplit("/", 1)[1]] = sum(int(count) for count in told.values())
    lying = [f"{count} in {name}" for name, count in counts.items() if count]
    if not lying:
        return ok("none")
    redrive = "make redrive" if target.is_local else "trigger redrive_listings in Airflow"
    return mend(f"dead letters: {', '.join(lying)}", f"mend the cause (the function's log says it), then {redrive}")


def _look_at(target: Target, link: Link) -> Finding:
    bucket, queue = target.output(link.bucket), target.output(f"{link.queue}Arn")
    told = _attributes(target, target.queue_url(f"{link.queue}Url"), "Policy", "RedrivePolicy")
    broken = [
        finding
        for finding in (
            _announced(target, bucket, queue),
            _let_in(target, told, bucket, queue),
            _drained(target, queue, target.output(link.function)),
            _redriven(target, told, queue, target.output(link.dead_letters)),
        )
        if finding is not None
    ]
    if broken:
        remedies = dict.fromkeys(finding.remedy for finding in broken)
        return mend("; ".join(finding.found for finding in broken), " ; ".join(remedies))
    return ok(f"{target.short(bucket)} tells it of manifests, {target.short(target.output(link.function))} reads it")


def _announced(target: Target, bucket: str, queue: str) -> Finding | None:
    """The bucket tells the queue of each manifest."""
    client = target.client("s3")
    try:
        told = client.get_bucket_notification_configuration(Bucket=bucket)
    except client.exceptions.NoSuchBucket:
        raise Stopped(mend(f"bucket {bucket} is gone, and what it told the queue", rebuild(target))) from None
    for each in told.get("QueueConfigurations", []):
        rules = {
            rule["Name"].lower(): rule["Value"] for rule in each.get("Filter", {}).get("Key", {}).get("FilterRules", [])
        }
        right = rules == {"prefix": PREFIX, "suffix": SUFFIX} and "s3:ObjectCreated:*" in each["Events"]
        if each["QueueArn"] == queue and right:
            return None
    return mend(f"{bucket} does not tell {_name(queue)} of new manifests ({PREFIX}…{SUFFIX})", rebuild(target))


def _let_in(target: Target, told: dict[str, str], bucket: str, queue: str) -> Finding | None:
    """The queue takes messages of that bucket."""
    statements = json.loads(told.get("Policy") or "{}").get("Statement", [])
    if any(_lets_in(each, f"arn:{queue.split(':')[1]}:s3:::{bucket}") for each in _listed(statements)):
        return None
    return mend(f"the policy of {_name(queue)} does not let {bucket} send to it", rebuild(target))


def _drained(target: Target, queue: str, function: str) -> Finding | None:
    """The function takes the queue's messages."""
    mappings = target.client("lambda").list_event_source_mappings(EventSourceArn=queue)["EventSourceMappings"]
    ours = [each for each in mappings if each["FunctionArn"].split(":function:")[-1].split(":")[0] == function]
    if not ours:
        others = ", ".join(_name(each["FunctionArn"]) for each in mappings) or "nobody"
        return mend(f"{_name(queue)} is read by {others}, not by {function}", rebuild(target))
    mapping = ours[0]
    if mapping["State"] in ("Enabled", "Enabling", "Creating", "Updating"):
        return None
    return mend(
        f"{function} does not read {_name(queue)}: the mapping is {mapping['State']}",
        _switch_on(target, mapping["UUID"], function),
    )


def _switch_on(target: Target, mapping: str, function: str) -> str:
    """How a mapping is enabled again, which costs nothing; the stand-in's root needs no signature."""
    if target.is_local:
        place = f"{target.endpoint_url}/2015-03-31/event-source-mappings/{mapping}"
        return f"""curl -sS --noproxy '*' -X PUT {place} -d '{{"Enabled": true}}'"""
    return (
        f"aws lambda update-event-source-mapping --uuid {mapping} --enabled --region {target.region} "
        f"(or Lambda console, {function}, Configuration, Triggers: enable it)"
    )


def _redriven(target: Target, told: dict[str, str], queue: str, dead_letters: str) -> Finding | None:
    """What fails again and again goes to the dead letters."""
    to = json.loads(told.get("RedrivePolicy") or "{}").get("deadLetterTargetArn", "")
    wanted = dead_letters.rsplit("/", 1)[1]
    if to and _name(to) == wanted:
        return None
    where = f"to {_name(to)}" if to else "nowhere"
    return mend(f"what fails in {_name(queue)} goes {where}, not to {wanted}", rebuild(target))


def _attributes(target: Target, url: str, *names: str) -> dict[str, str]:
    client = target.client("sqs")
    try:
        return dict(client.get_queue_attributes(QueueUrl=url, AttributeNames=list(names)).get("Attributes", {}))
    except client.exceptions.QueueDoesNotExist:
        raise Stopped(mend(f"there is no queue {url.rsplit('/', 1)[1]}", rebuild(target))) from None


def _lets_in(statement: dict[str, Any], bucket: str) -> bool:
    principal = statement.get("Principal")
    services = _listed(principal.get("Service", [])) if isinstance(principal, dict) else _listed(principal)
    actions = _listed(statement.get("Action"))
    sources = [
        pattern
        for operator, keys in statement.get("Condition", {}).items()
        if operator.startswith(("Arn", "String"))
        for key, patterns in keys.items()
        if key.lower() == "aws:sourcearn"
        for pattern in _listed(patterns)
    ]
    return (
        statement.get("Effect") == "Allow"
        and any(each in ("s3.amazonaws.com", "*") for each in services)
        and any(fnmatchcase("sqs:sendmessage", str(each).lower()) for each in actions)
        and (not sources or any(fnmatchcase(bucket, each) for each in sources))
    )


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [] if value is None else [value]


def _name(arn: str) -> str:
    return arn.rsplit(":", 1)[-1]
