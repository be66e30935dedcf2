"""Knows how the doctor gets at AWS or the stand-in: clients that give up soon, each made once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config

from infra.aws.account import LOCAL_REGION, AwsAccount

# A doctor that hangs is no help: what does not answer within seconds is said to be away.
_PATIENCE = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "max_attempts": 2})

Factory = Callable[[str], Any]


def aws_clients(region: str) -> Factory:
    """Clients of AWS with the caller's credentials."""
    return _each_once(lambda service: boto3.client(service, region_name=region, config=_PATIENCE))  # type: ignore[call-overload]


def local_clients(endpoint_url: str) -> Factory:
    """Clients of the stand-in at `endpoint_url`, as its root."""
    return _each_once(AwsAccount(endpoint_url, LOCAL_REGION).client)


def assumed_client(endpoint_url: str, service: str, credentials: dict[str, str]) -> Any:
    """A client of the stand-in with a role's temporary credentials, as AssumeRole gives them."""
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=endpoint_url,
        region_name=LOCAL_REGION,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
        config=_PATIENCE,
    )


def unsigned(client: Any) -> Any:
    """A client of the same place that signs nothing: what it is refused still carries AWS's time."""
    return boto3.client(
        client.meta.service_model.service_name,
        endpoint_url=client.meta.endpoint_url,
        region_name=client.meta.region_name,
        config=_PATIENCE.merge(Config(signature_version=UNSIGNED)),
    )


def _each_once(make: Factory) -> Factory:
    """Clients may be used by several threads, but not made by several at once."""
    made: dict[str, Any] = {}
    lock = threading.Lock()

    def client(service: str) -> Any:
        with lock:
            if service not in made:
                made[service] = make(service)
            return made[service]

    return client
