"""The warehouse's users and its limit, with the requests that AWS would get held against its own descriptions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from infra.aws.account import AwsAccount, DeployError
from infra.deploy.warehouse import FIRST_RPU_HOURS, Warehouse, set_usage_limit

ARN = "arn:aws:redshift-serverless:us-east-1:123456789012:workgroup/example"
ADMIN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:example"


def _client(service: str) -> Any:
    return boto3.client(service, region_name="us-east-1", aws_access_key_id="example", aws_secret_access_key="example")


class Account(AwsAccount):
    """An account whose clients are given."""

    def __init__(self, *clients: Any) -> None:
        super().__init__(None, "us-east-1")
        object.__setattr__(self, "_clients", {each.meta.service_model.service_name: each for each in clients})

    def client(self, service: str) -> Any:
        return self._clients[service]


@pytest.fixture
def data() -> Iterator[tuple[Any, Stubber]]:
    """The Data API, and what it is to answer."""
    client = _client("redshift-data")
    with Stubber(client) as stubber:
        yield client, stubber
        stubber.assert_no_pending_responses()


def _expect(stubber: Stubber, sql: Any, *, rows: list[list[dict[str, Any]]] | None = None, error: str = "") -> None:
    """The next statement is `sql`, and gives `rows` or fails with `error`."""
    asked = {"WorkgroupName": "listings-dev", "Database": "listings", "SecretArn": ADMIN, "Sql": sql}
    stubber.add_response("execute_statement", {"Id": "1"}, asked)
    stubber.add_response("describe_statement", {"Id": "1", "Status": "STARTED"}, {"Id": "1"})
    end = {"Id": "1", "Status": "FAILED", "Error": error} if error else {"Id": "1", "Status": "FINISHED"}
    stubber.add_response("describe_statement", {**end, "HasResultSet": rows is not None}, {"Id": "1"})
    if rows is not None:
        stubber.add_response("get_statement_result", {"Records": rows}, {"Id": "1"})


def _warehouse(client: Any) -> Warehouse:
    return Warehouse(client, "listings-dev", "listings", ADMIN, wait=lambda seconds: None)


def test_loader_is_made_with_leave_to_make_schemas(data: tuple[Any, Stubber]) -> None:
    """A loader that is not there is made, its password as Redshift's md5 form, and may create in the database."""
    client, stubber = data
    hashed = hashlib.md5(b"example-passwordloader").hexdigest()
    _expect(stubber, "select 1 from pg_user where usename = 'loader'", rows=[])
    _expect(stubber, f"create user loader password 'md5{hashed}'")
    _expect(stubber, "grant create on database listings to loader")
    _expect(stubber, "grant usage, create on schema public to loader with grant option")
    _warehouse(client).set_password("loader", "example-password")


def test_public_is_closed_to_all_but_the_loader(data: tuple[Any, Stubber]) -> None:
    """What Redshift lets everybody do, make tables in public, is taken back as the administrator."""
    client, stubber = data
    _expect(stubber, "revoke create on schema public from public")
    _warehouse(client).close_public()


def test_reader_that_is_there_gets_a_new_password_and_no_leave(data: tuple[Any, Stubber]) -> None:
    """A reader that is there is altered; what it may see is the migrations' business."""
    client, stubber = data
    hashed = hashlib.md5(b"example-passwordreader").hexdigest()
    _expect(stubber, "select 1 from pg_user where usename = 'reader'", rows=[[{"longValue": 1}]])
    _expect(stubber, f"alter user reader password 'md5{hashed}'")
    _warehouse(client).set_password("reader", "example-password")


def test_refusal_is_told_without_the_password(data: tuple[Any, Stubber]) -> None:
    """What Redshift refuses is an error with its words, and nothing of the password in any form."""
    client, stubber = data
    _expect(stubber, ANY, rows=[])
    _expect(stubber, ANY, error="ERROR: permission denied")
    with pytest.raises(DeployError, match="permission denied") as refused:
        _warehouse(client).set_password("reader", "example-password")
    assert "md5" not in str(refused.value)
    assert "example-password" not in str(refused.value)


def test_statement_without_an_end_is_given_up(data: tuple[Any, Stubber]) -> None:
    """After two minutes without an end the statement is an error that says so."""
    client, stubber = data
    stubber.add_response("execute_statement", {"Id": "1"})
    for _ in range(240):
        stubber.add_response("describe_statement", {"Id": "1", "Status": "STARTED"})
    with pytest.raises(DeployError, match="no answer in two minutes"):
        _warehouse(client).run("select 1")


LIMIT = {"usageLimitId": "limit-1", "usageType": "serverless-compute", "period": "daily", "amount": 20}


@pytest.mark.parametrize(
    ("there", "wanted", "result"),
    [([], None, FIRST_RPU_HOURS), ([], 5, 5), ([LIMIT], None, 20), ([LIMIT], 20, 20), ([LIMIT], 30, 30)],
)
def test_usage_is_limited(there: list[dict[str, Any]], wanted: int | None, result: int) -> None:
    """The daily limit is made once, stops queries, and changes only when another is asked for."""
    client = _client("redshift-serverless")
    with Stubber(client) as stubber:
        asked = {"resourceArn": ARN, "usageType": "serverless-compute"}
        stubber.add_response("list_usage_limits", {"usageLimits": there} if there else {}, asked)
        if not there:
            made = {**asked, "period": "daily", "amount": result, "breachAction": "deactivate"}
            stubber.add_response("create_usage_limit", {"usageLimit": {**LIMIT, "amount": result}}, made)
        elif wanted not in (None, 20):
            stubber.add_response(
                "update_usage_limit", {"usageLimit": LIMIT}, {"usageLimitId": "limit-1", "amount": wanted}
            )
        assert result == set_usage_limit(Account(client), ARN, wanted)
        stubber.assert_no_pending_responses()


def test_warehouse_of_a_stack_is_asked_as_its_administrator() -> None:
    """The administrator's secret is the one that Redshift keeps for the namespace."""
    serverless, data_api = _client("redshift-serverless"), _client("redshift-data")
    with Stubber(serverless) as stubber:
        stubber.add_response(
            "get_namespace", {"namespace": {"adminPasswordSecretArn": ADMIN}}, {"namespaceName": "listings-dev"}
        )
        outputs = {
            "RedshiftNamespaceName": "listings-dev",
            "RedshiftWorkgroupName": "listings-dev",
            "RedshiftDatabase": "listings",
        }
        assert ADMIN == Warehouse.of(Account(serverless, data_api), outputs).admin_secret_arn
