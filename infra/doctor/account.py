"""Knows whose account it is, whether this machine's clock agrees with AWS, and whether the stack stands."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.aws.faults import SET_CLOCK
from infra.doctor.clients import unsigned
from infra.doctor.finding import NOT_DEPLOYED, Finding, mend, ok, skip
from infra.doctor.target import Target

# AWS refuses a signature that is more than five minutes off; an hour's drift begins with a minute.
MOST_SECONDS_OFF = 60
REFUSED_FROM_SECONDS = 300
_SETTLED_WELL = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}


def look_at_account(target: Target) -> Finding:
    """Whether the credentials are somebody's, and whose."""
    if target.clients is None:
        return ok("the local stack brings its own; no account at AWS is needed")
    caller = target.caller
    return ok(f"{caller.account} as {caller.arn}")


def look_at_clock(target: Target) -> Finding:
    """How far this machine's clock is from AWS's; asked without a signature, which a wrong clock would spoil."""
    try:
        there, here = _time_at(target)
    except (BotoCoreError, KeyError, ValueError) as error:
        return skip(f"no time came to compare with: {error}")
    off = (here - there).total_seconds()
    # A Date header has whole seconds, and the answer was under way.
    if abs(off) <= MOST_SECONDS_OFF:
        return ok(f"agrees with AWS within {max(1, round(abs(off)))} s")
    means = ", and every signature is refused" if abs(off) > REFUSED_FROM_SECONDS else ""
    return mend(f"this machine is {_span(abs(off))} {'ahead of' if off > 0 else 'behind'} AWS{means}", SET_CLOCK)


def look_at_stack(target: Target) -> Finding:
    """Whether the stack is there and came to stand."""
    if target.clients is None:
        return mend(f"{NOT_DEPLOYED}no stack is up in {target.home}", "make up")
    stack = target.stack
    if stack is None:
        return _not_deployed(target)
    status = str(stack["StackStatus"])
    if status in _SETTLED_WELL:
        changed = stack.get("LastUpdatedTime") or stack["CreationTime"]
        return ok(f"{target.stack_name} {status}, {changed.astimezone(UTC):%Y-%m-%d %H:%M} UTC")
    if status.endswith("_IN_PROGRESS"):
        return mend(f"{target.stack_name} is {status}: somebody deploys or deletes it now", "wait, then look again")
    reason = stack.get("StackStatusReason") or "its events say why"
    return mend(f"{target.stack_name} is {status}: {reason}", f"{target.command('deploy')} names the cause and goes on")


def _not_deployed(target: Target) -> Finding:
    elsewhere = _region_of_code(target)
    if elsewhere and elsewhere != target.region:
        return mend(
            f"no stack {target.stack_name} in {target.region}; it was deployed to {elsewhere}",
            f"make doctor STAGE={target.stage} REGION={elsewhere}",
        )
    return mend(f"{NOT_DEPLOYED}no stack {target.stack_name} in {target.region}", target.command("deploy"))


def _region_of_code(target: Target) -> str | None:
    """The region of the bucket that a deploy makes first, None when there is none to be seen."""
    try:
        found: Any = target.client("s3").head_bucket(
            Bucket=target.code_bucket, ExpectedBucketOwner=target.caller.account
        )
    except ClientError:
        return None
    return str(found.get("BucketRegion") or "") or None


def _time_at(target: Target) -> tuple[datetime, datetime]:
    """AWS's time and ours at one moment."""
    try:
        answer = unsigned(target.client("sts")).get_caller_identity()
    except ClientError as refused:
        answer = refused.response
    here = target.now()
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]), here


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
