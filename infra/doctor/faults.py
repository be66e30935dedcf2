"""Knows what an AWS error means to a person: clock, credentials, permission, network, or something else."""

from __future__ import annotations

import re

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError

from infra.doctor.finding import Finding, mend
from infra.doctor.target import Target

SET_CLOCK = "set this machine's clock: sudo timedatectl set-ntp true, or turn on automatic time in its settings"
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
# What AWS says when only the time in the signature is wrong.
_SKEWED = re.compile(r"Signature expired|Signature not yet current|request has expired|Request has expired")
_SKEW_CODES = {"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"}
_ACTION = re.compile(r"not authorized to perform:? ([a-z0-9-]+:\w+)")
# Where the operation is not the action, or the refusal does not name it.
_ACTION_OF = {"HeadBucket": "s3:ListBucket", "GetBucketNotificationConfiguration": "s3:GetBucketNotification"}
_NO_CREDENTIALS = (
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)


def explained(target: Target, error: ClientError | BotoCoreError) -> Finding:
    """The finding for an error that a check did not expect."""
    if isinstance(error, ClientError):
        return _of_answer(target, error)
    if isinstance(error, _NO_CREDENTIALS):
        return mend(
            f"no credentials for AWS: {error}",
            "aws configure, or aws sso login and AWS_PROFILE=<profile>; then run the doctor again",
        )
    if isinstance(error, (BotoConnectionError, HTTPClientError)):
        return _no_answer(target, error)
    return mend(f"{type(error).__name__}: {error}", "look at the AWS settings of this shell: AWS_*, ~/.aws/config")


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


def _of_answer(target: Target, error: ClientError) -> Finding:
    code = _code(error)
    if is_skewed(error):
        return mend(f"the clock is wrong: AWS does not take this machine's time ({code})", SET_CLOCK)
    if code in _EXPIRED:
        return mend(
            f"the credentials have expired ({code})", "aws sso login, or get new ones; then run the doctor again"
        )
    if code in _WRONG:
        return mend(
            f"AWS does not know these credentials ({code})",
            "look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE and ~/.aws/credentials",
        )
    if code in _DENIED:
        action = missing_action(error)
        return mend(f"may not: {action}", f"allow {action} to {_who(target)} (IAM, Permissions)")
    return mend(
        f"{error.operation_name}: {code}: {error.response['Error'].get('Message', '')}".rstrip(": "),
        "run the doctor again; if it stays, look into the AWS console at what is named here",
    )


def _no_answer(target: Target, error: BotoCoreError) -> Finding:
    if target.is_local:
        return mend(
            f"nothing answers at {target.endpoint_url}", "make status shows what runs; make down, make up start afresh"
        )
    return mend(
        f"no answer: {error}",
        f"look at this machine's network and proxy (HTTPS_PROXY), and whether there is a region {target.region}",
    )


def _who(target: Target) -> str:
    """The caller as far as it is known; asking again could fail again."""
    return str(target.notes.get("caller", "the caller"))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
