"""Knows what an AWS error means to a person: clock, credentials, permission, region, network, or something else.

Needs botocore alone, so that every command can say it without what the doctor needs.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError

SET_CLOCK = "set this machine's clock: sudo timedatectl set-ntp true, or turn on automatic time in its settings"
ON_THE_WAY = "look at this machine's proxy (HTTPS_PROXY, NO_PROXY), VPN and sign-in page of the network"
_START_AFRESH = "make status shows what runs; make down, make up start afresh"
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}
_WRONG = {
    "AuthFailure",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "403", "Forbidden"}
_ELSEWHERE = {
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "OptInRequired",
    "PermanentRedirect",
}
# What AWS says when only the time in the signature is wrong.
_SKEWED = re.compile(r"Signature expired|Signature not yet current|request has expired|Request has expired")
_SKEW_CODES = {"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"}
_ACTION = re.compile(r"not authorized to perform:? ([a-z0-9-]+:\w+)")
_WHO = re.compile(r"(arn:[\w-]+:(?:iam|sts)::\d*:\S+) is not authorized")
# Where the operation is not the action, or the refusal does not name it.
_ACTION_OF = {
    "CompleteMultipartUpload": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "HeadBucket": "s3:ListBucket",
    "PutObject": "s3:PutObject",
    "UploadPart": "s3:PutObject",
}
_NO_CREDENTIALS = (
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
# boto3's S3UploadFailedError keeps of what AWS said only the words.
_QUOTED = re.compile(
    r"An error occurred \((?P<code>\S+)\) when calling the (?P<operation>\w+) operation[^:]*: (?P<said>.*)", re.S
)
_LONGEST = 300


class Fault(NamedTuple):
    """What happened, and what to do about it; each in one line."""

    happened: str
    remedy: str


def explained(error: Exception) -> str:
    """What happened and, in a second line, what to do, for an error of botocore or boto3; any other keeps its words."""
    fault = fault_of(error)
    return f"{fault.happened}\n{fault.remedy}" if fault else f"{type(error).__name__}: {error}"


def fault_of(error: Exception, caller: str = "the caller") -> Fault | None:
    """The same in its two parts; None for what is no error of AWS or of the way there.

    :param caller: who was refused, where AWS does not say it
    """
    quoted = _quoted(error)
    if quoted is not None:
        return _of_answer(quoted, caller)
    if isinstance(error, ResponseParserError):
        return _no_aws(error)
    if isinstance(error, _NO_CREDENTIALS):
        return Fault(
            f"no credentials for AWS: {error}", "aws configure, or aws sso login and AWS_PROFILE=<profile>; then again"
        )
    if isinstance(error, (NoRegionError, InvalidRegionError)):
        return Fault(f"no region to go to: {error}", "name one that there is, for instance REGION=eu-west-1")
    if isinstance(error, (BotoConnectionError, HTTPClientError)):
        return _no_answer(error)
    if isinstance(error, BotoCoreError):
        return Fault(
            _line(f"{type(error).__name__}: {error}"), "look at the AWS settings of this shell: AWS_*, ~/.aws/config"
        )
    return None


def is_denied(error: ClientError) -> bool:
    """Whether the caller lacks the permission."""
    return _code(error) in _DENIED


def is_skewed(error: ClientError) -> bool:
    """Whether the signature's time is what AWS did not take."""
    return _code(error) in _SKEW_CODES or bool(_SKEWED.search(str(error)))


def missing_action(error: ClientError) -> str:
    """The action that was refused: in AWS's words, else by the operation's name."""
    named = _ACTION.search(str(error))
    return named[1] if named else _ACTION_OF.get(error.operation_name, error.operation_name)


def _quoted(error: Exception) -> ClientError | None:
    """AWS's answer: the error itself, or the one whose words it repeats."""
    if isinstance(error, ClientError):
        return error
    said = _QUOTED.search(str(error)) if type(error).__name__ == "S3UploadFailedError" else None
    return said and ClientError({"Error": {"Code": said["code"], "Message": said["said"]}}, said["operation"])


def _of_answer(error: ClientError, caller: str) -> Fault:
    code = _code(error)
    if is_skewed(error):
        return Fault(f"the clock is wrong: AWS does not take this machine's time ({code})", SET_CLOCK)
    if code in _EXPIRED:
        return Fault(f"the credentials have expired ({code})", "aws sso login, or get new ones; then again")
    if code in _WRONG:
        return Fault(
            f"AWS does not know these credentials ({code})",
            "look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE and ~/.aws/credentials, "
            "and whether the account has turned the region on",
        )
    if code in _ELSEWHERE:
        return Fault(
            _line(f"{error.operation_name}: the region is wrong ({code}): {_message(error)}"),
            "name the region where it was deployed, one that the account has turned on: REGION=<region>",
        )
    if code == "407" or _message(error).lstrip().startswith("<"):
        return _no_aws(error)
    if code in _DENIED:
        return _denied(error, caller)
    return Fault(
        _line(f"{error.operation_name}: {code}: {_message(error)}".rstrip(": ")),
        "try again; if it stays, look into the AWS console at what is named here",
    )


def _denied(error: ClientError, caller: str) -> Fault:
    action, named = missing_action(error), _WHO.search(str(error))
    who = named[1] if named else caller
    if "explicit deny" in str(error):
        return Fault(
            f"may not: {action}, by an explicit deny",
            f"whoever administers the account must lift what denies it to {who}: allowing it again does not help",
        )
    return Fault(f"may not: {action}", f"allow {action} to {who} (IAM, Permissions)")


def _no_answer(error: BotoCoreError) -> Fault:
    endpoint = str(error.kwargs.get("endpoint_url", ""))
    if urlsplit(endpoint).hostname in ("127.0.0.1", "localhost"):
        return Fault(f"nothing answers at {endpoint.rstrip('/')}", _START_AFRESH)
    return Fault(
        _line(f"no answer: {error}"),
        "look at this machine's network and proxy (HTTPS_PROXY), and whether there is such a region",
    )


def _no_aws(error: Exception) -> Fault:
    return Fault(
        _line(f"something in between (a proxy?) answered in AWS's place, with what is no answer of AWS: {error}"),
        ON_THE_WAY,
    )


def _line(words: str) -> str:
    said = " ".join(words.split())
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"


def _message(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Message", ""))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
