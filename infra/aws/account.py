"""Knows which AWS a deploy talks to: the real one with the caller's credentials, or the stand-in as its root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

LOCAL_STAGE = "local"
LOCAL_REGION = "us-east-1"
# MiniStack takes this key for the account's root; it opens nothing else.
_STAND_IN_ROOT = "test"


class DeployError(RuntimeError):
    """A deploy could not be done; the message says what was expected, what came and what to do."""


@dataclass(frozen=True)
class AwsAccount:
    """Makes clients for one account and region; `endpoint_url` is None on AWS."""

    endpoint_url: str | None
    region: str

    def client(self, service: str) -> Any:
        """A boto3 client of `service`."""
        if self.endpoint_url is None:
            # Standard retries are three; a line that is dead is given up in half a minute and not in five.
            patience = Config(retries={"mode": "standard"}, connect_timeout=5, read_timeout=60)
            return boto3.client(service, region_name=self.region, config=patience)  # type: ignore[call-overload]
        # Named keys, so that a person's own AWS credentials are never sent to the stand-in or used by mistake.
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.endpoint_url,
            region_name=self.region,
            aws_access_key_id=_STAND_IN_ROOT,
            aws_secret_access_key=_STAND_IN_ROOT,
            config=Config(retries={"max_attempts": 2}, connect_timeout=3, s3={"addressing_style": "path"}),
        )

    def account_id(self) -> str:
        """The twelve digits of the account that the credentials belong to."""
        return str(self.client("sts").get_caller_identity()["Account"])

    @property
    def poll_seconds(self) -> float:
        """How long to wait between two looks at a stack: the stand-in is done in under a second."""
        return 3.0 if self.endpoint_url is None else 0.1
