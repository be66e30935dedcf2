"""Knows where Airflow's connections are kept, a secret for each in Airflow's own JSON, and who the API families are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from infra.aws.account import AwsAccount, DeployError

CONNECTIONS_PREFIX = "airflow/connections/"
# The connection of each API family, and its host at RapidAPI.
HOSTS = {
    "zillow_api": "zillow56.p.rapidapi.com",
    "zillow_com4_api": "zillow-com4.p.rapidapi.com",
    "zillow_com1_api": "zillow-com1.p.rapidapi.com",
    "zillow_working_api": "zillow-working-api.p.rapidapi.com",
}
KEY = "x-rapidapi-key"


def put_connections(account: AwsAccount, connections: Mapping[str, Mapping[str, Any]]) -> None:
    """Puts each Airflow connection, given as Airflow's connection JSON, into the secret of its name.

    A value that is there already is not put again. Raises DeployError for a connection that the template
    has no secret for.
    """
    secrets = account.client("secretsmanager")
    for connection_id, connection in connections.items():
        name = f"{CONNECTIONS_PREFIX}{connection_id}"
        wanted = json.dumps(connection, sort_keys=True)
        try:
            if current_value(secrets, name) != wanted:
                secrets.put_secret_value(SecretId=name, SecretString=wanted)
        except secrets.exceptions.ResourceNotFoundException:
            raise DeployError(
                f"There is no secret {name} for connection {connection_id!r}. Secrets are made by "
                "infra/template.yaml: correct the connection's name or add its secret there."
            ) from None


def current_value(secrets: Any, name: str) -> str | None:
    """The secret's value; None while it has none. A secret that does not exist shows when it is put."""
    try:
        value = secrets.get_secret_value(SecretId=name).get("SecretString")
        return None if value is None else str(value)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise
