"""Knows how the Airflow host is told of a new release, and which image a new host starts from."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from infra.aws.account import DeployError

# AWS names the newest Amazon Linux 2023 in this public parameter.
IMAGE_PARAMETER = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
_UNDER_WAY = {"Pending", "InProgress", "Delayed", "Cancelling"}
_POLL_SECONDS, _PATIENCE_SECONDS = 5.0, 1800


def newest_image(ssm: Any) -> str:
    """The id of the newest Amazon Linux 2023 image of the region."""
    return str(ssm.get_parameter(Name=IMAGE_PARAMETER)["Parameter"]["Value"])


def update_host(
    ssm: Any, instance_id: str, say: Callable[[str], None], wait: Callable[[float], None] = time.sleep
) -> None:
    """Has the host install the release that the stack names, and waits until Airflow is well there.

    The host goes back to the release before when the new one does not come up. Raises DeployError with the end of
    what the installation said.
    """
    say("Airflow's host installs the release")
    command = ssm.send_command(
        InstanceIds=[instance_id],
        DocumentName="AWS-RunShellScript",
        Comment="listings: install the release that the stack names",
        Parameters={"commands": ["/usr/local/sbin/listings-update"], "executionTimeout": [str(_PATIENCE_SECONDS)]},
    )["Command"]["CommandId"]
    for _ in range(round(_PATIENCE_SECONDS / _POLL_SECONDS)):
        wait(_POLL_SECONDS)
        found = _invocation(ssm, command, instance_id)
        if found is not None and found["Status"] not in _UNDER_WAY:
            break
    else:
        raise DeployError(
            f"The host {instance_id} did not take the release in {_PATIENCE_SECONDS} s. See whether its SSM agent is "
            "online (make doctor), then deploy again."
        )
    if found["Status"] != "Success":
        said = (found.get("StandardErrorContent") or found.get("StandardOutputContent") or "").strip()[-2000:]
        raise DeployError(
            f"The host could not install the release ({found['StatusDetails']}) and keeps the one before; all else of "
            f"the stack is new. Mend it and deploy again, or deploy the checkout of before. It said:\n{said}"
        )
    say("Airflow is well on the new release")


def _invocation(ssm: Any, command: str, instance_id: str) -> dict[str, Any] | None:
    """What has become of the command; None while SSM does not know it yet."""
    try:
        return dict(ssm.get_command_invocation(CommandId=command, InstanceId=instance_id))
    except ClientError as error:
        if error.response["Error"]["Code"] == "InvocationDoesNotExist":
            return None
        raise
