"""What an error of AWS, or of the way there, means to a person who ran a command."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    ProfileNotFound,
)
from botocore.parsers import ResponseParserError

from infra.aws.faults import explained

WHO = "arn:aws:iam::123456789012:user/deployer"


def refusal(code: str, message: str = "", operation: str = "GetRole") -> ClientError:
    """An error answer of AWS."""
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def upload_failed(code: str, message: str) -> S3UploadFailedError:
    """What boto3 makes of a refused upload."""
    refused = refusal(code, message, "PutObject")
    return S3UploadFailedError(f"Failed to upload /tmp/a.zip to listings-dev-code/functions/a.zip: {refused}")


@pytest.mark.parametrize(
    ("error", "happened", "remedy"),
    [
        (NoCredentialsError(), "no credentials for AWS", "aws configure"),
        (ProfileNotFound(profile="absent"), r"no credentials for AWS: .*absent", "AWS_PROFILE"),
        (refusal("ExpiredToken", "The security token included in the request is expired"), "have expired", "sso login"),
        (refusal("InvalidClientTokenId"), "AWS does not know these credentials", "AWS_PROFILE"),
        (refusal("UnrecognizedClientException"), "AWS does not know these", "the account has turned the region on"),
        (refusal("SignatureDoesNotMatch", "does not match the signature you provided"), "does not know", "AWS_SECRET"),
        (
            refusal("SignatureDoesNotMatch", "Signature expired: 20261128T1 is now earlier than 20261128T2"),
            "the clock is wrong",
            "set this machine's clock",
        ),
        (refusal("RequestTimeTooSkewed", "The difference is too large"), "the clock is wrong", "set this machine's"),
        (refusal("InvalidSignatureException", "Signature not yet current"), "the clock is wrong", "set this machine's"),
        (
            refusal("AccessDenied", f"User: {WHO} is not authorized to perform: iam:GetRole on resource: x"),
            "may not: iam:GetRole$",
            f"allow iam:GetRole to {WHO} (IAM, Permissions)",
        ),
        (
            refusal(
                "AccessDenied",
                f"User: {WHO} is not authorized to perform: s3:PutObject with an explicit deny in a policy",
            ),
            "may not: s3:PutObject, by an explicit deny$",
            f"must lift what denies it to {WHO}",
        ),
        (refusal("403", "Forbidden", "HeadBucket"), "may not: s3:ListBucket$", "allow s3:ListBucket to the caller"),
        (refusal("UnauthorizedOperation", "", "DescribeVpcs"), "may not: DescribeVpcs$", "allow DescribeVpcs"),
        (refusal("Throttling", "Rate exceeded"), "GetRole: Throttling: Rate exceeded$", "try again"),
        (refusal("PermanentRedirect", "use this endpoint"), r"the region is wrong \(PermanentRedirect\)", "REGION="),
        (NoRegionError(), "no region to go to", "REGION="),
        (InvalidRegionError(region_name="eu west"), "no region to go to: .*eu west", "REGION="),
        (
            EndpointConnectionError(endpoint_url="https://sts.eu-west-9.amazonaws.com/"),
            "no answer: Could not connect .*eu-west-9",
            "whether there is such a region",
        ),
        (
            EndpointConnectionError(endpoint_url="http://127.0.0.1:4566/"),
            "nothing answers at http://127.0.0.1:4566$",
            "make status",
        ),
        (
            ResponseParserError("Unable to parse response (no element found), invalid XML received:\nb'<html>'"),
            r"something in between \(a proxy\?\) answered in AWS's place",
            "HTTPS_PROXY",
        ),
        (refusal("407", "<html>Sign in</html>"), "something in between", "HTTPS_PROXY"),
        (refusal("503", "<!DOCTYPE html><title>Blocked</title>"), "something in between", "HTTPS_PROXY"),
        (
            upload_failed("AccessDenied", f"User: {WHO} is not authorized to perform: s3:PutObject on resource: x"),
            "may not: s3:PutObject$",
            f"allow s3:PutObject to {WHO}",
        ),
        (upload_failed("AccessDenied", "Access Denied"), "may not: s3:PutObject$", "allow s3:PutObject to the caller"),
        (upload_failed("ExpiredToken", "The provided token has expired."), "have expired", "sso login"),
        (ParamValidationError(report="Unknown parameter"), "ParamValidationError: .*Unknown", "AWS settings"),
    ],
    ids=lambda value: None if isinstance(value, str) else f"{type(value).__name__} {value}"[:60],
)
def test_an_error_of_aws_says_what_happened_and_what_to_do(error: Exception, happened: str, remedy: str) -> None:
    """Credentials, clock, permission, region, network and all else are told apart, in two lines."""
    first, second = explained(error).splitlines()
    assert re.search(happened, first), first
    assert remedy in second


def test_an_answer_that_has_no_end_is_cut_off() -> None:
    """A proxy's page is told of and not told whole."""
    assert 400 > len(explained(ResponseParserError("<p>" * 10_000)).splitlines()[0])


def test_what_is_no_error_of_aws_speaks_for_itself() -> None:
    """Any other error keeps its words."""
    assert "ValueError: out of range" == explained(ValueError("out of range"))


def test_explaining_needs_botocore_alone() -> None:
    """A command that explains its errors loads neither boto3 nor any of the doctor's checks for it."""
    code = (
        "import sys; import infra.aws.faults\n"
        "print(*sorted(m for m in sys.modules if m.split('.')[0] in ('boto3', 'psycopg', 'rich', 'infra')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ["infra", "infra.aws", "infra.aws.faults"] == done.stdout.split()
