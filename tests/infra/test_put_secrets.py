"""The connections of a stage: what a person's file must say, and what is put where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from include.contract.families import known_sources, load_source
from infra.aws.account import LOCAL_REGION, AwsAccount, DeployError
from infra.deploy.put_secrets import HOSTS, ApiConfig, put_all, read_config
from tests.support.deployed_stack import Deployed

KEY = "not-a-real-key-0000"
READER_SECRET = "listings/dev/warehouse-reader"


class Warehouse:
    """Remembers who was given a password, and whether public was closed."""

    def __init__(self) -> None:
        self.passwords: dict[str, str] = {}
        self.is_closed = False

    def close_public(self) -> None:
        self.is_closed = True

    def set_password(self, user: str, password: str) -> None:
        self.passwords[user] = password


@pytest.fixture(scope="module")
def outputs(deployed: Deployed) -> dict[str, str]:
    """The outputs of the local stack, and what the same stack has on AWS more."""
    deployed.root("secretsmanager").create_secret(Name=READER_SECRET)
    return {
        **deployed.outputs,
        "RedshiftEndpointAddress": "listings-dev.example.redshift-serverless.amazonaws.com",
        "RedshiftDatabase": "listings",
        "WarehouseReaderSecretName": READER_SECRET,
    }


def _value(deployed: Deployed, name: str) -> dict[str, Any]:
    return dict(json.loads(deployed.root("secretsmanager").get_secret_value(SecretId=name)["SecretString"]))


def _put(deployed: Deployed, outputs: dict[str, str], **options: Any) -> tuple[Warehouse, list[str]]:
    warehouse, told = Warehouse(), []
    account = AwsAccount(deployed.ministack.endpoint, LOCAL_REGION)
    put_all(account, outputs, ApiConfig(KEY), warehouse, say=told.append, **options)  # type: ignore[arg-type]
    return warehouse, told


class TestPutAll:
    """What `make secrets` does."""

    def test_every_connection_has_a_value(self, deployed: Deployed, outputs: dict[str, str]) -> None:
        """The families have the key and their host, AWS's connections no secret, and the warehouse its users."""
        warehouse, _ = _put(deployed, outputs, rotate=True)
        for name, host in HOSTS.items():
            assert {"x-rapidapi-key": KEY, "x-rapidapi-host": host} == _value(deployed, f"airflow/connections/{name}")[
                "extra"
            ]
        assert {"role_arn": outputs["RedshiftCopyRoleArn"]} == _value(
            deployed, "airflow/connections/redshift_copy_role"
        )["extra"]
        assert {"region_name": LOCAL_REGION} == _value(deployed, "airflow/connections/aws_s3_conn")["extra"]
        loader = _value(deployed, "airflow/connections/conn_id_redshift")
        assert ("loader", warehouse.passwords["loader"]) == (loader["login"], loader["password"])
        reader = _value(deployed, READER_SECRET)
        assert ("reader", warehouse.passwords["reader"]) == (reader["login"], reader["password"])
        assert warehouse.passwords["loader"] != warehouse.passwords["reader"]

    def test_passwords_stay_until_they_are_rotated(self, deployed: Deployed, outputs: dict[str, str]) -> None:
        """Put again, the warehouse's users keep their passwords, public is closed; with `rotate` both get others."""
        first, _ = _put(deployed, outputs, rotate=True)
        again, _ = _put(deployed, outputs)
        assert {} == again.passwords
        assert again.is_closed
        rotated, _ = _put(deployed, outputs, rotate=True)
        assert set(first.passwords) == set(rotated.passwords)
        assert not set(first.passwords.values()) & set(rotated.passwords.values())

    def test_nothing_secret_is_told(self, deployed: Deployed, outputs: dict[str, str]) -> None:
        """What is said names connections and users, never a key or a password."""
        warehouse, told = _put(deployed, outputs, rotate=True)
        assert told
        for secret in (KEY, *warehouse.passwords.values()):
            assert secret not in "\n".join(told)

    def test_passwords_are_as_redshift_asks(self, deployed: Deployed, outputs: dict[str, str]) -> None:
        """8 to 64 characters with a capital, a small letter and a digit."""
        warehouse, _ = _put(deployed, outputs, rotate=True)
        for password in warehouse.passwords.values():
            assert 8 <= len(password) <= 64
            for kind in (str.isupper, str.islower, str.isdigit):
                assert any(map(kind, password))
            assert password.isalnum()


def test_classic_file_is_taken(tmp_path: Path) -> None:
    """The file of the classic tutorial, key and host, is enough."""
    path = tmp_path / "api_config.json"
    path.write_text(json.dumps({"x-rapidapi-key": KEY, "x-rapidapi-host": "zillow56.p.rapidapi.com"}))
    assert ApiConfig(KEY) == read_config(path)


def test_key_is_in_no_representation() -> None:
    """A configuration that is printed by mistake shows no key."""
    assert KEY not in repr(ApiConfig(KEY))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "There is no .*api_config.json"),
        ("{", "is not JSON"),
        ("{\u201cx-rapidapi-key\u201d: \u201ck\u201d}", "is not JSON .*It has typographic quotes: replace them"),
        ("[]", 'your RapidAPI key as "x-rapidapi-key"'),
        ('{"x-rapidapi-key": ""}', 'your RapidAPI key as "x-rapidapi-key"'),
        ('{"x-rapidapi-key": "example-key-put-your-own-here"}', "still has the example's key"),
        ('{"x-rapidapi-key": "k", "key": "k2"}', "key is not known"),
        ('{"x-rapidapi-key": "not-a-real\\nkey"}', "character 11 of x-rapidapi-key is a space, a line break"),
        ('{"x-rapidapi-key": "\u201cnot-a-real\u201d"}', "character 1 of x-rapidapi-key is a space, a line break"),
        ('{"x-rapidapi-key": "not-a-real key"}', "character 11 of x-rapidapi-key is a space, a line break"),
        ('{"x-rapidapi-key": "\'not-a-real\'"}', "character 1 of x-rapidapi-key is a space, a line break"),
        ('{"x-rapidapi-key": "k", "x-rapidapi-host": "h.example.com"}', "x-rapidapi-host is 'h.example.com', and"),
        ('{"x-rapidapi-key": "k", "smtp_listings": {"host": "h"}}', "smtp_listings is expected as Airflow's JSON"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str | None, complaint: str) -> None:
    """A file that is absent, no JSON, without a key, the example itself, or misspelt is refused by name."""
    path = tmp_path / "api_config.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DeployError, match=complaint) as refused:
        read_config(path)
    assert "not-a-real" not in str(refused.value)


def test_hosts_are_those_of_the_adapters() -> None:
    """Each family's connection and host here are those that its adapter names."""
    adapters = [load_source(name) for name in known_sources()]
    assert {adapter.connection: adapter.request.host for adapter in adapters} == HOSTS
