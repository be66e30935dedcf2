"""How the host is told of a release: through Systems Manager, with every way that it can end."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from infra.aws.account import DeployError
from infra.deploy.host_update import IMAGE_PARAMETER, newest_image, update_host

HOST = "i-0123456789abcdef0"
COMMAND = "00000000-0000-0000-0000-000000000000"


def _ssm() -> Any:
    return boto3.client("ssm", region_name="us-east-1", aws_access_key_id="example", aws_secret_access_key="example")


def _update(*answers: Any) -> list[str]:
    """Updates a host whose command is answered so; what was said."""
    ssm, told = _ssm(), list[str]()
    with Stubber(ssm) as stubber:
        stubber.add_response(
            "send_command",
            {"Command": {"CommandId": COMMAND}},
            {"InstanceIds": [HOST], "DocumentName": "AWS-RunShellScript", "Comment": ANY, "Parameters": ANY},
        )
        for answer in answers:
            if answer is None:
                stubber.add_client_error("get_command_invocation", "InvocationDoesNotExist")
            else:
                stubber.add_response("get_command_invocation", answer, {"CommandId": COMMAND, "InstanceId": HOST})
        update_host(ssm, HOST, told.append, wait=lambda seconds: None)
        stubber.assert_no_pending_responses()
    return told


def test_release_that_comes_up_is_told() -> None:
    """The command is waited for, also while Systems Manager does not know it yet."""
    told = _update(None, {"Status": "InProgress"}, {"Status": "Success"})
    assert "Airflow is well on the new release" == told[-1]


def test_release_that_does_not_come_up_is_an_error_with_its_words() -> None:
    """What the installation said at its end stands in the error."""
    failed = {"Status": "Failed", "StatusDetails": "Failed", "StandardErrorContent": "no space left on device"}
    with pytest.raises(DeployError, match=r"(?s)keeps the one before.*no space left"):
        _update(failed)


def test_host_that_does_not_answer_is_given_up() -> None:
    """A command that nobody takes is given up in the end, with where to look."""
    with pytest.raises(DeployError, match="make doctor"):
        _update(*[{"Status": "Pending"}] * 360)


def test_image_is_the_newest_amazon_linux() -> None:
    """The image's id is what AWS's public parameter says."""
    ssm = _ssm()
    with Stubber(ssm) as stubber:
        stubber.add_response("get_parameter", {"Parameter": {"Value": "ami-0123"}}, {"Name": IMAGE_PARAMETER})
        assert "ami-0123" == newest_image(ssm)
