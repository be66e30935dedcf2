"""Knows what the connections of a stage on AWS are made of: a person's keys, and what the stack came to.

Usage: python -m infra.deploy.put_secrets --stage NAME [--region REGION] [--config FILE] [--rotate]
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.aws.account import AwsAccount, DeployError
from infra.aws.connections import CONNECTIONS_PREFIX, HOSTS, KEY, current_value, put_connections
from infra.deploy.command_line import ended, say, stage_parser
from infra.deploy.deploy import Person
from infra.deploy.stage import place_of
from infra.deploy.warehouse import LOADER, READER, Warehouse

PROJECT_ROOT = Path(__file__).resolve().parents[2]
CONFIG = PROJECT_ROOT / "config" / "api_config.json"
EXAMPLE = CONFIG.with_name("api_config.example.json")

HOST = "x-rapidapi-host"
_KNOWN = {KEY, HOST, "smtp_listings"}
REDSHIFT_CONNECTION = "conn_id_redshift"


@dataclass(frozen=True)
class ApiConfig:
    """What config/api_config.json says: the key, and a mail server as Airflow's connection JSON, if any."""

    key: str = field(repr=False)
    smtp: dict[str, Any] | None = field(default=None, repr=False)


def _quotes(path: Path) -> str:
    """What text programs make of quotes is the likeliest slip, and the parser's words do not tell it."""
    typographic = re.search("[\u2018-\u201f\u00ab\u00bb]", path.read_text(encoding="utf-8", errors="replace"))
    return " It has typographic quotes: replace them with straight ones." if typographic else ""


def read_config(path: Path = CONFIG) -> ApiConfig:
    """The configuration of a person; raises DeployError that says what is wrong with it, never its values."""
    example = f"Begin with a copy of {EXAMPLE.relative_to(PROJECT_ROOT)}."
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DeployError(f"There is no {path}. {example}") from None
    except ValueError as error:
        raise DeployError(f"{path} is not JSON ({error}).{_quotes(path)} {example}") from None
    if not isinstance(found, dict) or not isinstance(found.get(KEY), str) or not found[KEY].strip():
        raise DeployError(f'{path}: expected an object with your RapidAPI key as "{KEY}". {example}')
    if "example" in found[KEY]:
        raise DeployError(f"{path} still has the example's key. Put your own, from RapidAPI's page of the API.")
    if strange := re.search(r"[^!-~]|['\"]", found[KEY].strip()):
        raise DeployError(
            f"{path}: character {strange.start() + 1} of {KEY} is a space, a line break or another that no key has, "
            "like the quotes of a text program. Copy it anew from RapidAPI's page of the API."
        )
    if (host := found.get(HOST)) not in (None, *HOSTS.values()):
        raise DeployError(
            f"{path}: {HOST} is {host!r}, and the families are asked at {', '.join(HOSTS.values())}: nobody would ask "
            "there. Leave it out; an API at another host wants an adapter with it as its request's host."
        )
    if unknown := set(found) - _KNOWN:
        raise DeployError(
            f"{path}: {', '.join(sorted(unknown))} is not known here; there are {', '.join(sorted(_KNOWN))}."
        )
    smtp = found.get("smtp_listings")
    if smtp is not None and not (isinstance(smtp, dict) and smtp.get("conn_type") == "smtp" and smtp.get("host")):
        raise DeployError(f'{path}: smtp_listings is expected as Airflow\'s JSON, {{"conn_type": "smtp", "host": …}}.')
    return ApiConfig(found[KEY].strip(), smtp)


def api_connections(key: str) -> dict[str, dict[str, Any]]:
    """The connection of each API family. What stands in an HTTP connection's extra goes out as headers."""
    return {
        name: {
            "conn_type": "http",
            "host": f"https://{host}",
            "extra": {KEY: key, HOST: host},
        }
        for name, host in HOSTS.items()
    }


def aws_connections(outputs: Mapping[str, str], region: str) -> dict[str, dict[str, Any]]:
    """The connections that hold no secret. Airflow's own identity is the host's or MWAA's, so it assumes none."""
    return {
        "aws_s3_conn": {"conn_type": "aws", "extra": {"region_name": region}},
        # Without a region: Parquet COPY refuses the REGION clause that one adds.
        "redshift_copy_role": {"conn_type": "aws", "extra": {"role_arn": outputs["RedshiftCopyRoleArn"]}},
    }


def warehouse_connection(outputs: Mapping[str, str], user: str, password: str) -> dict[str, Any]:
    """A connection to the warehouse as one of its users."""
    return {
        "conn_type": "redshift",
        "host": outputs["RedshiftEndpointAddress"],
        "port": 5439,
        "schema": outputs["RedshiftDatabase"],
        "login": user,
        "password": password,
    }


def put_all(
    account: AwsAccount,
    outputs: Mapping[str, str],
    config: ApiConfig,
    warehouse: Warehouse,
    *,
    rotate: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Puts every connection into its secret, makes the warehouse's users, and closes its schema public to others.

    Again changes only what differs.

    The users' passwords are made here and stay, unless `rotate`. Raises DeployError.
    """
    connections = api_connections(config.key) | aws_connections(outputs, account.region)
    if config.smtp is not None:
        connections["smtp_listings"] = config.smtp
    put_connections(account, connections)
    say(f"Put: {', '.join(connections)}")
    client = account.client("secretsmanager")
    for user, secret in (
        (LOADER, f"{CONNECTIONS_PREFIX}{REDSHIFT_CONNECTION}"),
        (READER, outputs["WarehouseReaderSecretName"]),
    ):
        known = json.loads(current_value(client, secret) or "{}")
        password = None if rotate else known.get("password")
        wanted = warehouse_connection(outputs, user, password or _password())
        if wanted == known:
            say(f"User {user} of the warehouse stays as it is")
            continue
        # First the warehouse: a secret that nobody could log in with would be found out by a failing load.
        warehouse.set_password(user, wanted["password"])
        client.put_secret_value(SecretId=secret, SecretString=json.dumps(wanted, sort_keys=True))
        say(f"User {user} of the warehouse has a password, in {secret}")
    warehouse.close_public()


def _password() -> str:
    """Letters of both cases and digits, as Redshift asks for."""
    return f"{secrets.token_urlsafe(30)}aA1".replace("-", "b").replace("_", "c")


def main(arguments: list[str] | None = None) -> int:
    """Puts the secrets from the command line; on failure says why and returns 1."""
    parser = stage_parser("put_secrets", __doc__, asks=False)
    parser.add_argument("--config", type=Path, default=CONFIG, help="file with the RapidAPI key")
    parser.add_argument("--rotate", action="store_true", help="give the warehouse's users new passwords")
    chosen = parser.parse_args(arguments)

    def do() -> None:
        config = read_config(chosen.config)
        place = place_of(chosen.stage, chosen.region)
        stack = place.stack(Person(say))
        if not stack.exists():
            raise DeployError(
                f"There is no stack {place.stack_name} in {place.account.region}. First make deploy "
                f"STAGE={chosen.stage}, with REGION where it is not to be there."
            )
        outputs = stack.outputs()
        warehouse = Warehouse.of(place.account, outputs)
        put_all(place.account, outputs, config, warehouse, rotate=chosen.rotate, say=say)

    return ended(do)


if __name__ == "__main__":
    raise SystemExit(main())
