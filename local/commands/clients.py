"""How a client gets at a stack's AWS and warehouse from outside, past Airflow: for accounts, and for tests."""

from __future__ import annotations

from typing import Any

import boto3
import psycopg
from botocore.exceptions import BotoCoreError

from local.patience import SILENCE
from local.stack import Stack
from local.stack.deployment import ACCOUNT_REGION
from local.stack.ports import LOOPBACK

# What these clients raise while a part of the stack is busy, or on its way back.
NO_ANSWER: tuple[type[Exception], ...] = (*SILENCE, psycopg.OperationalError, BotoCoreError)
# MiniStack takes any key id of twelve digits for the account's root, and asks for no secret.
ROOT = {"aws_access_key_id": "000000000000", "aws_secret_access_key": "local"}


def aws_client(stack: Stack, service: str, **credentials: str) -> Any:
    """A boto3 client of `service` in the local AWS, as the account's root unless `credentials` say otherwise."""
    make: Any = boto3.client  # its types know each service by a literal name only
    endpoint = f"http://{LOOPBACK}:{stack.ports.ministack}"
    return make(service, endpoint_url=endpoint, region_name=ACCOUNT_REGION, **(credentials or ROOT))


def loader_connection(stack: Stack) -> psycopg.Connection[Any]:
    """A connection to the warehouse as the loader, in autocommit; the caller closes it.

    Raises psycopg.OperationalError when the endpoint does not answer.
    """
    return psycopg.connect(
        host=LOOPBACK,
        port=stack.ports.redshift,
        dbname="listings",
        user="loader",
        password=stack.home.secrets()["loader"],
        sslmode="disable",
        autocommit=True,
    )
